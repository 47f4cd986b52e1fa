"""Django application ``contracts``."""

from django.apps import AppConfig


class ContractsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.contracts"
    label = "contracts"

    def ready(self) -> None:
        """Let contracts of deleted users be kept with them."""
        from provisioning.contracts import recycling
        from provisioning.recycle import images

        images.register(recycling.KEEPER)

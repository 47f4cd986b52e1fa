"""Django application ``requests``."""

from django.apps import AppConfig


class RequestsConfig(AppConfig):
    """See the package's docstring."""

    name = "provisioning.requests"
    label = "requests"

    def ready(self) -> None:
        """Let requests follow whom their person is merged into."""
        from provisioning.recycle import images
        from provisioning.requests import merging

        images.inherit(merging.HEIR)

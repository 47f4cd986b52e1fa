"""What the portal's people are told of SCIM applications: tokens that have ended or end soon."""

from collections.abc import Iterator

from provisioning.notices.causes import DANGER, Cause, FoundSubject
from scim.upkeep import health

MOST = 200


def _tokens() -> Iterator[FoundSubject]:
    for client, trouble in health.troubles(MOST):
        if trouble.label in health.OF_TOKENS:
            title = f"{client}: {trouble.label.lower()}"
            yield FoundSubject(
                f"application {client.pk}", title, "Renew it on its page.", f"/scim/client/{client.pk}/change/"
            )


TOKENS = Cause("scim_token", "Tokens of SCIM applications", DANGER, "scim.view_client", _tokens)

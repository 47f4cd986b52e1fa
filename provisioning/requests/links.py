"""The links in mails to approvers: signed for one person and one step; they ask for sign-in, and alone do nothing."""

from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.urls import reverse

SALT = "provisioning.requests.decide"
DAYS = 60  # for which a link can be opened
APPROVE, REFUSE = "approve", "refuse"


@dataclass(frozen=True, slots=True)
class DecideLink:
    """What a link says: the step, for whom it was made, and what they pressed."""

    step: int
    user: int
    wanted: str


def address(step_id: int, user_id: int, wanted: str) -> str:
    """Return the whole address of a link."""
    token = signing.dumps([step_id, user_id, wanted], salt=SALT)
    return f"{settings.PORTAL_URL}{reverse('my:decide', args=[token])}"


def read(token: str) -> DecideLink | None:
    """Return what a link says; None when it was changed, is too old or was never made here."""
    try:
        held = signing.loads(token, salt=SALT, max_age=DAYS * 24 * 3600)
    except signing.BadSignature:
        return None
    match held:
        case [int(step), int(user), str(wanted)] if wanted in (APPROVE, REFUSE):
            return DecideLink(step, user, wanted)
    return None

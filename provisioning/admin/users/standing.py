"""How a person stands, in one sentence, and what mends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone

from directories.readiness import listed
from provisioning.models import User
from provisioning.profile.facts import ACTIVE
from reports.models import Direction, Event

if TYPE_CHECKING:
    from provisioning.admin.users.accounts import AccountRow

TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands: what was decided, what is wrong ("" for nothing) or how it is, and what would mend it.

    ``mends`` names the button: "close", "retry", "settings" (of ``directory_id``), "" for none.
    """

    decided: str = ""
    wrong: str = ""
    fine: str = ""
    mends: str = ""
    directory_id: int | None = None


def standing(user: User, rows: Sequence["AccountRow"], decided: Event | None, *, by_whom: bool = True) -> Standing:
    """Return how the person stands, in words; not ``by_whom``: without who decided it, who is another person."""
    said = _decided(user, decided if by_whom else None)
    still_open = [row for row in rows if row.still_open and not row.left_alone]
    refused = [row for row in rows if row.refused_since]
    if still_open and not all(row.waiting for row in still_open):
        number = "1 system" if len(still_open) == 1 else f"{len(still_open)} systems"
        wrong = f"They can still use {number}: {listed([row.directory.name for row in still_open])}."
        stays = next((row.directory.pk for row in still_open if row.stays), None)
        if stays:
            return Standing(said, wrong, mends="settings", directory_id=stays)
        return Standing(said, wrong, mends="retry" if all(row.refused_since for row in still_open) else "close")
    if refused:
        names = listed([row.directory.name for row in refused])
        return Standing(said, f"{names} refused the last change.", mends="retry")
    waiting = [row.directory.name for row in rows if row.waiting]
    if waiting:
        return Standing(said, fine=f"A change is on its way to {listed(waiting)}.")
    return Standing(said, fine=_fine(user, rows))


def _decided(user: User, decided: Event | None) -> str:
    if user.is_active:
        return "" if user.provisioned else "Directories are told to treat this person as deactivated."
    if decided is None:
        return "Deactivated."
    by = f" by {decided.actor}" if decided.actor else ""
    return f"{decided.message.rstrip('.')}, {timezone.localtime(decided.at).strftime(TIME)}{by}."


def _fine(user: User, rows: Sequence["AccountRow"]) -> str:
    usable = sum(row.usable for row in rows)
    if not user.is_active:
        return "No directory lets them in." if not usable else "The accounts that are left stay as they are."
    if usable:
        return f"Active, with {'an account' if usable == 1 else f'{usable} accounts'}. Nothing is wrong."
    return "Active, without an account in any directory."


def last_decision(user: User) -> Event | None:
    """Return the newest line that tells of the person being switched on or off: over the index on user and time."""
    told = Event.objects.filter(user_id=user.pk, changes__has_key=ACTIVE).exclude(direction=Direction.OUT)
    return told.order_by("-at", "-id").first()

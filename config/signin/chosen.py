"""Which portal passwords their owners chose: only those open the pages of people who are not staff."""

import hashlib
from dataclasses import dataclass
from typing import Any

from config.signin.models import ChosenPassword
from reports.journal import fold


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """What was stored before a password was checked: the check may write it anew, under newer rules."""

    stored: str = ""
    mark: str = ""

    def fits(self, user: Any) -> bool:
        """Return whether the user's password is the one that they chose, and note it anew where it was written anew."""
        if not self.mark or mark(self.stored) != self.mark:
            return False
        if user.password != self.stored:
            note(user)
        return True


def known(username: str) -> StoredPassword:
    """Return what is stored for a name; one query, whoever it is."""
    rows = ChosenPassword.objects.filter(user__username_key=fold(username))
    found = rows.values_list("user__password", "mark").first()
    return StoredPassword(*found) if found else StoredPassword()


def note(user: Any) -> None:
    """Note that the user chose the password that is stored now."""
    ChosenPassword.objects.update_or_create(user_id=user.pk, defaults={"mark": mark(user.password)})


def mark(stored: str) -> str:
    """Return what is kept of a stored password."""
    return hashlib.sha256(stored.encode()).hexdigest()

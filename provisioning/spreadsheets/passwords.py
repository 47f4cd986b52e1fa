"""The column ``password`` of a users file: taken out of the file before anything else looks at its lines."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from provisioning.models import User
from provisioning.spreadsheets.columns import PASSWORD, FileProblem

LONGEST = 256
PERMISSION = "provisioning.set_password_user"
SHOWN = "(a new one, for the directories)"


class PasswordColumn:
    """The passwords of a file's lines, which neither rows nor differences nor messages hold any more.

    ``clear`` are those that were taken, by the key of the user's name. A blank cell leaves a password as it is.
    """

    def __init__(self, dataset: Any, actor: User) -> None:
        self.cells: list[Any] = []
        self.clear: dict[str, str] = {}
        if PASSWORD not in dataset.headers:
            return
        if not actor.has_perm(PERMISSION):
            raise FileProblem('You may not set passwords: leave the column "password" out.')
        self.cells = list(dataset[PASSWORD])
        del dataset[PASSWORD]

    def take(self, key: str, number: int, user: User) -> str:
        """Take the password of line ``number`` (from 1); return why it cannot be used, "" when it can."""
        cell = self.cells[number - 1] if self.cells else None
        if cell in (None, ""):
            return ""
        text = str(cell)
        if len(text) > LONGEST:
            return f"A password has at most {LONGEST} characters."
        try:
            validate_password(text, user)
        except ValidationError as error:
            return " ".join(error.messages)
        self.clear[key] = text
        return ""

    def change(self, key: str) -> dict[str, tuple[Any, Any]]:
        """Return what a preview shows: that there is one."""
        return {"Password": (None, SHOWN)} if key in self.clear else {}

"""What a user name may hold, wherever it enters: the admin, a file, an import."""

import re
import unicodedata

from django.core.exceptions import ValidationError

MAX_LENGTH = 150
_SHAPE = re.compile(r"\S+( \S+)*")
_USUAL = re.compile(r"[!-~]+")  # ASCII that shows, without spaces
_HIDDEN = {"Cc", "Cf", "Cs"}
# Letters and marks that Unicode does not count as format characters, but that show nothing either: fillers, the
# blank Braille pattern, joiners and variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def problem(username: str) -> str:
    """Return what is wrong with a new user name, "" when it can be used."""
    if not username:
        return "The row has no user name."
    if len(username) > MAX_LENGTH:
        return f"User name is longer than {MAX_LENGTH} characters."
    return misleading(username)


def misleading(username: str) -> str:
    """Return what in the name does not show, "" when all of it does: two different names must not look the same."""
    if _USUAL.fullmatch(username):
        return ""
    for character in username:
        if unicodedata.category(character) in _HIDDEN or _BLANK.match(character):
            return f"The user name holds an invisible character (U+{ord(character):04X}). Write the name without it."
    if not _SHAPE.fullmatch(username):
        return "The user name holds a space at an end, two in a row, or one of a special kind. Write single spaces."
    return ""


def validate(username: str) -> None:
    """Raise ValidationError with what does not show; the model's validator, beside the one of the length."""
    if found := misleading(username):
        raise ValidationError(found)

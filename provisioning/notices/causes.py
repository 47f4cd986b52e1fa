"""The causes of notices. Another package registers its own when its application is ready."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

DANGER, WARNING = "danger", "warning"


@dataclass(frozen=True, slots=True)
class FoundSubject:
    """One subject that a cause holds for now: its lasting name, words without secrets, and the page to look at."""

    subject: str
    title: str
    text: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Something to watch. Those who hold ``permission`` may know of it; ``find`` says what it holds for now."""

    name: str
    label: str
    level: str
    permission: str
    find: Callable[[], Iterable[FoundSubject]]


CAUSES: dict[str, Cause] = {}


def register(cause: Cause) -> None:
    """Watch a cause from now on."""
    CAUSES[cause.name] = cause

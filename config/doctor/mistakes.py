"""What the doctor says."""

from dataclasses import dataclass

RED, YELLOW = "red", "yellow"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in one sentence, and what to do. Red: something does not work, or is not safe."""

    level: str
    what: str
    next: str


def red(what: str, step: str) -> Mistake:
    """Return a mistake that keeps the portal from working, or from being safe."""
    return Mistake(RED, what, step)


def yellow(what: str, step: str) -> Mistake:
    """Return a mistake that somebody should look at."""
    return Mistake(YELLOW, what, step)

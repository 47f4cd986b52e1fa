"""Refusals in the provisioning report, where somebody will look for the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from scim.errors import ScimError, printable
from scim.models import Client


@dataclass(slots=True)
class About:
    """Whom or what a request is about: a name, as far as it has one, and the user."""

    name: object = ""
    user_id: int | None = None


@contextmanager
def reported(client: Client, operation: Operation, name: object = "") -> Iterator[About]:
    """Write a refusal that somebody has to look into to the report; it goes around the transaction.

    Who sent an outdated version or asked for nobody gets the answer only.
    """
    about = About(name)
    try:
        yield about
    except ScimError as error:
        if isinstance(about.name, str) and error.status not in (404, 412):
            words = f"{client} was refused: {error.detail} {error.reason}".rstrip()
            record(line(client, printable(about.name, 255), operation, Result.FAILED, words, user_id=about.user_id))
        raise


def line(
    client: Client, name: str, operation: Operation, result: Result, words: str, *, user_id: int | None = None
) -> Line:
    """Return the line of a request that wrote nothing."""
    return Line(
        identifier=name,
        application=client.name,
        direction=Direction.IN,
        operation=operation,
        result=result,
        message=words,
        actor=client.name,
        user_id=user_id,
    )

"""The last administrator of the portal stays: no person and no machine removes, deactivates or demotes them."""

from collections.abc import Collection

from provisioning.models import User

LAST = "Nobody could administer the portal any more, so nothing was changed. Make somebody else a superuser first."


class LastAdministrator(Exception):
    """Nobody could administer the portal any more; the text says what to do."""

    def __init__(self) -> None:
        super().__init__(LAST)


def last_among(leaving: Collection[int]) -> set[int]:
    """Return the active superusers when all of them are among the users who leave, else nobody; needs a transaction.

    The rows are locked, so that two who remove each other at the same moment come one after the other.
    """
    administrators = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    there = set(administrators.select_for_update(no_key=True).values_list("pk", flat=True))
    return there if there <= set(leaving) else set()


def must_remain(leaving: Collection[int]) -> None:
    """Raise LastAdministrator when all active superusers are among the users who leave; needs a transaction."""
    if last_among(leaving):
        raise LastAdministrator

"""Putting a version back: what a thing was after some row of the evidence becomes what it is, as if somebody edited it.

Each kind of thing makes an item of a blueprint of the version, which is checked and written as blueprints are. Apps
above this one register theirs. Secrets are not in the evidence, so they stay as they are; what else stays is said.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from directories.described.document import DocumentError, Location, Problem
from directories.encryption import SecretLost
from provisioning.admin.configuration.lines import ChangedValue, changed_values, name_of
from provisioning.admin.configuration.things import named
from provisioning.blueprints import state
from provisioning.blueprints.apply import carry_out
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.undo import Items, Undone
from provisioning.blueprints.writing import PartRefused, WrittenPart
from reports import evidence, versions
from reports.models import Evidence
from reports.versions import State

LOST = "Its secrets cannot be read: their key is not among ENCRYPTION_KEYS. Type them again on its page first."
PARTLY = "The evidence does not hold all of this version: it is from before the portal kept that. Change it by hand."
SECRETS = "Secrets stay as they are now: {}. If the one of then is to hold again, type it on the page afterwards."
NOT_ANY_MORE = "This version does not fit any more. {}"


@dataclass(frozen=True, slots=True)
class Restorer:
    """How things of a kind are put back.

    ``item`` makes the item that ``write`` writes, from the number behind the subject and the version, and adds to the
    list what stays as it is, in words; both raise PartRefused. ``people`` says what the item, before and after, means
    for people.
    """

    item: Callable[[str, State, list[str]], BlueprintItem]
    write: Callable[[BlueprintItem, str], WrittenPart]
    people: Callable[[BlueprintItem, BlueprintItem], Iterator[str]] = lambda before, after: iter(())


@dataclass(slots=True)
class PutBack(Undone):
    """What putting back changes, or changed; ``values`` are what it was, and what it is then."""

    values: list[ChangedValue] = field(default_factory=list)


class _Version(Items):
    """The item that is written: there is only one, and the page says which."""

    def problem(self, path: Location, message: str, inner_line: int = 1) -> Problem:
        """Return the problem, with the part of the item."""
        return Problem(inner_line, "", ": ".join([*map(str, path[2:]), message]))


_RESTORERS: dict[str, Restorer] = {}


def register(begins: str, restorer: Restorer) -> None:
    """Let things whose subjects begin so be put back."""
    _RESTORERS[begins] = restorer


def can(begins: str) -> bool:
    """Return whether things whose subjects begin so can be put back."""
    return begins in _RESTORERS


def put_back(row: Evidence, begins: str, *, actor: str, check: bool, reached: int | None = None) -> PutBack:
    """Let a thing be what it was after a row, and return what that changed; with ``check`` only what it would.

    ``reached`` is the number that somebody saw and typed, where it is over a limit. Raises DocumentError with words,
    with nothing changed.
    """
    found, restorer = PutBack(), _RESTORERS[begins]
    rows = list(versions.history(named(row.subject)))
    then, now = (versions.states(rows, {row.seq, rows[-1].seq})[seq] for seq in (row.seq, rows[-1].seq))
    if secrets := list(_other_secrets("", then, now)):
        found.kept.append(SECRETS.format(", ".join(secrets)))
    with transaction.atomic(), evidence.putting_back(row.seq):
        try:
            item = restorer.item(row.subject.removeprefix(begins), then, found.kept)
        except KeyError:
            raise _refused(PARTLY) from None
        except SecretLost:
            raise _refused(LOST) from None
        except PartRefused as refused:
            raise _refused(NOT_ANY_MORE.format(refused.message)) from None
        data, by = {begins: [item]}, [(begins, restorer.write)]
        try:
            carry_out(found, _Version(data), data, actor, check=check, number=reached, by=by)
        except DocumentError as error:
            raise _refused(NOT_ANY_MORE.format(" ".join(one.message for one in error.problems))) from None
        for part in found.parts:
            before, after = state.masked(part.before or {}), state.masked(part.after)
            found.values += changed_values(versions.differences(before, after))
            found.impacts += restorer.people(part.before or {}, part.after)
        if check:
            transaction.set_rollback(True)
    return found


def _other_secrets(path: str, then: Any, now: Any) -> Iterator[str]:
    """Yield where a secret stands that was another one, or none, in the other state."""
    if isinstance(then, Mapping) or isinstance(now, Mapping):
        old, new = (each if isinstance(each, Mapping) else {} for each in (then, now))
        for key in dict.fromkeys([*old, *new]):
            yield from _other_secrets(f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif then != now and any(map(_holds_secret, (then, now))):
        yield name_of(path)


def _holds_secret(value: Any) -> bool:
    return any(map(versions.is_secret, value)) if isinstance(value, list) else versions.is_secret(value)


def _refused(words: str) -> DocumentError:
    return DocumentError([Problem(1, "", words)])

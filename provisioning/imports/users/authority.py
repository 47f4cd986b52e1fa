"""Which of several sources decides an attribute of a person, so that two that disagree do not overwrite each other.

A source decides the attributes that it maps into the portal and that the portal does not write there: what the portal
writes both ways follows whoever changed it last. Of two sources that decide an attribute of the same person, the one
with the lower rank wins, and with the same rank the one that was added first. Whether somebody is active is none of
this: each source switches people by its own state (see ``state``).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Concat, StrIndex, Substr

from directories.attributes import FROM_SOURCES
from directories.mapping import IN, OUT
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning.imports.users.labels import Labels
from provisioning.imports.users.plan import AGAIN, GONE, LINK, UPDATE, USERNAME, Planned
from provisioning.imports.users.state import ACTIVE
from provisioning.models import Account
from provisioning.profile.person import catalogue

SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Source:
    """A directory that is imported: the attributes ("kind.name") that it ``says``, and those of them it ``decides``."""

    id: int
    name: str
    rank: int
    says: frozenset[str]
    decides: frozenset[str]

    @property
    def order(self) -> tuple[int, int]:
        """What sources are ordered by: the first decides."""
        return self.rank, self.id


def sources() -> list[Source]:
    """Return the directories that are imported, those that decide first: two queries."""
    imported = ProvisioningSettings.objects.filter(import_users=True, directory__enabled=True)
    settings = {one.directory_id: one for one in imported.select_related("directory")}
    inbound = (
        AttributeMapping.objects.filter(directory__in=settings)
        .exclude(direction=OUT)
        .exclude(portal_attribute="")
        .exclude(kind__in=FROM_SOURCES)  # of its own contracts each decides alone
    )
    says: dict[int, set[str]] = {pk: set() for pk in settings}
    decides: dict[int, set[str]] = {pk: set() for pk in settings}
    for rule in inbound:
        path = f"{rule.kind}.{rule.portal_attribute}"
        if path == ACTIVE or (path == USERNAME and not settings[rule.directory_id].follow_renames):
            continue
        says[rule.directory_id].add(path)
        if rule.direction == IN or not settings[rule.directory_id].update_users:
            decides[rule.directory_id].add(path)
    for pk, one in settings.items():
        if one.follow_renames:  # the key of a row is a user name, mapped or not
            says[pk].add(USERNAME)
            decides[pk].add(USERNAME)
    found = [
        Source(pk, one.directory.name, one.source_rank, frozenset(says[pk]), frozenset(decides[pk]))
        for pk, one in settings.items()
    ]
    return sorted(found, key=lambda source: source.order)


def above(directory_id: int, known: Sequence[Source], says: Collection[str] = ()) -> list[Source]:
    """Return the sources that decide something which this directory says too.

    Above a directory that is no source, and ``says`` these attributes, is every source.
    """
    mine = next((one for one in known if one.id == directory_id), None)
    if mine is None:
        return [one for one in known if one.decides & frozenset(says)]
    return [one for one in known if one.order < mine.order and one.decides & mine.says]


def below(directory_id: int, known: Sequence[Source]) -> list[Source]:
    """Return the sources that say something which this directory decides."""
    mine = next((one for one in known if one.id == directory_id), None)
    if mine is None:
        return []
    return [one for one in known if one.order > mine.order and mine.decides & one.says]


def let_speak(lower: Collection[Source], user_ids: Collection[int]) -> None:
    """Have the rows of these people looked at again in sources whose words were held back: the decider lost them."""
    if lower and user_ids:
        theirs = Account.objects.filter(directory__in=[one.id for one in lower], user__in=user_ids)
        mark(_showing(theirs), AGAIN)


def mark(accounts: QuerySet[Account], word: str) -> None:
    """Put a word in the place of the digests of rows; those of their passwords stay."""
    password = Substr("seen_digest", StrIndex("seen_digest", Value(":")))
    with_password = When(seen_digest__contains=":", then=Concat(Value(word), password))
    accounts.update(seen_digest=Case(with_password, default=Value(word)))


def explained(directory: Directory) -> list[str]:
    """Return in words who decides what, where this directory and another one say the same attributes."""
    known, labels = sources(), Labels(catalogue())
    mine = next((one for one in known if one.id == directory.pk), None)
    if mine is None:
        return []
    found = []
    for one in known:
        first, second = (one, mine) if one.order < mine.order else (mine, one)
        if one is not mine and (shared := first.decides & second.says):
            names = ", ".join(sorted(labels[path] for path in shared))
            found.append(f"{first.name} (rank {first.rank}) decides over {second.name} (rank {second.rank}): {names}.")
    return found


@dataclass(frozen=True, slots=True)
class Followed:
    """Which sources an attribute of one person follows: of several the one that changed it last.

    What the ``others`` say is held back.
    """

    by: tuple[Source, ...]
    others: tuple[Source, ...]


def followed(user_id: int) -> dict[str, Followed]:
    """Return by "kind.name" which sources the attributes of one person follow: three queries."""
    known = sources()
    accounts = Account.objects.filter(directory__in=[one.id for one in known], user=user_id)
    shown = set(_showing(accounts).values_list("directory_id", flat=True))
    here = [one for one in known if one.id in shown]
    found = {}
    for path in sorted(frozenset[str]().union(*(one.says for one in here))):
        saying = [one for one in here if path in one.says]
        place = next((place for place, one in enumerate(saying) if path in one.decides), len(saying) - 1)
        found[path] = Followed(tuple(saying[: place + 1]), tuple(saying[place + 1 :]))
    return found


def _showing(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Keep the accounts that their directory shows, so far as is known."""
    return accounts.exclude(seen_digest="").exclude(seen_digest__startswith=GONE)


class Authority:
    """Holds back what a directory says of people about whom a source above it decides."""

    def __init__(self, directory_id: int, labels: Labels, *, says: Collection[str] = ()) -> None:
        known = sources()
        self.above, self.below = above(directory_id, known, says), below(directory_id, known)
        self.labels = labels
        self._decided: frozenset[str] = frozenset().union(*(one.decides for one in self.above))

    @property
    def fingerprint(self) -> str:
        """What stands for who decides what, "" where nobody is above: rows are looked at anew when that changes."""
        parts = [(one.id, sorted(one.decides)) for one in self.above]
        return blake2b(repr(parts).encode(), digest_size=8).hexdigest() if parts else ""

    def hold_back(self, planned: Iterable[Planned]) -> None:
        """Take out of updates what another source decides, and say so: one query where there is any such."""
        concerned = [one for one in planned if one.action == UPDATE and self._decided & one.after.keys()]
        if not concerned:
            return
        deciders = self._deciders([one.user_id for one in concerned if one.user_id])
        for one in concerned:
            for source in deciders.get(one.user_id or 0, ()):
                self._hold(one, source)

    def _deciders(self, user_ids: Sequence[int]) -> dict[int, list[Source]]:
        """Return the sources above that show each user."""
        rows = Account.objects.filter(directory__in=[one.id for one in self.above], user__in=user_ids)
        pairs = set(_showing(rows).values_list("user_id", "directory_id"))
        return {user: [one for one in self.above if (user, one.id) in pairs] for user in {user for user, _ in pairs}}

    def _hold(self, planned: Planned, source: Source) -> None:
        words = []
        for path in sorted(source.decides & planned.after.keys()):
            value = planned.after.pop(path)
            kept = planned.before.pop(path, None)
            words.append(f"{self.labels[path]} stays {_shown(kept)}, not {_shown(value)}")
        if not words:
            return
        planned.row.pop("pushed", None)
        planned.message = f"{planned.message} {source.name} decides: {'; '.join(words)}.".lstrip()
        if not planned.after:
            planned.action = LINK


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "empty"
    text = str(value)
    return f"“{text[:SHOWN]}…”" if len(text) > SHOWN else f"“{text}”"

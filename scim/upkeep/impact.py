"""What a change of a SCIM application's settings would do, told before it is saved. The application is not asked.

Whom it **knows** it brought or claimed. **Everybody** is whom it sees with the reach ``all``, also those it knows.
People and groups are counted by statements; how many statements there are does not depend on how many people.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from directories.attributes import Kind, Value
from directories.mapping import AttributeKey
from provisioning.guard.limits import Counted, Limit, Objection, memberships, objections, people
from provisioning.guard.losses import LossKind
from provisioning.impact.impact import FEW, SAMPLES, Sample, groups
from provisioning.models import Group, Membership, User
from provisioning.profile.person import person_of
from scim.access.visibility import seen
from scim.forms.mappings import shortened
from scim.groups import rights
from scim.models import Client, ClientMapping, GroupLink, Match, Reach, Resource, UserLink
from scim.resources.rules import Rules, of_rows

ACTIVE: AttributeKey = (Kind.PROFILE, "active")
USERNAME: AttributeKey = (Kind.PROFILE, "username")
WAYS = {
    "allow_bearer": "a token in the header",
    "allow_basic": "a user name and a password",
    "allow_oauth": "an access token of OAuth 2",
}
PEOPLE_SWITCHES: tuple[tuple[str, str, str, LossKind | None], ...] = (
    ("update_users", "change", "what is changed there stays as it is here", LossKind.CHANGED),
    ("deactivate_users", "deactivate", "who leaves there keeps their access here", LossKind.OFF),
    ("delete_users", "delete", "its requests to delete somebody are refused", LossKind.OFF),
    ("read", "look up", "most products ask before they send", None),
)
GROUP_SWITCHES = (
    ("sync_groups", "rename and delete", "they stay as they are here"),
    ("sync_members", "change the members of", "who joins or leaves them there does not here"),
)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One version of an application: its row, and the rows of its mappings, which need not be stored."""

    client: Client
    users: Sequence[ClientMapping]
    groups: Sequence[ClientMapping]


@dataclass(frozen=True, slots=True)
class ApplicationEffect:
    """One thing that would be so, for a ``number`` of people or of groups.

    ``what`` goes on from "It would", and ``why`` says what follows. ``kind`` is the limit that counts, None for none;
    ``scope`` the attribute that it is about. ``of_groups``: the number is of groups alone, and their ``memberships``
    are what the limit for lost memberships counts.
    """

    what: str
    number: int
    kind: LossKind | None = None
    why: str = ""
    scope: str = ""
    of_groups: bool = False
    memberships: int = 0

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"It would {self.what}{': ' if self.why else ''}{self.why}."


@dataclass(frozen=True, slots=True)
class ClientImpact:
    """What would be so after a save, with a few people as examples.

    ``everybody`` is how many people shares are of, and ``memberships`` how many memberships.
    """

    everybody: int
    memberships: int
    effects: Sequence[ApplicationEffect]
    samples: Sequence[Sample]

    @property
    def sentences(self) -> list[str]:
        """What would be so."""
        return [one.sentence for one in self.effects]

    @property
    def reached(self) -> int:
        """The largest of the numbers, which is typed where a limit is passed: one person may be in several."""
        return max(max(one.number, one.memberships) for one in self.effects)

    @property
    def is_small(self) -> bool:
        """Whether it may be saved without being confirmed."""
        return self.reached <= FEW

    def objections(self, limits: Mapping[LossKind, Limit]) -> list[Objection]:
        """Return what is over the limits of the portal's doors (``door_limits``)."""
        counted = [
            Counted(one.kind, one.number, self.everybody, limits[one.kind], f"It would {one.what}", one.scope)
            for one in self.effects
            if one.kind is not None
        ]
        members, most = LossKind.MEMBERS, limits[LossKind.MEMBERS]
        counted += [
            Counted(members, one.memberships, self.memberships, most, f"It would {one.what}")
            for one in self.effects
            if one.of_groups
        ]
        return objections(counted, {})


def stored(client: Client) -> ClientSettings:
    """Return an application as it is stored, in two queries."""
    rows = list(ClientMapping.objects.filter(client=client).order_by("position", "pk"))
    users, of_groups = ([row for row in rows if row.resource == each] for each in (Resource.USER, Resource.GROUP))
    return ClientSettings(Client.objects.get(pk=client.pk), users, of_groups)


def of_change(old: ClientSettings, new: ClientSettings) -> ClientImpact | None:
    """Return what putting one version of an application in the place of another does; None when that is nothing."""
    mapping = _MappingChange(of_rows(old.users), of_rows(new.users))
    here = _Here(new.client, mapping.targets)
    every = [
        *_of_reach(old.client, new.client, here),
        *_of_switches(old.client, new.client, here),
        *_of_leaving(old.client, new.client, here),
        *mapping.effects(here, new.client),
        *_of_group_mapping(old.groups, new.groups, here),
    ]
    effects = [one for one in every if one.number]
    if not effects:
        return None
    of_people = any(not one.of_groups for one in effects)
    samples = _samples(old.client, new.client, mapping, here) if of_people else []
    every_membership = Membership.objects.count() if any(one.of_groups for one in effects) else 0
    return ClientImpact(here.everybody, every_membership, effects, samples)


class _Here:
    """How many people and groups an application has here, each counted once, when it is asked for."""

    def __init__(self, client: Client, targets: Iterable[AttributeKey]) -> None:
        self._id = client.pk
        self._targets = list(targets)

    @cached_property
    def everybody(self) -> int:
        """Whom it sees with the reach ``all``."""
        return seen(Reach.ALL, self._id).count()

    @property
    def known(self) -> int:
        """Whom it brought or claimed."""
        return self._counted["people"]

    @property
    def inactive(self) -> int:
        """Of those, whom nobody switched on."""
        return self._counted["inactive"]

    @property
    def others(self) -> int:
        """Who is on the roll besides them."""
        return self.everybody - self.known

    def seen(self, client: Client) -> int:
        """Whom it sees with the reach of this version."""
        return self.known if client.reach == Reach.OWN else self.everybody

    def held(self, target: AttributeKey) -> int:
        """How many of those it knows have a value in an attribute that was named at the beginning."""
        return self._counted[f"held{self._targets.index(target)}"]

    @cached_property
    def groups(self) -> "_Groups":
        """The groups that it knows."""
        return _groups(Group.objects.filter(Exists(GroupLink.objects.filter(client=self._id, group=OuterRef("pk")))))

    @cached_property
    def scheduled(self) -> int:
        """People who are to be deleted because it deactivated or deleted them."""
        return UserLink.objects.filter(client=self._id, leaves_at__isnull=False).count()

    @cached_property
    def _counted(self) -> dict[str, int]:
        held = {f"held{number}": Count("pk", filter=_has(target)) for number, target in enumerate(self._targets)}
        inactive = Count("pk", filter=Q(is_active=False))
        return dict(seen(Reach.OWN, self._id).aggregate(people=Count("pk"), inactive=inactive, **held))


def _has(target: AttributeKey) -> Q:
    """Return the condition that somebody has a value in an attribute."""
    kind, name = target
    if kind != Kind.PROFILE:
        column = "custom_profile" if kind == Kind.CUSTOM_PROFILE else "custom_attributes"
        return Q(**{f"{column}__has_key": name})
    if target == ACTIVE:
        return Q(is_active=True)
    return Q(manager__isnull=False) if name == "manager" else ~Q(**{name: ""})


@dataclass(frozen=True, slots=True)
class _Groups:
    """How many groups, and how many memberships they have."""

    number: int
    memberships: int

    @property
    def words(self) -> str:
        """How many they are, and how many memberships."""
        return f"{groups(self.number)}{f' with {memberships(self.memberships)}' if self.memberships else ''}"

    def effect(self, what: str, why: str = "") -> ApplicationEffect:
        """Return what would be so for all of them."""
        return ApplicationEffect(what, self.number, why=why, of_groups=True, memberships=self.memberships)


def _groups(some: "QuerySet[Group]") -> _Groups:
    members = Membership.objects.filter(group__in=some.values("pk"))
    return _Groups(some.count(), members.count())


def _of_reach(old: Client, new: Client, here: _Here) -> Iterator[ApplicationEffect]:
    """Tell who comes into sight or goes out of it."""
    if old.reach == new.reach:
        return
    wide, narrow = (rights.visible(each) for each in ((old, new) if new.reach == Reach.OWN else (new, old)))
    every, others = wide.count(), _groups(wide.exclude(pk__in=narrow.values("pk")))
    if new.reach == Reach.OWN:
        what = f"not see {here.others:,} of {people(here.everybody)} any more"
        why = "the next sync of the identity provider may deactivate or create them anew"
        yield ApplicationEffect(what, here.others, LossKind.OFF, why)
        having = f"they have {memberships(others.memberships)}, and " if others.memberships else ""
        what = f"not see {others.number:,} of {groups(every)} any more"
        yield others.effect(what, f"{having}a group of the same name is a conflict then")
        return
    what = f"see {people(here.others)} whom it does not see now, {here.everybody:,} in all"
    yield ApplicationEffect(what, here.others, LossKind.ON, "it may do with them what its switches say")
    yield others.effect(f"see {others.words} that it does not see now, {every:,} in all")


def _of_switches(old: Client, new: Client, here: _Here) -> Iterator[ApplicationEffect]:
    """Tell what it may do from then on, and what no more."""
    if old.enabled != new.enabled:
        both = f"{people(here.known)} and {groups(here.groups.number)}"
        what = f"be let in again for {both}" if new.enabled else f"be refused everything it asks about {both}"
        yield ApplicationEffect(what, max(here.known, here.groups.number))
    for name, words in WAYS.items():
        if getattr(old, name) and not getattr(new, name):
            why = f"if it signs in that way, {people(here.known)} are no longer kept in step"
            yield ApplicationEffect(f"no longer be let in by {words}", here.known, why=why)
    for name, verb, why, kind in PEOPLE_SWITCHES:
        if getattr(old, name) and not getattr(new, name):
            yield ApplicationEffect(
                f"no longer be allowed to {verb} {people(here.known)} that it knows", here.known, kind, why
            )
        elif getattr(new, name) and not getattr(old, name):
            number = here.seen(new)
            yield ApplicationEffect(f"be allowed to {verb} {people(number)}", number, kind)
    for name, verb, why in GROUP_SWITCHES:
        if getattr(old, name) and not getattr(new, name):
            yield here.groups.effect(f"no longer be allowed to {verb} {here.groups.words}", why)
        elif getattr(new, name) and not getattr(old, name):
            reached = _groups(rights.visible(new).filter(owner=None))
            yield reached.effect(f"be allowed to {verb} {reached.words}")
    if old.match != new.match:
        whom = f"{people(here.others)} whom it does not know yet"
        rule = f"recognise {whom} by {new.get_match_display().lower()}"
        yield ApplicationEffect(f"refuse to take over {whom}" if new.match == Match.NONE else rule, here.others)


def _of_leaving(old: Client, new: Client, here: _Here) -> Iterator[ApplicationEffect]:
    """Tell whom its deactivations and deletions take out of the portal."""
    days = f"{new.recycle_days} day{'' if new.recycle_days == 1 else 's'} after it deactivates them"
    if new.delete_deactivated and not old.delete_deactivated:
        why = f"{here.inactive:,} of the {people(here.known)} that it knows are inactive now"
        yield ApplicationEffect(f"delete people from the portal {days}", here.known, LossKind.OFF, why)
    elif new.delete_deactivated and new.recycle_days < old.recycle_days:
        what = f"delete people from the portal {days}, not {old.recycle_days}"
        yield ApplicationEffect(what, here.known, LossKind.OFF, f"it knows {people(here.known)}")
    elif old.delete_deactivated and not new.delete_deactivated:
        yield ApplicationEffect(f"keep {people(here.scheduled)} who are to be deleted", here.scheduled)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the value of an attribute comes from, or goes to: a path of SCIM, and the expression on the way."""

    path: str
    expression: str

    def instead_of(self, was: "_Source | None") -> str:
        """Say where it is read from, and where it was before."""
        if was and was.path == self.path:
            return f"from {self.path} by another expression"
        return f"from {self.path}{f' instead of {was.path}' if was else ''}"


class _MappingChange:
    """What differs between two mappings of users."""

    def __init__(self, old: Rules, new: Rules) -> None:
        self.rules = new
        self.before, self.after = _sources(old), _sources(new)
        every = dict.fromkeys([*self.before, *self.after])
        self.read = [target for target in every if self.before.get(target) != self.after.get(target)]
        asked = {(row.kind, row.portal_attribute) for row in old.writable if row.required}
        wanted = dict.fromkeys((row.kind, row.portal_attribute) for row in new.writable if row.required)
        self.required = [target for target in wanted if target not in asked]
        self.shown = list(self._shown(old, new))

    @property
    def targets(self) -> list[AttributeKey]:
        """The attributes of which it counts who has a value."""
        return list(dict.fromkeys([*self.read, *self.required]))

    def label(self, target: AttributeKey) -> str:
        """Return what pages call an attribute."""
        known = self.rules.catalogue.get(target)
        return known.label if known else target[1]

    def effects(self, here: _Here, client: Client) -> Iterator[ApplicationEffect]:
        """Tell of how many people what is read anew, refused and shown otherwise."""
        for target in self.read:
            yield from self._of_target(target, here)
        for target in self.required:
            label, number = self.label(target), here.known - here.held(target)
            what = f"have what it sends of {people(number)} refused as long as that lacks “{label}”"
            yield ApplicationEffect(what, number, LossKind.CHANGED, scope=label)
        if self.shown:
            number = here.seen(client)
            what = f"be shown {', '.join(self.shown)} of {people(number)} otherwise"
            yield ApplicationEffect(what, number, why="it may answer with its own values")

    def _of_target(self, target: AttributeKey, here: _Here) -> Iterator[ApplicationEffect]:
        label, source = self.label(target), self.after.get(target)
        kind = {ACTIVE: LossKind.OFF, USERNAME: LossKind.RENAMED}.get(target, LossKind.CHANGED)
        if source is None:
            why = "who leaves there keeps their access here" if target == ACTIVE else "they keep what they have"
            yield ApplicationEffect(f"no longer bring “{label}” of {people(here.known)}", here.known, kind, why, label)
            return
        what = f"read “{label}” of {people(here.known)} {source.instead_of(self.before.get(target))}"
        yield ApplicationEffect(what, here.known, kind, scope=label)
        if kind == LossKind.CHANGED:
            number = here.held(target)
            what = f"replace {number:,} {'value' if number == 1 else 'values'} of “{label}”"
            yield ApplicationEffect(
                what, number, LossKind.BLANKED, "where it sends none there, the value is lost", label
            )

    def _shown(self, old: Rules, new: Rules) -> Iterator[str]:
        """Give the SCIM attributes that show another value, but for those whose attribute is read anew as well."""
        before, after = _shown_as(old), _shown_as(new)
        for path in dict.fromkeys([*before, *after]):
            was, now = before.get(path), after.get(path)
            if was != now and not {one[0] for one in (was, now) if one} & set(self.read):
                yield shortened(path)


def _sources(rules: Rules) -> dict[AttributeKey, _Source]:
    found: dict[AttributeKey, _Source] = {}
    for row in rules.writable:
        found.setdefault((row.kind, row.portal_attribute), _Source(shortened(row.path.text), row.expression))
    return found


def _shown_as(rules: Rules) -> dict[str, tuple[AttributeKey, str]]:
    return {row.path.text: ((row.kind, row.portal_attribute), row.expression) for row in rules.readable}


def _of_group_mapping(
    old: Sequence[ClientMapping], new: Sequence[ClientMapping], here: _Here
) -> Iterator[ApplicationEffect]:
    before, after = _rows_of_groups(old), _rows_of_groups(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield here.groups.effect(f"map the {name} of {here.groups.words} otherwise, when it pushes them next")


def _rows_of_groups(rows: Iterable[ClientMapping]) -> dict[str, tuple[str, str, str]]:
    return {row.portal_attribute: (row.scim_path, str(row.direction), row.expression) for row in rows}


def _samples(old: Client, new: Client, mapping: _MappingChange, here: _Here) -> list[Sample]:
    """Return a few people: those who come into sight or go out of it, else those it knows."""
    if old.reach != new.reach or not here.known:
        links = UserLink.objects.filter(client=new.pk, user=OuterRef("pk"), deleted_at=None)
        whom = seen(Reach.ALL, new.pk).filter(~Exists(links))
        what = "Not known to it" if old.reach == new.reach else "Out of sight" if new.reach == Reach.OWN else "In sight"
    else:
        whom, what = seen(Reach.OWN, new.pk), "Known to it"
    some = whom.select_related("manager").order_by("pk")[:SAMPLES]
    return [Sample(user.username, what, _pairs(user, mapping)) for user in some]


def _pairs(user: User, mapping: _MappingChange) -> dict[str, tuple[Value, Value]]:
    """Return what somebody has in the first attributes that are read anew, and where the next value comes from."""
    person = person_of(user)
    pairs: dict[str, tuple[Value, Value]] = {}
    for kind, name in mapping.read[:SAMPLES]:
        if source := mapping.after.get((kind, name)):
            pairs[mapping.label((kind, name))] = (person.get(Kind(kind), name), f"(what it sends as {source.path})")
    return pairs

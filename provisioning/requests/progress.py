"""How far requests are, in plain words: who is asked, and which directory what was approved still waits for.

A fixed number of queries, whatever the number of requests.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from directories.models import Directory
from provisioning.models import Account, Change, GroupChange, ImportRun, PlannedChange
from provisioning.models.imports import WAITING, Door
from provisioning.models.outbox import AccountState
from provisioning.requests.models import ProductRequest, RequestState, RequestStep, StepState
from provisioning.rules.models import Entitlement, EntitlementKind, Granted

DONE = "Done."
NOBODY = "Nobody can decide this now. Those who run the portal see it, and choose who does."
PREPARED = "It is being prepared. That takes a minute at most."
AGREED = "Waiting for an administrator, who looks at what gives special rights or changes much."
WAITS_FOR = "Waiting for the {} directory."
AWAY = "Waiting for the {} directory, which cannot be reached just now. It is tried again by itself."
STUCK = "Waiting for the {} directory, where something must be corrected first. The helpdesk sees it, too."


def words_of(requests: Sequence[ProductRequest]) -> dict[int, str]:
    """Return how far each request is, by its id; they are read with ``steps``, or these are read here."""
    found = {one.pk: _state(one) for one in requests}
    waiting = [one for one in requests if one.state == RequestState.WAITING]
    if waiting:
        steps: dict[int, list[RequestStep]] = defaultdict(list)
        for step in RequestStep.objects.filter(request__in=waiting).order_by("position"):
            steps[step.request_id].append(step)
        found |= {one.pk: _waits(steps[one.pk]) for one in waiting}
    granted = [one for one in requests if one.state == RequestState.GRANTED]
    delivered = delivery([(one.product_id or 0, one.person_id or 0) for one in granted])
    for one in granted:
        found[one.pk] = delivered.get((one.product_id or 0, one.person_id or 0), DONE)
    return found


def _state(request: ProductRequest) -> str:
    return request.why or f"{request.get_state_display()}."


def _waits(steps: Sequence[RequestStep]) -> str:
    step = next((one for one in steps if one.state == StepState.OPEN), None)
    if step is None:
        return "Waiting."
    place = f" Step {step.position} of {len(steps)}." if len(steps) > 1 else ""
    return f"Waiting for {step.said}.{place}" if step.said else f"{NOBODY}{place}"


@dataclass(slots=True)
class _DeliveryFacts:
    """What was read for some products and people."""

    given: Mapping[int, Sequence[Entitlement]]
    granted: Collection[tuple[int, int]]  # user and entitlement
    planned: Collection[int]  # users of whom a plan waits
    accounts: Mapping[tuple[int, int], Account]  # of a user in a directory
    queued: Mapping[int, bool]  # accounts that wait for their directory, and whether somebody must correct something
    groups: Mapping[int, Mapping[int, bool]]  # directories that wait for a group
    names: Mapping[int, str]
    away: Collection[int] = field(default_factory=set)


def delivery(pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Return how far what people were given is, by product and person: eight queries."""
    if not pairs:
        return {}
    known = _read({product for product, _ in pairs}, {user for _, user in pairs})
    return {pair: _delivered(*pair, known) for pair in pairs}


def _delivered(product: int, user: int, known: _DeliveryFacts) -> str:
    given = known.given.get(product, ())
    if any((user, one.pk) not in known.granted for one in given):
        return AGREED if user in known.planned else PREPARED
    waiting: dict[int, bool] = {}
    for one in given:
        waiting |= _waiting(one, user, known)
    if not waiting:
        return DONE
    directory = min(waiting, key=lambda pk: known.names.get(pk, ""))
    words = STUCK if waiting[directory] else AWAY if directory in known.away else WAITS_FOR
    return words.format(known.names.get(directory, ""))


def _waiting(one: Entitlement, user: int, known: _DeliveryFacts) -> dict[int, bool]:
    """Return which directories are not yet as what was given says, and whether somebody must correct something."""
    mine = {place: account for (owner, place), account in known.accounts.items() if owner == user}
    match one.kind:
        case EntitlementKind.ACCOUNT:
            account = mine.get(one.directory_id or 0)
            if account is None:
                return {one.directory_id or 0: False}
            if account.pk not in known.queued and account.state == AccountState.ACTIVE:
                return {}
            return {account.directory_id: known.queued.get(account.pk, False)}
        case EntitlementKind.GROUP:
            return {place: stuck for place, stuck in known.groups.get(one.group_id or 0, {}).items() if place in mine}
    return {
        place: known.queued[account.pk]
        for place, account in mine.items()
        if account.pk in known.queued and not account.deleted_at
    }


def _read(products: Collection[int], users: Collection[int]) -> _DeliveryFacts:
    given: dict[int, list[Entitlement]] = defaultdict(list)
    for one in Entitlement.objects.filter(rule__in=products, ended=False):
        given[one.rule_id].append(one)
    granted = Granted.objects.filter(user__in=users, entitlement__rule__in=products)
    runs = ImportRun.objects.filter(door=Door.RULES, status__in=WAITING)
    planned = PlannedChange.objects.filter(run__in=runs, user_id__in=users, verdict="")
    fields = ("user", "directory", "state", "deleted_at")
    accounts = list(Account.objects.filter(user__in=users).only(*fields))
    queued = Change.objects.filter(account__in=[one.pk for one in accounts]).values_list("account_id", "parked")
    groups = {one.group_id for held in given.values() for one in held if one.group_id}
    waiting = GroupChange.objects.filter(group_account__group__in=groups) if groups else GroupChange.objects.none()
    by_group: dict[int, dict[int, bool]] = defaultdict(dict)
    for group, place, parked in waiting.values_list("group_account__group", "directory_id", "parked"):
        by_group[group or 0][place] = parked is not None
    directories = Directory.objects.values_list("pk", "name", "unreachable_since")
    names, away = {}, set()
    for pk, name, since in directories:
        names[pk] = name
        if since is not None:
            away.add(pk)
    return _DeliveryFacts(
        given=given,
        granted=set(granted.values_list("user_id", "entitlement_id")),
        planned={pk for pk in planned.values_list("user_id", flat=True) if pk is not None},
        accounts={(one.user_id or 0, one.directory_id): one for one in accounts},
        queued=_queued(queued),
        groups=by_group,
        names=names,
        away=away,
    )


def _queued(rows: Iterable[tuple[int, object]]) -> dict[int, bool]:
    found: dict[int, bool] = {}
    for account, parked in rows:
        found[account] = found.get(account, False) or parked is not None
    return found

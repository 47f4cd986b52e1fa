"""Pure: a row of the directory and the user that it belongs to become one planned change.

Attributes are written "kind.name" ("profile.email"), so that a plan is plain JSON. ``Planned.row`` holds what applying
needs besides the differences: ``digest`` and ``attributes`` of the row, ``enabled`` as the directory said, ``state`` as
accounts keep it, ``pushed`` (the outbound digest when the row already holds what the portal would push),
``password`` (encrypted until it is applied) and ``contracts`` (the source whose contracts are among the differences,
see ``contracts.planned``).
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from directories.attributes import BLOCKED as BLOCKED_NAME
from directories.attributes import REASON, Kind, Value
from directories.connectors.base import RemoteAccount
from directories.mapping import AttributeKey
from provisioning import usernames
from provisioning.contracts.planned import ATTRIBUTE, PREFIX
from provisioning.guard.losses import BITS, LossKind
from provisioning.imports.users.identity import another_person
from provisioning.imports.users.state import ACTIVE, NOTHING, SourceState, asked
from provisioning.outbound.digests import place_digest

USERNAME, MANAGER = "profile.username", "profile.manager"
CREATE, UPDATE, DEACTIVATE, LINK, LEAVE, ERROR = "create", "update", "deactivate", "link", "leave", "error"
BLOCK = "block"
_OF_ACTION = {
    CREATE: BITS[LossKind.CREATED],
    DEACTIVATE: BITS[LossKind.OFF],
    "delete": BITS[LossKind.OFF],
    "merge": BITS[LossKind.OFF],
    BLOCK: BITS[LossKind.BLOCKED],
}
CONTRACTS = "contracts"  # in a row
DEPARTMENT = "profile.department"
MISSING, INACTIVE, RENAMED, BLANKED = "missing", "inactive", "renamed", "blanked"
ACTIVE_AGAIN, CHANGED = "active", "changed"
GAINS, LOSES = "gains", "loses"
GIVEN = "rules.given"  # in before and after: what rules take away and give, in words; ``row`` has it as GRANTS
GRANTS, WHY = "grants", "cause"  # in a row: the steps (``rules.difference.GrantStep``), and which cause is told instead
CAUSES: Mapping[str, str] = {
    MISSING: "Missing from the source",
    INACTIVE: "Inactive in the source",
    RENAMED: "Renamed",
    BLANKED: "Loses a value",
    ACTIVE_AGAIN: "Active again",
    CHANGED: "Other values",
    GAINS: "Gains by a rule",
    LOSES: "Loses what a rule gave",
    "delete": "Deleted",
    "merge": "Merged into somebody else",
    "restore": "Restored",
    ERROR: "Cannot be applied",
    BLOCK: "Blocked by the source",
}
CAUSE_OF = {"delete": "delete", "merge": "merge", "restore": "restore", ERROR: ERROR, BLOCK: BLOCK}
SAME_ROW = (
    "Other rows of this import have the same key, so none of them is applied. Remove the others in the directory."
)
SAME_PERSON = (
    "Other rows of this import match the same person, so none of them is applied. "
    "Remove the others in the directory, or make the value unique by which they are matched."
)
STAYS_OFF = "Still deactivated: that was decided in the portal, and the directory's own state did not change."
STAFF = "{who} may sign in to the portal, and an import never changes such people. Manage them in the portal."
STRANGER = (
    "{who} has left, and this row looks like another person: {why}. If it is the same person, activate {who} in the "
    "portal. If not, give the new person another user name in the directory, or delete {who} in the portal, add the "
    "new person there, and import again."
)
IS_BLOCKED, WHY_BLOCKED = f"{Kind.RECORD.value}.{BLOCKED_NAME}", f"{Kind.RECORD.value}.{REASON}"
BLOCKED_BY_HR = "The source has this person blocked, so nothing was done."
NAME_STAYS = "The user name stays {name}. {why}"
# In the place of a row's digest: to be looked at again as it is, or not shown any more by a complete import.
AGAIN, GONE = "again", "gone"
MAX_KEY, MAX_REMOTE_ID = 255, 512


class KnownAccount(NamedTuple):
    """What the portal noted of the account that has the row's remote id."""

    id: int
    seen_digest: str
    user_id: int | None
    seen_state: str = ""


@dataclass(frozen=True, slots=True)
class KnownUser:
    """The user that a row belongs to. ``values`` are by "kind.name"; a blank one is None."""

    id: int
    username: str
    staff: bool
    values: Mapping[str, Any]
    provisioned: bool = True
    account: KnownAccount | None = None


@dataclass(slots=True)
class ChangedRow:
    """One row that is new or differs from what was seen last, with what its mapping gives.

    ``unusable`` is why it can only become an error; what it gives then only tells whose it may be.
    """

    remote: RemoteAccount
    digest: str
    account: KnownAccount | None = None
    values: dict[str, Any] = field(default_factory=dict)
    contracts: Mapping[str, Any] | None = None  # mapped, by number; None where the source says nothing of them
    blocked: str = ""  # why the source wants nothing done about the person
    state: SourceState = NOTHING
    problems: Sequence[str] = ()
    left: Sequence[str] = ()  # words about values that were not taken over
    match: str = ""
    unusable: str = ""

    @property
    def linked(self) -> bool:
        """Whether its lasting id leads to a user."""
        return self.account is not None and self.account.user_id is not None

    @property
    def username(self) -> str:
        """The user name that the row gives."""
        return str(self.values.get(USERNAME) or "")

    @property
    def key(self) -> str:
        """What an admin knows the row by."""
        return self.username or self.remote.key or self.remote.ref


@dataclass
class Planned:
    """One planned change: what reading plans, ``PlannedChange`` keeps under the same names, and applying works on.

    ``department`` is the person's. ``id`` is that of the row that keeps it, 0 before there is one.
    """

    action: str
    key: str
    remote_id: str = ""
    user_id: int | None = None
    account_id: int | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    match_value: str = ""
    place: str = ""
    department: str = ""
    id: int = 0

    @property
    def cause(self) -> str:
        """Why it is planned, as far as somebody may have to decide about it; "" for what is only added or noted."""
        if self.action == DEACTIVATE:
            return MISSING if self.account_id else INACTIVE  # only an import misses an account
        if self.action != UPDATE:
            return CAUSE_OF.get(self.action, "")
        if WHY in self.row:
            return str(self.row[WHY])
        if self.switches_off:
            return INACTIVE
        if self.renames:
            return RENAMED
        if self.blanks:
            return BLANKED
        return ACTIVE_AGAIN if self.switches_on else CHANGED

    @property
    def attributes(self) -> str:
        """The names of what an update changes, each between bars; contracts are one."""
        if self.action != UPDATE or not self.after:
            return ""
        names = {ATTRIBUTE if name.startswith(PREFIX) else name for name in self.after}
        return f"|{'|'.join(sorted(names))}|"

    @property
    def renames(self) -> bool:
        """Whether somebody in the portal would get another user name."""
        return self.action == UPDATE and USERNAME in self.after

    def keep_name(self, why: str) -> None:
        """Take a new user name out of an update, which applies the rest; the next import tries the name again."""
        self.before.pop(USERNAME, None)
        self.after.pop(USERNAME, None)
        self.row.pop("pushed", None)
        if "digest" in self.row:
            self.row["digest"] = again(self.row["digest"])
        self.match_value = ""
        self.message = f"{self.message} {NAME_STAYS.format(name=self.key, why=why)}".lstrip()
        if not self.after:
            self.action = LINK

    @property
    def losses(self) -> int:
        """The kinds of losses that it is, as ``guard.losses.BITS``."""
        if self.action != UPDATE:
            return _OF_ACTION.get(self.action, 0)
        found = BITS[LossKind.BLANKED] if self.blanks else 0
        if self.renames:
            found |= BITS[LossKind.RENAMED]
        if self.switches_off:
            found |= BITS[LossKind.OFF]
        elif self.switches_on:
            found |= BITS[LossKind.ON]
        if CONTRACTS in self.row:
            found |= self._losses_of_contracts
        return found

    @property
    def _losses_of_contracts(self) -> int:
        found = 0
        for name, value in self.after.items():
            if name.startswith(PREFIX):
                if value is None:
                    found |= BITS[LossKind.CONTRACTS_REMOVED]
                elif self.before.get(name) is None:
                    found |= BITS[LossKind.CONTRACTS_ADDED]
                else:
                    found |= BITS[LossKind.CONTRACTS_CHANGED]
        return found

    @property
    def changed(self) -> list[str]:
        """The attributes that have a value and get another one; the user name and the state are kinds of their own."""
        if self.action != UPDATE:
            return []
        before = self.before
        return [
            name
            for name, value in self.after.items()
            if value is not None
            and before.get(name) is not None
            and name not in (ACTIVE, USERNAME)
            and not name.startswith(PREFIX)
        ]

    @property
    def blanks(self) -> bool:
        """Whether the user would lose a value; a contract is none."""
        return None in self.after.values() and any(
            value is None and not name.startswith(PREFIX) for name, value in self.after.items()
        )

    @property
    def switches_off(self) -> bool:
        """Whether somebody in the portal would be deactivated because the row says so."""
        return self.action == UPDATE and self.after.get(ACTIVE) is False

    @property
    def switches_on(self) -> bool:
        """Whether somebody in the portal would be activated because the row says so."""
        return self.action == UPDATE and self.after.get(ACTIVE) is True


@cache
def path(kind: Kind, name: str) -> str:
    """Return an attribute as plans write it."""
    return f"{kind.value}.{name}"


@cache
def parts(path: str) -> tuple[str, str]:
    """Return the kind and the name of an attribute as plans write it."""
    kind, _, name = path.partition(".")
    return kind, name


def values_of(inbound: Mapping[AttributeKey, Value]) -> dict[str, Any]:
    """Return mapped values as plans hold them: JSON, blank as None."""
    return {path(*target): stored(value) for target, value in inbound.items()}


def take_blocked(values: dict[str, Any]) -> str:
    """Take what is said of the record out of a row's values; return why its person is blocked, "" when they are not."""
    blocked, reason = values.pop(IS_BLOCKED, None), values.pop(WHY_BLOCKED, None)
    return str(reason or BLOCKED_BY_HR) if blocked else ""


def stored(value: Any) -> Any:
    """Return a directory's value as JSON holds it. What cannot be stored, and is not mapped, leaves a mark."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value if storable(value) else printable(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return [stored(one) for one in value] if isinstance(value, tuple) else str(value)


def unusable(remote: RemoteAccount) -> str:
    """Return why the row cannot even be looked at, "" when it can."""
    if remote.problem:
        return remote.problem
    if not remote.ref.strip() or not remote.key.strip():
        return "The row has no user name."
    if len(remote.ref) > MAX_REMOTE_ID or len(remote.key) > MAX_KEY:
        return f"The row's key is longer than {MAX_KEY} characters."
    if not storable(remote.ref + remote.key):
        return "The row's key holds a character that cannot be stored. Correct it in the directory."
    return ""


def storable(text: str) -> bool:
    """Return whether the portal's database can hold the text: no U+0000, no traces of undecodable bytes."""
    if text.isprintable():  # as nearly all are
        return True
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: str) -> str:
    """Return the text with U+FFFD for every character that cannot be stored."""
    return "".join(character if storable(character) else "\ufffd" for character in text)


def error(remote: RemoteAccount, message: str, account: KnownAccount | None = None) -> Planned:
    """Return the planned error of a row: its key, as far as it can be shown, and the reason."""
    return _apart(ERROR, remote, message, account)


def again(digest: str) -> str:
    """Return what stands for a row that is to be looked at again; the digest of its password stays."""
    _, colon, password = digest.partition(":")
    return f"{AGAIN}{colon}{password}"


def left_alone(remote: RemoteAccount, message: str, account: KnownAccount | None = None) -> Planned:
    """Return the row of a person whom the import does not touch, and why; nobody has to correct anything."""
    return _apart(LEAVE, remote, message, account)


def blocked(remote: RemoteAccount, message: str, account: KnownAccount | None = None) -> Planned:
    """Return the row of a person about whom the source wants nothing done, and why."""
    return _apart(BLOCK, remote, message, account)


def _apart(action: str, remote: RemoteAccount, message: str, account: KnownAccount | None) -> Planned:
    return Planned(
        action=action,
        key=printable((remote.key or remote.ref)[:MAX_KEY]),
        user_id=account.user_id if account else None,
        account_id=account.id if account else None,
        message=message,
        place=place_digest(remote.place),
    )


def plan_row(row: ChangedRow, user: KnownUser | None, *, follow_renames: bool = False) -> Planned:
    """Return what the row means for ``user``, None when no user of the portal has it.

    A user name changes only with ``follow_renames``.
    """
    account = row.account or (user.account if user else None)
    if user is not None and user.staff:
        return left_alone(row.remote, STAFF.format(who=user.username), account)
    if row.problems:
        return error(row.remote, " ".join(row.problems), row.account)
    if user is None:
        return _create(row)
    if user.values.get(ACTIVE) is False and (why := another_person(user.values, row.values)):
        return error(row.remote, STRANGER.format(who=user.username, why=why), account)
    after = _wanted(row, user, account)
    if follow_renames and row.username and row.username != user.username:
        after[USERNAME] = row.username
    before = {name: user.values.get(name) for name in after}
    stays_off = row.state.active and user.values.get(ACTIVE) is False and ACTIVE not in after
    planned = Planned(
        action=UPDATE if after else LINK,
        key=user.username,
        remote_id=row.remote.ref,
        user_id=user.id,
        account_id=account.id if account else None,
        before=before,
        after=after,
        row=_payload(row),
        message=" ".join([*row.left, *([STAYS_OFF] if stays_off else [])]),
        place=place_digest(row.remote.place),
        department=department_of(user.values, after),
    )
    if USERNAME in after and (problem := usernames.problem(row.username)):
        planned.keep_name(problem)
    return planned


def _create(row: ChangedRow) -> Planned:
    if problem := usernames.problem(row.username):
        return error(row.remote, problem, row.account)
    after = {name: value for name, value in row.values.items() if value is not None}
    if row.state.active is False:
        after[ACTIVE] = False
    return Planned(
        action=CREATE,
        key=row.username,
        remote_id=row.remote.ref,
        account_id=row.account.id if row.account else None,
        after=after,
        row=_payload(row),
        message=" ".join(row.left),
        match_value=row.match[:MAX_KEY],
        place=place_digest(row.remote.place),
        department=department_of(after, {}),
    )


def department_of(values: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the department of a planned change's person: the one that they have, else the one that they get."""
    return str(values.get(DEPARTMENT) or after.get(DEPARTMENT) or "")[:150]


def _wanted(row: ChangedRow, user: KnownUser, account: KnownAccount | None) -> dict[str, Any]:
    """Return the values that differ, but for the user name."""
    values = {name: value for name, value in row.values.items() if name not in (USERNAME, ACTIVE)}
    active = asked(row.state, account.seen_state if account else "")
    if active is not None:
        values[ACTIVE] = active
    return {name: value for name, value in values.items() if _differs(name, value, user.values.get(name))}


def _differs(name: str, value: Any, held: Any) -> bool:
    """Compare; a manager is a user name, and those have no case."""
    if name == MANAGER and value and held:
        return str(value).casefold() != str(held).casefold()
    return bool(value != held)


def _payload(row: ChangedRow) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "digest": row.digest,
        "attributes": {name: stored(value) for name, value in row.remote.attributes.items()},
    }
    if row.remote.enabled is not None:
        payload["enabled"] = row.remote.enabled
    if row.state.stored:
        payload["state"] = row.state.stored
    return payload

"""A client of Rollcall's REST API, made by `manage.py api_client`: copy it, it needs nothing but Python 3.11.

    portal = Rollcall("https://portal.example.org", token)
    for user in portal.list_users(filter='department eq "Care"'):
        print(user["username"])
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen


class Refused(Exception):
    """The portal refused a request: its status, what is wrong in words, and which fields are wrong."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', '')}")
        self.status = status
        self.detail = str(problem.get("detail", ""))
        self.errors: Any = problem.get("errors", {})


AccountsForEnum = Literal["everyone", "groups", "rules"]


ActionEnum = Literal["create", "update", "deactivate", "link", "leave", "error", "delete", "restore", "block", "merge"]


class ApproveRequest(TypedDict):
    """Which plan is approved: the very one that was looked at."""

    plan_hash: str
    number: NotRequired[int]


class AttributeDefinition(TypedDict):
    """Custom profile attribute, as it is sent."""

    id: int
    name: str
    label: str
    type: TypeEnum
    choices: Any
    required: bool
    searchable: bool
    position: int


class AttributeMapping(TypedDict):
    """Attribute mapping, as it is sent."""

    id: int
    directory: int
    directory_attribute: str
    kind: AttributeMappingKindEnum
    portal_attribute: str
    direction: AttributeMappingDirectionEnum
    expression: str
    required: bool
    position: int


AttributeMappingDirectionEnum = Literal["in", "out", "both"]


AttributeMappingKindEnum = Literal["profile", "custom_profile", "custom", "contract", "custom_contract", "record"]


AudienceEnum = Literal["everyone", "groups", "condition"]


BlankEnum = Literal[""]


class BusinessRule(TypedDict):
    """Rule, as it is sent."""

    id: int
    name: str
    category: str
    published: bool
    retired: bool
    position: int
    condition: Any
    days_before: int
    days_after: int
    by_request: bool
    changed_at: str


class Contract(TypedDict):
    """Contract, as it is sent."""

    id: int
    account: int | None
    user: int | None
    external_id: str
    starts: str | None
    ends: str | None
    type: str
    fte: str | None
    hours: str | None
    percentage: str | None
    sequence: int | None
    employer: str
    department: int | None
    title: str
    team: str
    location: int | None
    cost_centre: str
    division: str
    manager: int | None
    manager_ref: str
    custom: Any


class Department(TypedDict):
    """Department, as it is sent."""

    id: int
    source: int | None
    external_id: str
    code: str
    name: str
    parent: int | None
    manager: int | None
    manager_ref: str


class Directory(TypedDict):
    """Directory, as it is sent."""

    id: int
    name: str
    kind: str
    enabled: bool
    is_default: bool
    description: str
    settings: Any
    answered_at: str | None
    unreachable_since: str | None
    retry_at: str | None
    quarantined: bool
    last_error: str
    created_at: str
    updated_at: str


DoorEnum = Literal["import", "upload", "action", "undo", "contract", "pull", "rule"]


class Entitlement(TypedDict):
    """Entitlement, as it is sent."""

    id: int
    rule: int
    kind: EntitlementKindEnum
    directory: int | None
    group: int | None
    attribute: str
    value: Any
    ended: bool


EntitlementKindEnum = Literal["account", "group", "value"]


EnvelopeEnum = Literal["webhook", "set"]


class Event(TypedDict):
    """A line of the report, with the names that its filter has."""

    id: int
    time: str
    identifier: str
    application: str
    direction: EventDirectionEnum
    operation: EventOperationEnum
    result: ResultEnum
    message: str
    changes: Any
    cause: str
    user: int | None
    account: int | None
    group: int | None
    run: int | None


EventDirectionEnum = Literal["in", "out", "portal"]


EventOperationEnum = Literal["create", "update", "enable", "disable", "delete", "link", "password", "import", "settings", "sign_in", "sign_out"]


class Evidence(TypedDict):
    """Evidence, as it is sent."""

    seq: int
    at: str
    kind: EvidenceKindEnum
    payload: Any
    previous: str
    hash: str


EvidenceKindEnum = Literal["receipt", "approval", "configuration"]


class Group(TypedDict):
    """A group as it is sent, and what may be sent of one."""

    id: int
    name: str
    description: str
    directories: list[int]
    owner: int | None
    pushed_by: str
    privileged: bool
    scim_id: str
    created_at: str
    updated_at: str


class GroupOperation(TypedDict):
    """A group that is to be brought in sync; with ``account`` only whether that one is in it."""

    id: int
    directory: int
    group_account: int
    group: int | None
    key: str
    account: int | None
    lane: LaneEnum
    reason: str
    actor: str
    created_at: str
    cleared: bool
    parked: str | None
    parked_code: str
    parked_message: str


class GroupRequest(TypedDict):
    """A group as it is sent, and what may be sent of one."""

    name: str
    description: NotRequired[str]
    directories: NotRequired[list[int]]


GroupsOfLeaversEnum = Literal["later", "now"]


InitialPasswordEnum = Literal["fixed", "random"]


LaneEnum = Literal[0, 1]


class Location(TypedDict):
    """Location, as it is sent."""

    id: int
    source: int | None
    external_id: str
    name: str
    time_zone: str


class Membership(TypedDict):
    """One user directly in one group."""

    id: int
    group: int
    user: int


class MembershipRequest(TypedDict):
    """One user directly in one group."""

    group: int
    user: int


NullEnum = Literal[None]


OnLeaveEnum = Literal["disable", "delete", "leave"]


class Operation(TypedDict):
    """An account that is to be brought in sync; with ``parked`` somebody has to see to it first."""

    id: int
    directory: int
    account: int
    user: int | None
    key: str
    lane: LaneEnum
    reason: str
    actor: str
    created_at: str
    cleared: bool
    parked: str | None
    parked_code: str
    parked_message: str


class PasswordRequest(TypedDict):
    """The body: ``{'password': '...'}``."""

    password: str


PasswordStorageEnum = Literal["plain", "bcrypt", "argon2id"]


class PatchedGroupRequest(TypedDict):
    """A group as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    description: NotRequired[str]
    directories: NotRequired[list[int]]


class PatchedUserRequest(TypedDict):
    """A user as they are sent, and what may be sent of one."""

    username: NotRequired[str]
    email: NotRequired[str]
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    display_name: NotRequired[str]
    phone: NotRequired[str]
    mobile: NotRequired[str]
    title: NotRequired[str]
    department: NotRequired[str]
    division: NotRequired[str]
    organization: NotRequired[str]
    cost_center: NotRequired[str]
    employee_number: NotRequired[str]
    employee_type: NotRequired[str]
    street_address: NotRequired[str]
    locality: NotRequired[str]
    region: NotRequired[str]
    postal_code: NotRequired[str]
    country: NotRequired[str]
    locale: NotRequired[str]
    time_zone: NotRequired[str]
    manager: NotRequired[int | None]
    is_active: NotRequired[bool]
    provisioned: NotRequired[bool]
    custom_profile: NotRequired[dict[str, str | float | bool | None]]
    custom_attributes: NotRequired[dict[str, str | None]]


class PlannedChange(TypedDict):
    """One thing that a run means to do, with what is before and after."""

    id: int
    action: ActionEnum
    key: str
    user_id: int | None
    account_id: int | None
    before: Any
    after: Any
    message: str
    department: str
    cause: str
    held: bool
    verdict: VerdictEnum | BlankEnum


class Product(TypedDict):
    """Product, as it is sent."""

    rule: int
    text: str
    risk: str
    offered: bool
    owner: int | None
    department: int | None
    audience: AudienceEnum
    days: int | None
    renewable: bool
    most: int | None
    until_disabled: bool


class ProductRequest(TypedDict):
    """Request, as it is sent."""

    id: int
    product: int | None
    product_name: str
    person: int | None
    person_name: str
    asked_by: int | None
    asked_by_name: str
    state: StateEnum
    renews: bool
    answers: Any
    reason: str
    why: str
    asked_at: str
    decided_at: str | None
    ended_at: str | None


class ProvisioningSettings(TypedDict):
    """Provisioning settings, as it is sent."""

    id: int
    directory: int
    import_users: bool
    create_users: bool
    update_users: bool
    deactivate_users: bool
    delete_users: bool
    accounts_for: AccountsForEnum
    deactivate_missing: bool
    import_passwords: bool
    on_deactivate: OnLeaveEnum
    on_delete: OnLeaveEnum
    delete_after_days: int | None
    groups_of_leavers: GroupsOfLeaversEnum
    match_attribute: str
    match_second: str
    match_third: str
    source_rank: int
    follow_renames: bool
    initial_password: InitialPasswordEnum
    password_storage: PasswordStorageEnum
    schedule: ScheduleEnum
    schedule_time: str | None
    schedule_weekday: ScheduleWeekdayEnum | None
    next_import_at: str | None
    set_passwords: bool
    sync_groups: bool
    import_groups: bool
    push_groups: PushGroupsEnum
    delete_groups: bool
    listen: bool
    incremental_minutes: int | None
    four_eyes: bool
    max_lost_members: int
    max_lost_members_percent: int
    max_leavers: int
    max_leavers_percent: int
    max_blanked: int
    max_blanked_percent: int
    max_activated: int
    max_activated_percent: int
    max_opened: int
    max_created: int
    max_created_percent: int
    max_changed: int
    max_changed_percent: int
    max_department_percent: int
    max_group_percent: int
    max_elevated: int
    max_contracts_added: int
    max_contracts_added_percent: int
    max_contracts_removed: int
    max_contracts_removed_percent: int
    max_contracts_changed: int
    max_contracts_changed_percent: int
    max_blocked: int
    max_blocked_percent: int


PushGroupsEnum = Literal["none", "chosen", "all"]


class QueryTemplate(TypedDict):
    """Query template, as it is sent."""

    id: int
    directory: int
    operation: QueryTemplateOperationEnum
    position: int
    sql: str


QueryTemplateOperationEnum = Literal["import", "check", "create", "update", "delete", "disable", "enable", "set_password", "import_groups", "import_members", "create_group", "update_group", "delete_group", "add_member", "remove_member", "contracts", "departments", "titles", "changes"]


ResultEnum = Literal["success", "partly", "failed", "waiting", "skipped"]


class Retried(TypedDict):
    """How many operations are tried again."""

    tried: int


class Run(TypedDict):
    """A run as it is sent; ``plan_hash`` says which plan it is that somebody approves."""

    id: int
    directory: int | None
    door: DoorEnum
    subject: str
    undoes: int | None
    status: StatusEnum
    preview: bool
    incremental: bool
    trigger: TriggerEnum
    actor: str
    message: str
    plan_hash: str
    expected: int | None
    seen: int
    unchanged: int
    planned: int
    applied: int
    created: int
    updated: int
    deactivated: int
    deleted: int
    restored: int
    left_alone: int
    blocked: int
    errors: int
    held: int
    refused: int
    changed_since: int
    departments_changed: int
    groups_seen: int
    groups_changed: int
    memberships_added: int
    memberships_removed: int
    created_at: str
    started_at: str | None
    apply_started_at: str | None
    finished_at: str | None


ScheduleEnum = Literal["off", "hourly", "daily", "weekly"]


ScheduleWeekdayEnum = Literal[0, 1, 2, 3, 4, 5, 6]


class Sent(TypedDict):
    """The answer: to which directories the password is on its way."""

    username: str
    directories: list[str]


class SourceRecord(TypedDict):
    """Source record, as it is sent."""

    id: int
    source: int
    remote_id: str
    key: str
    blocked: bool
    reason: str
    seen_at: str


class StartRequest(TypedDict):
    """What is to be imported; a preview is a plan that somebody may approve."""

    directory: int
    preview: NotRequired[bool]


StateEnum = Literal["waiting", "granted", "refused", "withdrawn", "cancelled", "returned", "ended"]


StatusEnum = Literal["queued", "crawling", "planned", "approval", "applying", "finished", "failed", "cancelled"]


class Subscription(TypedDict):
    """Receiver, as it is sent."""

    id: int
    name: str
    enabled: bool
    envelope: EnvelopeEnum
    kinds: Any
    filter: str
    audience: str
    give_up_days: int
    unreachable_since: str | None
    failing_since: str | None
    stopped_because: str
    created_at: str
    updated_at: str
    address: str


TriggerEnum = Literal["manual", "schedule", "command", "listener"]


TypeEnum = Literal["text", "number", "date", "boolean", "choice"]


class UndoRequest(TypedDict):
    """Whether people whom the run created are deleted; else they are deactivated."""

    delete_created: NotRequired[bool]


class User(TypedDict):
    """A user as they are sent, and what may be sent of one."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    display_name: str
    phone: str
    mobile: str
    title: str
    department: str
    division: str
    organization: str
    cost_center: str
    employee_number: str
    employee_type: str
    street_address: str
    locality: str
    region: str
    postal_code: str
    country: str
    locale: str
    time_zone: str
    manager: int | None
    is_active: bool
    provisioned: bool
    custom_profile: dict[str, str | float | bool | None]
    custom_attributes: dict[str, str | None]
    scim_id: str
    is_staff: bool
    is_superuser: bool
    created_at: str
    updated_at: str


class UserRequest(TypedDict):
    """A user as they are sent, and what may be sent of one."""

    username: str
    email: NotRequired[str]
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    display_name: NotRequired[str]
    phone: NotRequired[str]
    mobile: NotRequired[str]
    title: NotRequired[str]
    department: NotRequired[str]
    division: NotRequired[str]
    organization: NotRequired[str]
    cost_center: NotRequired[str]
    employee_number: NotRequired[str]
    employee_type: NotRequired[str]
    street_address: NotRequired[str]
    locality: NotRequired[str]
    region: NotRequired[str]
    postal_code: NotRequired[str]
    country: NotRequired[str]
    locale: NotRequired[str]
    time_zone: NotRequired[str]
    manager: NotRequired[int | None]
    is_active: NotRequired[bool]
    provisioned: NotRequired[bool]
    custom_profile: NotRequired[dict[str, str | float | bool | None]]
    custom_attributes: NotRequired[dict[str, str | None]]


VerdictEnum = Literal["approved", "refused", "done"]


class Rollcall:
    """The portal at an address, asked with a token of its page API tokens."""

    def __init__(self, portal: str, token: str, *, timeout: float = 30.0) -> None:
        self.base = portal.rstrip("/")
        self.token = token
        self.timeout = timeout

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """Send one request; return the status and what was answered."""
        request = Request(address, data=body, method=method, headers=dict(headers))
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                return int(answer.status), bytes(answer.read())
        except HTTPError as error:
            return error.code, error.read()

    def _ask(
        self,
        method: str,
        address: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        asked = {name: value for name, value in (parameters or {}).items() if value not in ("", None)}
        if not address.startswith(self.base):
            address = self.base + address
        if asked:
            address = f"{address}?{urlencode(asked)}"
        sent = {name: value for name, value in (headers or {}).items() if value}
        sent |= {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        status, answer = self.send(method, address, sent, content)
        if status >= 400:
            raise Refused(status, _problem(answer))
        return json.loads(answer) if answer else None

    def _rows(self, address: str, filter: str, limit: int) -> Iterator[Any]:
        page = self._ask("GET", address, parameters={"filter": filter, "limit": limit})
        while True:
            yield from page["items"]
            if not page["next"]:
                return
            page = self._ask("GET", page["next"])

    def list_attribute_definitions(self, *, filter: str = "", limit: int = 100) -> Iterator[AttributeDefinition]:
        """List custom profile attributes."""
        return cast(Iterator[AttributeDefinition], self._rows("/api/v1/attribute-definitions", filter, limit))

    def get_attribute_definitions(self, id: int) -> AttributeDefinition:
        """Show one of the custom profile attributes."""
        return cast(AttributeDefinition, self._ask("GET", f"/api/v1/attribute-definitions/{quote(str(id), safe='')}"))

    def list_attribute_mappings(self, *, filter: str = "", limit: int = 100) -> Iterator[AttributeMapping]:
        """List attribute mappings."""
        return cast(Iterator[AttributeMapping], self._rows("/api/v1/attribute-mappings", filter, limit))

    def get_attribute_mappings(self, id: int) -> AttributeMapping:
        """Show one of the attribute mappings."""
        return cast(AttributeMapping, self._ask("GET", f"/api/v1/attribute-mappings/{quote(str(id), safe='')}"))

    def list_contracts(self, *, filter: str = "", limit: int = 100) -> Iterator[Contract]:
        """List contracts."""
        return cast(Iterator[Contract], self._rows("/api/v1/contracts", filter, limit))

    def get_contracts(self, id: int) -> Contract:
        """Show one of the contracts."""
        return cast(Contract, self._ask("GET", f"/api/v1/contracts/{quote(str(id), safe='')}"))

    def list_departments(self, *, filter: str = "", limit: int = 100) -> Iterator[Department]:
        """List departments."""
        return cast(Iterator[Department], self._rows("/api/v1/departments", filter, limit))

    def get_departments(self, id: int) -> Department:
        """Show one of the departments."""
        return cast(Department, self._ask("GET", f"/api/v1/departments/{quote(str(id), safe='')}"))

    def list_directories(self, *, filter: str = "", limit: int = 100) -> Iterator[Directory]:
        """List directories."""
        return cast(Iterator[Directory], self._rows("/api/v1/directories", filter, limit))

    def get_directories(self, id: int) -> Directory:
        """Show one of the directories."""
        return cast(Directory, self._ask("GET", f"/api/v1/directories/{quote(str(id), safe='')}"))

    def list_entitlements(self, *, filter: str = "", limit: int = 100) -> Iterator[Entitlement]:
        """List entitlements."""
        return cast(Iterator[Entitlement], self._rows("/api/v1/entitlements", filter, limit))

    def get_entitlements(self, id: int) -> Entitlement:
        """Show one of the entitlements."""
        return cast(Entitlement, self._ask("GET", f"/api/v1/entitlements/{quote(str(id), safe='')}"))

    def list_events(self, *, filter: str = "", limit: int = 100) -> Iterator[Event]:
        """List lines, the newest first: `identifier sw 'anna' and result eq 'failed'`, say."""
        return cast(Iterator[Event], self._rows("/api/v1/events", filter, limit))

    def get_event(self, id: int) -> Event:
        """Show a line."""
        return cast(Event, self._ask("GET", f"/api/v1/events/{quote(str(id), safe='')}"))

    def list_evidence(self, *, filter: str = "", limit: int = 100) -> Iterator[Evidence]:
        """List evidence."""
        return cast(Iterator[Evidence], self._rows("/api/v1/evidence", filter, limit))

    def get_evidence(self, id: int) -> Evidence:
        """Show one of the evidence."""
        return cast(Evidence, self._ask("GET", f"/api/v1/evidence/{quote(str(id), safe='')}"))

    def list_group_operations(self, *, filter: str = "", limit: int = 100) -> Iterator[GroupOperation]:
        """List operations on groups, the oldest first."""
        return cast(Iterator[GroupOperation], self._rows("/api/v1/group-operations", filter, limit))

    def get_group_operation(self, id: int) -> GroupOperation:
        """Show an operation; one that is done is gone, and in the report."""
        return cast(GroupOperation, self._ask("GET", f"/api/v1/group-operations/{quote(str(id), safe='')}"))

    def retry_group_operation(self, id: int, *, idempotency_key: str = "") -> Retried:
        """Try an operation on a group again now."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Retried, self._ask("POST", f"/api/v1/group-operations/{quote(str(id), safe='')}/retry", headers=headers))

    def list_groups(self, *, filter: str = "", limit: int = 100) -> Iterator[Group]:
        """List groups, in the order of their ids."""
        return cast(Iterator[Group], self._rows("/api/v1/groups", filter, limit))

    def create_group(self, body: GroupRequest, *, idempotency_key: str = "") -> Group:
        """Add a group of the portal's own."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Group, self._ask("POST", "/api/v1/groups", headers=headers, body=body))

    def get_group(self, id: int) -> Group:
        """Show a group; its members are under memberships."""
        return cast(Group, self._ask("GET", f"/api/v1/groups/{quote(str(id), safe='')}"))

    def update_group(self, id: int, body: PatchedGroupRequest, *, idempotency_key: str = "", if_match: str = "") -> Group:
        """Change what is sent of a group, and leave the rest (RFC 7396)."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Group, self._ask("PATCH", f"/api/v1/groups/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_group(self, id: int, *, idempotency_key: str = "", if_match: str = "") -> None:
        """Delete a group; its members stay."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/groups/{quote(str(id), safe='')}", headers=headers)

    def list_locations(self, *, filter: str = "", limit: int = 100) -> Iterator[Location]:
        """List locations."""
        return cast(Iterator[Location], self._rows("/api/v1/locations", filter, limit))

    def get_locations(self, id: int) -> Location:
        """Show one of the locations."""
        return cast(Location, self._ask("GET", f"/api/v1/locations/{quote(str(id), safe='')}"))

    def list_memberships(self, *, filter: str = "", limit: int = 100) -> Iterator[Membership]:
        """List memberships: `group eq 7`, say."""
        return cast(Iterator[Membership], self._rows("/api/v1/memberships", filter, limit))

    def add_membership(self, body: MembershipRequest, *, idempotency_key: str = "") -> Membership:
        """Put a user into a group; whoever is in it already stays, and is answered in the same way."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Membership, self._ask("POST", "/api/v1/memberships", headers=headers, body=body))

    def get_membership(self, id: int) -> Membership:
        """Show a membership."""
        return cast(Membership, self._ask("GET", f"/api/v1/memberships/{quote(str(id), safe='')}"))

    def remove_membership(self, id: int, *, idempotency_key: str = "", if_match: str = "") -> None:
        """Take a user out of a group."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/memberships/{quote(str(id), safe='')}", headers=headers)

    def list_operations(self, *, filter: str = "", limit: int = 100) -> Iterator[Operation]:
        """List operations on accounts, the oldest first: `parked pr`, say."""
        return cast(Iterator[Operation], self._rows("/api/v1/operations", filter, limit))

    def get_operation(self, id: int) -> Operation:
        """Show an operation; one that is done is gone, and in the report."""
        return cast(Operation, self._ask("GET", f"/api/v1/operations/{quote(str(id), safe='')}"))

    def retry_operation(self, id: int, *, idempotency_key: str = "") -> Retried:
        """Try an operation on an account again now."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Retried, self._ask("POST", f"/api/v1/operations/{quote(str(id), safe='')}/retry", headers=headers))

    def list_products(self, *, filter: str = "", limit: int = 100) -> Iterator[Product]:
        """List products."""
        return cast(Iterator[Product], self._rows("/api/v1/products", filter, limit))

    def get_products(self, id: int) -> Product:
        """Show one of the products."""
        return cast(Product, self._ask("GET", f"/api/v1/products/{quote(str(id), safe='')}"))

    def list_provisioning_settings(self, *, filter: str = "", limit: int = 100) -> Iterator[ProvisioningSettings]:
        """List provisioning settings."""
        return cast(Iterator[ProvisioningSettings], self._rows("/api/v1/provisioning-settings", filter, limit))

    def get_provisioning_settings(self, id: int) -> ProvisioningSettings:
        """Show one of the provisioning settings."""
        return cast(ProvisioningSettings, self._ask("GET", f"/api/v1/provisioning-settings/{quote(str(id), safe='')}"))

    def list_query_templates(self, *, filter: str = "", limit: int = 100) -> Iterator[QueryTemplate]:
        """List query templates."""
        return cast(Iterator[QueryTemplate], self._rows("/api/v1/query-templates", filter, limit))

    def get_query_templates(self, id: int) -> QueryTemplate:
        """Show one of the query templates."""
        return cast(QueryTemplate, self._ask("GET", f"/api/v1/query-templates/{quote(str(id), safe='')}"))

    def list_requests(self, *, filter: str = "", limit: int = 100) -> Iterator[ProductRequest]:
        """List requests."""
        return cast(Iterator[ProductRequest], self._rows("/api/v1/requests", filter, limit))

    def get_requests(self, id: int) -> ProductRequest:
        """Show one of the requests."""
        return cast(ProductRequest, self._ask("GET", f"/api/v1/requests/{quote(str(id), safe='')}"))

    def list_rules(self, *, filter: str = "", limit: int = 100) -> Iterator[BusinessRule]:
        """List rules."""
        return cast(Iterator[BusinessRule], self._rows("/api/v1/rules", filter, limit))

    def get_rules(self, id: int) -> BusinessRule:
        """Show one of the rules."""
        return cast(BusinessRule, self._ask("GET", f"/api/v1/rules/{quote(str(id), safe='')}"))

    def list_runs(self, *, filter: str = "", limit: int = 100) -> Iterator[Run]:
        """List runs, the newest first."""
        return cast(Iterator[Run], self._rows("/api/v1/runs", filter, limit))

    def start_run(self, body: StartRequest, *, idempotency_key: str = "") -> Run:
        """Start an import of a directory, or a preview of one."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Run, self._ask("POST", "/api/v1/runs", headers=headers, body=body))

    def get_run(self, id: int) -> Run:
        """Show a run: how far it is, or how it ended."""
        return cast(Run, self._ask("GET", f"/api/v1/runs/{quote(str(id), safe='')}"))

    def approve_run(self, id: int, body: ApproveRequest, *, idempotency_key: str = "") -> Run:
        """Apply the plan of a run that waits, or of a preview."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Run, self._ask("POST", f"/api/v1/runs/{quote(str(id), safe='')}/approve", headers=headers, body=body))

    def cancel_run(self, id: int, *, idempotency_key: str = "") -> Run:
        """Cancel a run, at once or at its next page."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Run, self._ask("POST", f"/api/v1/runs/{quote(str(id), safe='')}/cancel", headers=headers))

    def list_run_changes(self, id: int, *, filter: str = "", limit: int = 100) -> Iterator[PlannedChange]:
        """List what a run means to do to people, or did, in its order."""
        return cast(Iterator[PlannedChange], self._rows(f"/api/v1/runs/{quote(str(id), safe='')}/changes", filter, limit))

    def undo_run(self, id: int, body: UndoRequest, *, idempotency_key: str = "") -> Run:
        """Plan the inverse of a run that has ended: another run, which waits to be approved."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Run, self._ask("POST", f"/api/v1/runs/{quote(str(id), safe='')}/undo", headers=headers, body=body))

    def list_source_records(self, *, filter: str = "", limit: int = 100) -> Iterator[SourceRecord]:
        """List source records."""
        return cast(Iterator[SourceRecord], self._rows("/api/v1/source-records", filter, limit))

    def get_source_records(self, id: int) -> SourceRecord:
        """Show one of the source records."""
        return cast(SourceRecord, self._ask("GET", f"/api/v1/source-records/{quote(str(id), safe='')}"))

    def list_subscriptions(self, *, filter: str = "", limit: int = 100) -> Iterator[Subscription]:
        """List events."""
        return cast(Iterator[Subscription], self._rows("/api/v1/subscriptions", filter, limit))

    def get_subscriptions(self, id: int) -> Subscription:
        """Show one of the events."""
        return cast(Subscription, self._ask("GET", f"/api/v1/subscriptions/{quote(str(id), safe='')}"))

    def list_users(self, *, filter: str = "", limit: int = 100) -> Iterator[User]:
        """List users, in the order of their ids."""
        return cast(Iterator[User], self._rows("/api/v1/users", filter, limit))

    def create_user(self, body: UserRequest, *, idempotency_key: str = "") -> User:
        """Add a user; directories follow in the background."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(User, self._ask("POST", "/api/v1/users", headers=headers, body=body))

    def get_user(self, id: int) -> User:
        """Show a user."""
        return cast(User, self._ask("GET", f"/api/v1/users/{quote(str(id), safe='')}"))

    def update_user(self, id: int, body: PatchedUserRequest, *, idempotency_key: str = "", if_match: str = "") -> User:
        """Change what is sent of a user, and leave the rest (RFC 7396); directories follow in the background."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(User, self._ask("PATCH", f"/api/v1/users/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_user(self, id: int, *, idempotency_key: str = "", if_match: str = "") -> None:
        """Delete a user, who goes into the recycle bin; directories follow in the background."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/users/{quote(str(id), safe='')}", headers=headers)

    def set_password(self, username: str, body: PasswordRequest) -> Sent:
        """Send the password on its way."""
        return cast(Sent, self._ask("POST", f"/api/v1/users/{quote(str(username), safe='')}/password", body=body))


def _problem(answer: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

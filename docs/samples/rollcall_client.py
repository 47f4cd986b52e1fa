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
    """A custom profile attribute."""

    id: int
    name: str
    label: str
    type: TypeEnum
    choices: list[str]
    required: bool
    searchable: bool
    position: int


class AttributeDefinitionRequest(TypedDict):
    """A custom profile attribute."""

    name: str
    label: str
    type: NotRequired[TypeEnum]
    choices: NotRequired[list[str]]
    required: NotRequired[bool]
    searchable: NotRequired[bool]
    position: NotRequired[int]


class AttributeMapping(TypedDict):
    """Attribute mapping, as it is sent."""

    id: int
    directory: int
    directory_attribute: str
    kind: MappingKindEnum
    portal_attribute: str
    direction: MappingDirectionEnum
    expression: str
    required: bool
    position: int


AudienceEnum = Literal["everyone", "groups", "condition"]


BlankEnum = Literal[""]


class Contract(TypedDict):
    """A contract as it is sent, and what may be sent of one that the portal keeps."""

    id: int
    account: int | None
    user: int
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


class ContractRequest(TypedDict):
    """A contract as it is sent, and what may be sent of one that the portal keeps."""

    user: int
    external_id: str
    starts: NotRequired[str | None]
    ends: NotRequired[str | None]
    type: NotRequired[str]
    fte: NotRequired[str | None]
    hours: NotRequired[str | None]
    percentage: NotRequired[str | None]
    sequence: NotRequired[int | None]
    employer: NotRequired[str]
    department: NotRequired[int | None]
    title: NotRequired[str]
    team: NotRequired[str]
    location: NotRequired[int | None]
    cost_centre: NotRequired[str]
    division: NotRequired[str]
    manager: NotRequired[int | None]


class DecisionRequest(TypedDict):
    """Which step is decided: the very one that was looked at, and why."""

    step: int
    reason: NotRequired[str]


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
    """A directory whole, as it is sent, and what may be sent of one."""

    id: int
    name: str
    kind: str
    enabled: bool
    is_default: bool
    description: str
    settings: dict[str, Any]
    secrets: dict[str, bool | str | None]
    templates: dict[str, list[str]]
    mapping: list[MappingRow]
    provisioning: DirectoryFeatures
    answered_at: str | None
    unreachable_since: str | None
    retry_at: str | None
    quarantined: bool
    last_error: str
    created_at: str
    updated_at: str


class DirectoryFeatures(TypedDict):
    """The features, the schedule and the limits of a directory."""

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
    fixed_password: bool | str | None
    password_storage: PasswordStorageEnum
    schedule: ScheduleEnum
    schedule_time: str | None
    schedule_weekday: DirectoryFeaturesScheduleWeekdayEnum | None
    set_passwords: bool
    sync_groups: bool
    import_groups: bool
    push_groups: PushGroupsEnum
    delete_groups: bool
    listen: bool
    incremental_minutes: int | None
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
    four_eyes: bool


class DirectoryFeaturesRequest(TypedDict):
    """The features, the schedule and the limits of a directory."""

    import_users: NotRequired[bool]
    create_users: NotRequired[bool]
    update_users: NotRequired[bool]
    deactivate_users: NotRequired[bool]
    delete_users: NotRequired[bool]
    accounts_for: NotRequired[AccountsForEnum]
    deactivate_missing: NotRequired[bool]
    import_passwords: NotRequired[bool]
    on_deactivate: NotRequired[OnLeaveEnum]
    on_delete: NotRequired[OnLeaveEnum]
    delete_after_days: NotRequired[int | None]
    groups_of_leavers: NotRequired[GroupsOfLeaversEnum]
    match_attribute: NotRequired[str]
    match_second: NotRequired[str]
    match_third: NotRequired[str]
    source_rank: NotRequired[int]
    follow_renames: NotRequired[bool]
    initial_password: NotRequired[InitialPasswordEnum]
    fixed_password: NotRequired[bool | str | None]
    password_storage: NotRequired[PasswordStorageEnum]
    schedule: NotRequired[ScheduleEnum]
    schedule_time: NotRequired[str | None]
    schedule_weekday: NotRequired[DirectoryFeaturesScheduleWeekdayEnum | None]
    set_passwords: NotRequired[bool]
    sync_groups: NotRequired[bool]
    import_groups: NotRequired[bool]
    push_groups: NotRequired[PushGroupsEnum]
    delete_groups: NotRequired[bool]
    listen: NotRequired[bool]
    incremental_minutes: NotRequired[int | None]
    max_lost_members: NotRequired[int]
    max_lost_members_percent: NotRequired[int]
    max_leavers: NotRequired[int]
    max_leavers_percent: NotRequired[int]
    max_blanked: NotRequired[int]
    max_blanked_percent: NotRequired[int]
    max_activated: NotRequired[int]
    max_activated_percent: NotRequired[int]
    max_opened: NotRequired[int]
    max_created: NotRequired[int]
    max_created_percent: NotRequired[int]
    max_changed: NotRequired[int]
    max_changed_percent: NotRequired[int]
    max_department_percent: NotRequired[int]
    max_group_percent: NotRequired[int]
    max_elevated: NotRequired[int]
    max_contracts_added: NotRequired[int]
    max_contracts_added_percent: NotRequired[int]
    max_contracts_removed: NotRequired[int]
    max_contracts_removed_percent: NotRequired[int]
    max_contracts_changed: NotRequired[int]
    max_contracts_changed_percent: NotRequired[int]
    max_blocked: NotRequired[int]
    max_blocked_percent: NotRequired[int]
    four_eyes: NotRequired[bool]


DirectoryFeaturesScheduleWeekdayEnum = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class DirectoryRequest(TypedDict):
    """A directory whole, as it is sent, and what may be sent of one."""

    name: str
    kind: str
    enabled: NotRequired[bool]
    is_default: NotRequired[bool]
    description: NotRequired[str]
    settings: NotRequired[dict[str, Any]]
    secrets: NotRequired[dict[str, bool | str | None]]
    templates: NotRequired[dict[str, list[str]]]
    mapping: NotRequired[list[MappingRowRequest]]
    provisioning: NotRequired[DirectoryFeaturesRequest]


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


MappingDirectionEnum = Literal["in", "out", "both"]


MappingKindEnum = Literal["profile", "custom_profile", "custom", "contract", "custom_contract", "record"]


class MappingRow(TypedDict):
    """A row of a directory's attribute mapping."""

    directory_attribute: str
    portal_attribute: str
    kind: MappingKindEnum
    direction: MappingDirectionEnum
    expression: str
    required: bool


class MappingRowRequest(TypedDict):
    """A row of a directory's attribute mapping."""

    directory_attribute: str
    portal_attribute: str
    kind: NotRequired[MappingKindEnum]
    direction: NotRequired[MappingDirectionEnum]
    expression: NotRequired[str]
    required: NotRequired[bool]


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


class PatchedAttributeDefinitionRequest(TypedDict):
    """A custom profile attribute."""

    name: NotRequired[str]
    label: NotRequired[str]
    type: NotRequired[TypeEnum]
    choices: NotRequired[list[str]]
    required: NotRequired[bool]
    searchable: NotRequired[bool]
    position: NotRequired[int]


class PatchedContractRequest(TypedDict):
    """A contract as it is sent, and what may be sent of one that the portal keeps."""

    user: NotRequired[int]
    external_id: NotRequired[str]
    starts: NotRequired[str | None]
    ends: NotRequired[str | None]
    type: NotRequired[str]
    fte: NotRequired[str | None]
    hours: NotRequired[str | None]
    percentage: NotRequired[str | None]
    sequence: NotRequired[int | None]
    employer: NotRequired[str]
    department: NotRequired[int | None]
    title: NotRequired[str]
    team: NotRequired[str]
    location: NotRequired[int | None]
    cost_centre: NotRequired[str]
    division: NotRequired[str]
    manager: NotRequired[int | None]


class PatchedDirectoryRequest(TypedDict):
    """A directory whole, as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    kind: NotRequired[str]
    enabled: NotRequired[bool]
    is_default: NotRequired[bool]
    description: NotRequired[str]
    settings: NotRequired[dict[str, Any]]
    secrets: NotRequired[dict[str, bool | str | None]]
    templates: NotRequired[dict[str, list[str]]]
    mapping: NotRequired[list[MappingRowRequest]]
    provisioning: NotRequired[DirectoryFeaturesRequest]


class PatchedGroupRequest(TypedDict):
    """A group as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    description: NotRequired[str]
    directories: NotRequired[list[int]]


class PatchedProductRequest(TypedDict):
    """A product as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    category: NotRequired[str]
    position: NotRequired[int]
    text: NotRequired[str]
    risk: NotRequired[str]
    offered: NotRequired[bool]
    audience: NotRequired[AudienceEnum]
    days: NotRequired[int | None]
    renewable: NotRequired[bool]
    most: NotRequired[int | None]
    until_disabled: NotRequired[bool]
    owner: NotRequired[int | None]
    department: NotRequired[int | None]
    seen_by: NotRequired[list[int]]
    condition: NotRequired[str | None]
    fields: NotRequired[list[ProductFieldRequest]]
    steps: NotRequired[list[ProductStepRequest]]
    directories: NotRequired[list[int]]
    groups: NotRequired[list[int]]
    values: NotRequired[dict[str, Any]]


class PatchedRuleRequest(TypedDict):
    """A rule as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    category: NotRequired[str]
    position: NotRequired[int]
    days_before: NotRequired[int]
    days_after: NotRequired[int]
    condition: NotRequired[str | None]
    directories: NotRequired[list[int]]
    groups: NotRequired[list[int]]
    values: NotRequired[dict[str, Any]]


class PatchedSubscriptionRequest(TypedDict):
    """A receiver of events, as it is sent, and what may be sent of one."""

    name: NotRequired[str]
    url: NotRequired[str]
    enabled: NotRequired[bool]
    envelope: NotRequired[EnvelopeEnum]
    kinds: NotRequired[list[str]]
    filter: NotRequired[str]
    fields: NotRequired[list[str]]
    audience: NotRequired[str]
    authority: NotRequired[str]
    give_up_days: NotRequired[int]
    secret: NotRequired[bool | str | None]
    token: NotRequired[bool | str | None]


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
    """A product as it is sent, and what may be sent of one."""

    id: int
    name: str
    category: str
    position: int
    text: str
    risk: str
    offered: bool
    audience: AudienceEnum
    days: int | None
    renewable: bool
    most: int | None
    until_disabled: bool
    owner: int | None
    department: int | None
    seen_by: list[int]
    condition: str | None
    fields: list[ProductField]
    steps: list[ProductStep]
    directories: list[int]
    groups: list[int]
    values: dict[str, Any]
    retired: bool


class ProductField(TypedDict):
    """A field of the form in which people ask for a product."""

    label: str
    kind: ProductFieldKindEnum
    required: bool
    choices: list[str]


ProductFieldKindEnum = Literal["text", "lines", "number", "date", "choice", "yes"]


class ProductFieldRequest(TypedDict):
    """A field of the form in which people ask for a product."""

    label: str
    kind: NotRequired[ProductFieldKindEnum]
    required: NotRequired[bool]
    choices: NotRequired[list[str]]


class ProductRequest(TypedDict):
    """A product as it is sent, and what may be sent of one."""

    name: str
    category: NotRequired[str]
    position: NotRequired[int]
    text: NotRequired[str]
    risk: NotRequired[str]
    offered: NotRequired[bool]
    audience: NotRequired[AudienceEnum]
    days: NotRequired[int | None]
    renewable: NotRequired[bool]
    most: NotRequired[int | None]
    until_disabled: NotRequired[bool]
    owner: NotRequired[int | None]
    department: NotRequired[int | None]
    seen_by: NotRequired[list[int]]
    condition: NotRequired[str | None]
    fields: NotRequired[list[ProductFieldRequest]]
    steps: NotRequired[list[ProductStepRequest]]
    directories: NotRequired[list[int]]
    groups: NotRequired[list[int]]
    values: NotRequired[dict[str, Any]]


class ProductStep(TypedDict):
    """A step that decides about requests; ``person``, ``group`` and ``condition`` are of the kinds that need them."""

    kind: ProductStepKindEnum
    person: int | None
    group: int | None
    condition: str | None
    remind: int
    escalate: int


ProductStepKindEnum = Literal["manager", "head", "product_head", "owner", "person", "group", "condition"]


class ProductStepRequest(TypedDict):
    """A step that decides about requests; ``person``, ``group`` and ``condition`` are of the kinds that need them."""

    kind: ProductStepKindEnum
    person: NotRequired[int | None]
    group: NotRequired[int | None]
    condition: NotRequired[str | None]
    remind: NotRequired[int]
    escalate: NotRequired[int]


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
    schedule_weekday: ProvisioningSettingsScheduleWeekdayEnum | None
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


ProvisioningSettingsScheduleWeekdayEnum = Literal[0, 1, 2, 3, 4, 5, 6]


class PublishRequest(TypedDict):
    """Whether what it changes waits for somebody in any case, as a run."""

    preview: NotRequired[bool]


PushGroupsEnum = Literal["none", "chosen", "all"]


class QueryTemplate(TypedDict):
    """Query template, as it is sent."""

    id: int
    directory: int
    operation: QueryTemplateOperationEnum
    position: int
    sql: str


QueryTemplateOperationEnum = Literal["import", "check", "create", "update", "delete", "disable", "enable", "set_password", "import_groups", "import_members", "create_group", "update_group", "delete_group", "add_member", "remove_member", "contracts", "departments", "titles", "changes"]


class RequestedProduct(TypedDict):
    """A request; ``step`` is the one that waits for a decision, and ``waits_for`` says whose."""

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
    step: int | None
    waits_for: str | None


ResultEnum = Literal["success", "partly", "failed", "waiting", "skipped"]


class Retried(TypedDict):
    """How many operations are tried again."""

    tried: int


class RotateRequest(TypedDict):
    """The secret that signs from now on; left out, the portal makes one, which its page shows."""

    secret: NotRequired[str]


class Rule(TypedDict):
    """A rule as it is sent, and what may be sent of one."""

    id: int
    name: str
    category: str
    position: int
    days_before: int
    days_after: int
    condition: str | None
    directories: list[int]
    groups: list[int]
    values: dict[str, Any]
    published: bool
    retired: bool
    changed_at: str


class RuleRequest(TypedDict):
    """A rule as it is sent, and what may be sent of one."""

    name: str
    category: NotRequired[str]
    position: NotRequired[int]
    days_before: NotRequired[int]
    days_after: NotRequired[int]
    condition: NotRequired[str | None]
    directories: NotRequired[list[int]]
    groups: NotRequired[list[int]]
    values: NotRequired[dict[str, Any]]


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
    """A receiver of events, as it is sent, and what may be sent of one."""

    id: int
    name: str
    address: str
    enabled: bool
    envelope: EnvelopeEnum
    kinds: list[str]
    filter: str
    fields: list[str]
    audience: str
    authority: str
    give_up_days: int
    secret: bool | str | None
    token: bool | str | None
    unreachable_since: str | None
    failing_since: str | None
    stopped_because: str
    created_at: str
    updated_at: str


class SubscriptionRequest(TypedDict):
    """A receiver of events, as it is sent, and what may be sent of one."""

    name: str
    url: NotRequired[str]
    enabled: NotRequired[bool]
    envelope: NotRequired[EnvelopeEnum]
    kinds: list[str]
    filter: NotRequired[str]
    fields: NotRequired[list[str]]
    audience: NotRequired[str]
    authority: NotRequired[str]
    give_up_days: NotRequired[int]
    secret: NotRequired[bool | str | None]
    token: NotRequired[bool | str | None]


class TakeBackRequest(TypedDict):
    """Whether what the rule gave stays with those who have it; else it is taken away."""

    keep: bool


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
    """The portal at an address, asked with a token of its page API tokens; ``etag`` is the version last answered."""

    def __init__(self, portal: str, token: str, *, timeout: float = 30.0) -> None:
        self.base = portal.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.etag = ""

    def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """Send one request; return the status and what was answered."""
        request = Request(address, data=body, method=method, headers=dict(headers))
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                self.etag = str(answer.headers.get("ETag", ""))
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
        asked = {name: _written(value) for name, value in (parameters or {}).items() if value not in ("", None)}
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
        """List custom profile attributes, in the order of their ids."""
        return cast(Iterator[AttributeDefinition], self._rows("/api/v1/attribute-definitions", filter, limit))

    def create_attribute_definition(self, body: AttributeDefinitionRequest, *, idempotency_key: str = "") -> AttributeDefinition:
        """Add a custom profile attribute."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(AttributeDefinition, self._ask("POST", "/api/v1/attribute-definitions", headers=headers, body=body))

    def get_attribute_definition(self, id: int) -> AttributeDefinition:
        """Show a custom profile attribute."""
        return cast(AttributeDefinition, self._ask("GET", f"/api/v1/attribute-definitions/{quote(str(id), safe='')}"))

    def update_attribute_definition(self, id: int, body: PatchedAttributeDefinitionRequest, *, idempotency_key: str = "", if_match: str) -> AttributeDefinition:
        """Change what is sent of a custom profile attribute, and leave the rest (RFC 7396)."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(AttributeDefinition, self._ask("PATCH", f"/api/v1/attribute-definitions/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_attribute_definition(self, id: int, *, idempotency_key: str = "", if_match: str, number: int | None = None) -> None:
        """Delete a custom profile attribute, and everybody's value of it: how many have one is confirmed by number."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/attribute-definitions/{quote(str(id), safe='')}", parameters={"number": number}, headers=headers)

    def list_attribute_mappings(self, *, filter: str = "", limit: int = 100) -> Iterator[AttributeMapping]:
        """List attribute mappings."""
        return cast(Iterator[AttributeMapping], self._rows("/api/v1/attribute-mappings", filter, limit))

    def get_attribute_mappings(self, id: int) -> AttributeMapping:
        """Show one of the attribute mappings."""
        return cast(AttributeMapping, self._ask("GET", f"/api/v1/attribute-mappings/{quote(str(id), safe='')}"))

    def list_contracts(self, *, filter: str = "", limit: int = 100) -> Iterator[Contract]:
        """List contracts, in the order of their ids."""
        return cast(Iterator[Contract], self._rows("/api/v1/contracts", filter, limit))

    def create_contract(self, body: ContractRequest, *, idempotency_key: str = "") -> Contract:
        """Add a contract that the portal keeps; what follows from it comes at once."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Contract, self._ask("POST", "/api/v1/contracts", headers=headers, body=body))

    def get_contract(self, id: int) -> Contract:
        """Show a contract."""
        return cast(Contract, self._ask("GET", f"/api/v1/contracts/{quote(str(id), safe='')}"))

    def update_contract(self, id: int, body: PatchedContractRequest, *, idempotency_key: str = "", if_match: str = "") -> Contract:
        """Change what is sent of a contract that the portal keeps, and leave the rest (RFC 7396)."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Contract, self._ask("PATCH", f"/api/v1/contracts/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_contract(self, id: int, *, idempotency_key: str = "", if_match: str = "") -> None:
        """Delete a contract that the portal keeps: it counts as one that ended."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/contracts/{quote(str(id), safe='')}", headers=headers)

    def list_departments(self, *, filter: str = "", limit: int = 100) -> Iterator[Department]:
        """List departments."""
        return cast(Iterator[Department], self._rows("/api/v1/departments", filter, limit))

    def get_departments(self, id: int) -> Department:
        """Show one of the departments."""
        return cast(Department, self._ask("GET", f"/api/v1/departments/{quote(str(id), safe='')}"))

    def list_directories(self, *, filter: str = "", limit: int = 100) -> Iterator[Directory]:
        """List directories, in the order of their ids."""
        return cast(Iterator[Directory], self._rows("/api/v1/directories", filter, limit))

    def create_directory(self, body: DirectoryRequest, *, idempotency_key: str = "") -> Directory:
        """Add a directory; nothing is asked of it yet."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Directory, self._ask("POST", "/api/v1/directories", headers=headers, body=body))

    def get_directory(self, id: int) -> Directory:
        """Show a directory."""
        return cast(Directory, self._ask("GET", f"/api/v1/directories/{quote(str(id), safe='')}"))

    def update_directory(self, id: int, body: PatchedDirectoryRequest, *, idempotency_key: str = "", if_match: str, number: int | None = None) -> Directory:
        """Change what is sent of a directory, and leave the rest (RFC 7396); its accounts follow in the background."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Directory, self._ask("PATCH", f"/api/v1/directories/{quote(str(id), safe='')}", parameters={"number": number}, headers=headers, body=body))

    def delete_directory(self, id: int, *, idempotency_key: str = "", if_match: str) -> None:
        """Delete a directory and what the portal knows of its accounts, which are left as they are."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/directories/{quote(str(id), safe='')}", headers=headers)

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
        """List products, in the order of their ids."""
        return cast(Iterator[Product], self._rows("/api/v1/products", filter, limit))

    def create_product(self, body: ProductRequest, *, idempotency_key: str = "") -> Product:
        """Add a product; people see it in their catalogue at once."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Product, self._ask("POST", "/api/v1/products", headers=headers, body=body))

    def get_product(self, id: int) -> Product:
        """Show a product."""
        return cast(Product, self._ask("GET", f"/api/v1/products/{quote(str(id), safe='')}"))

    def update_product(self, id: int, body: PatchedProductRequest, *, idempotency_key: str = "", if_match: str) -> Product:
        """Change what is sent of a product, and leave the rest (RFC 7396); whoever has it follows within a minute."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Product, self._ask("PATCH", f"/api/v1/products/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_product(self, id: int, *, idempotency_key: str = "", if_match: str, keep: bool | None = None) -> None:
        """Remove a product and end the requests for it that wait; it is there until what it gave is taken away."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/products/{quote(str(id), safe='')}", parameters={"keep": keep}, headers=headers)

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

    def list_requests(self, *, filter: str = "", limit: int = 100) -> Iterator[RequestedProduct]:
        """List requests, in the order of their ids: `state eq 'waiting'`, say."""
        return cast(Iterator[RequestedProduct], self._rows("/api/v1/requests", filter, limit))

    def get_request(self, id: int) -> RequestedProduct:
        """Show a request."""
        return cast(RequestedProduct, self._ask("GET", f"/api/v1/requests/{quote(str(id), safe='')}"))

    def approve_request(self, id: int, body: DecisionRequest, *, idempotency_key: str = "") -> RequestedProduct:
        """Approve the step of a request that waits for you; after the last one, what was asked for is given."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(RequestedProduct, self._ask("POST", f"/api/v1/requests/{quote(str(id), safe='')}/approve", headers=headers, body=body))

    def refuse_request(self, id: int, body: DecisionRequest, *, idempotency_key: str = "") -> RequestedProduct:
        """Refuse the step of a request that waits for you, and say why."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(RequestedProduct, self._ask("POST", f"/api/v1/requests/{quote(str(id), safe='')}/refuse", headers=headers, body=body))

    def list_rules(self, *, filter: str = "", limit: int = 100) -> Iterator[Rule]:
        """List rules, in the order of their ids."""
        return cast(Iterator[Rule], self._rows("/api/v1/rules", filter, limit))

    def create_rule(self, body: RuleRequest, *, idempotency_key: str = "") -> Rule:
        """Add a rule, as a draft."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Rule, self._ask("POST", "/api/v1/rules", headers=headers, body=body))

    def get_rule(self, id: int) -> Rule:
        """Show a rule."""
        return cast(Rule, self._ask("GET", f"/api/v1/rules/{quote(str(id), safe='')}"))

    def update_rule(self, id: int, body: PatchedRuleRequest, *, idempotency_key: str = "", if_match: str) -> Rule:
        """Change what is sent of a rule, and leave the rest (RFC 7396); a published one is evaluated anew."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Rule, self._ask("PATCH", f"/api/v1/rules/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_rule(self, id: int, *, idempotency_key: str = "", if_match: str, keep: bool | None = None) -> None:
        """Remove a rule; it is there until what it gave is taken away."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/rules/{quote(str(id), safe='')}", parameters={"keep": keep}, headers=headers)

    def publish_rule(self, id: int, body: PublishRequest, *, idempotency_key: str = "", if_match: str) -> Rule:
        """Publish a rule: everybody is looked at within a minute, and the guard looks at what that changes."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Rule, self._ask("POST", f"/api/v1/rules/{quote(str(id), safe='')}/publish", headers=headers, body=body))

    def take_back_rule(self, id: int, body: TakeBackRequest, *, idempotency_key: str = "", if_match: str) -> Rule:
        """Take a rule back: it is a draft again, and what it gave stays or is taken away."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Rule, self._ask("POST", f"/api/v1/rules/{quote(str(id), safe='')}/take-back", headers=headers, body=body))

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
        """Apply the plan of a run that waits, or of a preview; no token approves one that elevates somebody."""
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
        """List receivers of events, in the order of their ids."""
        return cast(Iterator[Subscription], self._rows("/api/v1/subscriptions", filter, limit))

    def create_subscription(self, body: SubscriptionRequest, *, idempotency_key: str = "") -> Subscription:
        """Add a receiver of events; one without a secret gets one, which its page shows."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Subscription, self._ask("POST", "/api/v1/subscriptions", headers=headers, body=body))

    def get_subscription(self, id: int) -> Subscription:
        """Show a receiver of events."""
        return cast(Subscription, self._ask("GET", f"/api/v1/subscriptions/{quote(str(id), safe='')}"))

    def update_subscription(self, id: int, body: PatchedSubscriptionRequest, *, idempotency_key: str = "", if_match: str) -> Subscription:
        """Change what is sent of a receiver, and leave the rest (RFC 7396); lists are replaced whole."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        return cast(Subscription, self._ask("PATCH", f"/api/v1/subscriptions/{quote(str(id), safe='')}", headers=headers, body=body))

    def delete_subscription(self, id: int, *, idempotency_key: str = "", if_match: str) -> None:
        """Delete a receiver with all that waits for it, and its log."""
        headers = {"Idempotency-Key": idempotency_key, "If-Match": if_match}
        self._ask("DELETE", f"/api/v1/subscriptions/{quote(str(id), safe='')}", headers=headers)

    def rotate_secret(self, id: int, body: RotateRequest, *, idempotency_key: str = "") -> Subscription:
        """Give a receiver another secret; what is sent is signed by the one before too, for a week."""
        headers = {"Idempotency-Key": idempotency_key}
        return cast(Subscription, self._ask("POST", f"/api/v1/subscriptions/{quote(str(id), safe='')}/rotate", headers=headers, body=body))

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


def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(answer: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

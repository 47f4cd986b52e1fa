"""What a directory's page says after a save: what is on, and what cannot work."""

import datetime as dt
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict

from directories.attributes import Kind
from directories.config import Features
from directories.connectors import connector_class
from directories.connectors.base import Capability
from directories.connectors.ldap.connector import Ldap
from directories.forms.mappings import DirectoryRow, MappingsForm
from directories.mapping import AttributeRule
from directories.models import AttributeMapping
from directories.readiness import DirectorySetup, assess, moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 3, 4, 1, 30, tzinfo=BERLIN)  # a Wednesday
NO_QUERY = {capability: f"There is no {capability.value} query." for capability in Capability}
RULES = (
    AttributeRule("FIRSTNAME", Kind.PROFILE, "first_name"),
    AttributeRule("EMAIL_ADDRESS", Kind.PROFILE, "email"),
)
WORKING = DirectorySetup(
    enabled=True,
    features=Features(),
    rules=RULES,
    reads=("FIRSTNAME", "EMAIL_ADDRESS"),
    writes={"Create user": ("USERNAME", "PASSWORD", "FIRSTNAME", "EMAIL_ADDRESS")},
    portal_names=("username", "password", "first_name", "email"),
)


def with_features(situation: DirectorySetup = WORKING, **features: Any) -> DirectorySetup:
    return replace(situation, features=Features(**features))


def warnings(situation: DirectorySetup) -> str:
    return "\n".join(assess(situation, NOW).warnings)


def test_says_what_is_on_and_when_the_next_import_is() -> None:
    at = dt.datetime(2026, 3, 4, 2, 0, tzinfo=BERLIN).astimezone(dt.UTC)
    situation = replace(with_features(import_users=True, create_users=True), next_import_at=at)
    found = assess(situation, NOW)
    assert found.active == "Import and create are on; next import today at 02:00."
    assert found.warnings == []


def test_one_feature_is_singular_and_none_is_said_too() -> None:
    assert assess(with_features(update_users=True), NOW).active == "Update is on."
    assert assess(WORKING, NOW).active == "Nothing is switched on yet."


def test_a_directory_that_is_switched_off_moves_nothing() -> None:
    situation = replace(with_features(create_users=True), enabled=False)
    assert "nothing moves until you enable it" in assess(situation, NOW).active


@pytest.mark.parametrize(
    ("features", "lacks", "words"),
    [
        ({"create_users": True}, Capability.CREATE, "new users cannot be added to the directory. There is no create"),
        ({"update_users": True}, Capability.UPDATE, "changes do not reach the directory. There is no update query."),
        ({"deactivate_users": True}, Capability.DISABLE, "accounts stay as they are. There is no disable query. Or"),
        ({"deactivate_users": True, "on_deactivate": "delete"}, Capability.DELETE, "There is no delete query."),
        ({"delete_users": True}, Capability.DELETE, "There is no delete query."),
        ({"import_users": True}, Capability.IMPORT, "nothing can be read. There is no import query."),
        ({"import_passwords": True}, Capability.IMPORT_PASSWORDS, "none arrive. There is no import_passwords query."),
        ({"deactivate_users": True}, Capability.ENABLE, "stays disabled in the directory. There is no enable query."),
    ],
)
def test_a_feature_that_cannot_work_is_warned_of_in_the_connector_s_words(
    features: dict[str, Any], lacks: Capability, words: str
) -> None:
    situation = with_features(**features)
    assert warnings(situation) == ""
    assert words in warnings(replace(situation, lacking={lacks: NO_QUERY[lacks]}))


def test_an_update_query_that_writes_the_state_disables() -> None:
    lacking = {it: NO_QUERY[it] for it in (Capability.DISABLE, Capability.ENABLE)}
    rules = (*RULES, AttributeRule("ACTIVE", Kind.PROFILE, "active", "out"))
    mapped = replace(with_features(deactivate_users=True), lacking=lacking, rules=rules)
    assert "accounts stay as they are" in warnings(mapped)
    assert warnings(replace(mapped, writes={"Update user": ("USERNAME", "active")})) == ""


def test_leaving_accounts_alone_is_told() -> None:
    assert "nothing will happen" in warnings(with_features(delete_users=True, on_delete="leave"))


def test_import_without_a_mapping_and_mappings_that_nothing_reads() -> None:
    situation = with_features(import_users=True)
    assert "no attribute is mapped" in warnings(replace(situation, rules=()))
    assert "EMAIL_ADDRESS stays empty" in warnings(replace(situation, reads=("firstname",)))


def test_names_in_a_statement_need_a_mapping_or_a_portal_attribute() -> None:
    situation = replace(with_features(), writes={"Create user": ("BADGE", "EMAIL_ADDRESS", "FIRST_NAME")}, rules=())
    assert "BADGE and EMAIL_ADDRESS in “Create user” are not mapped" in warnings(situation)
    one_way = replace(situation, rules=(AttributeRule("EMAIL_ADDRESS", Kind.PROFILE, "email", "in"),))
    assert "EMAIL_ADDRESS" in warnings(one_way)


def test_the_match_attribute_must_be_mapped() -> None:
    situation = with_features(import_users=True, match_attribute="profile.employee_number")
    assert "every row would look like a new user" in warnings(situation)
    assert warnings(with_features(import_users=True, match_attribute="profile.email")) == ""
    later = with_features(import_users=True, match_attribute="profile.email", match_second="profile.employee_number")
    assert warnings(later) == "Imported rows never find their user by employee number, because nothing is mapped to it."


def test_schedule_and_missing_users_need_import() -> None:
    found = warnings(with_features(schedule="daily", deactivate_missing=True))
    assert "A schedule is set but import is off" in found
    assert "needs import" in found


def test_a_fixed_password_that_nobody_typed() -> None:
    assert "none is stored" in warnings(with_features(create_users=True, initial_password="fixed"))
    assert warnings(with_features(create_users=True, initial_password="fixed", fixed_password="x")) == ""


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (dt.datetime(2026, 3, 5, 2, 0, tzinfo=BERLIN), "tomorrow at 02:00"),
        (dt.datetime(2026, 3, 3, 23, 0, tzinfo=BERLIN), "yesterday at 23:00"),
        (dt.datetime(2026, 3, 1, 23, 0, tzinfo=BERLIN), "on 1 March 2026 at 23:00"),
        (dt.datetime(2026, 3, 8, 2, 0, tzinfo=BERLIN), "on Sunday at 02:00"),
        (dt.datetime(2026, 4, 8, 2, 0, tzinfo=BERLIN), "on 8 April 2026 at 02:00"),
        (dt.datetime(2026, 3, 4, 0, 30, tzinfo=dt.UTC), "today at 01:30"),
    ],
)
def test_moments_are_said_as_people_say_them(at: dt.datetime, words: str) -> None:
    assert moment(at, NOW) == words


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"import_users": True, "push_groups": "none"}, "Groups are to be imported"),
        ({"push_groups": "all"}, "Every group is to be sent"),
        ({"delete_groups": True}, "Groups are to be deleted but cannot be"),
        ({"push_groups": "none"}, "groups come with an import of users, which is off"),
    ],
)
def test_groups_that_cannot_flow_are_told(features: dict[str, Any], words: str) -> None:
    lacking = {capability: words for capability, words in NO_QUERY.items() if capability is not Capability.IMPORT}
    without = replace(WORKING, lacking=lacking)
    assert words in warnings(with_features(without, sync_groups=True, **features))
    assert words not in warnings(with_features(without, sync_groups=False, **features))


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_what_only_the_server_writes_is_not_sent(direction: str) -> None:
    rules = (*RULES, AttributeRule("memberOf", Kind.CUSTOM, "teams", direction))
    situation = replace(WORKING, rules=rules, kept_by_server=Ldap.kept_by_server)
    assert ("memberOf: only the directory itself writes" in warnings(situation)) == (direction != "in")


@pytest.mark.parametrize("kind", ["ldap", "active_directory"])
def test_the_form_refuses_to_send_what_only_the_server_writes(kind: str) -> None:
    rows = [
        AttributeMapping(directory_attribute=name, kind="custom", portal_attribute=name.lower(), direction=direction)
        for name, direction in (("memberOf", "both"), ("PWDACCOUNTLOCKEDTIME", "out"), ("entryUUID", "in"))
    ]
    stored = MappingsForm(None, {}, rows)
    data = QueryDict(mutable=True)
    for name in DirectoryRow.base_fields:
        data.setlist(name, [row.data[name] for row in stored.rows])
    form = MappingsForm(data, {}, kept_by_server=connector_class(kind).kept_by_server)
    assert not form.check()
    refused = [row.data["mapping_attribute"] for row in form.rows if "mapping_attribute" in row.errors]
    assert refused == ["memberOf", "PWDACCOUNTLOCKEDTIME"]

"""Configuration through the API: custom profile attributes and directories, as the admin and blueprints write them."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.signin import again
from directories import config
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.api.directories import DirectorySerializer
from provisioning.impact.impact import Impact
from provisioning.models import AttributeDefinition, User
from provisioning.roles import IT_STAFF
from reports.models import Event, Evidence
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, personal
from tests.provisioning.impact.test_reckoning import make, people

pytestmark = pytest.mark.django_db
SECRET, FIXED = "p4ss of APPSDB", "defaultPassword123#"
MAIL = {"directory_attribute": "MAIL", "portal_attribute": "email", "direction": "out"}
APPSDB: dict[str, Any] = {
    "name": "APPSDB",
    "kind": "postgresql",
    "settings": {
        "host": "db.example.org",
        "database": "APPSDB",
        "user": "rollcall",
        "user_table": "USERS",
        "username_column": "USERNAME",
    },
    "secrets": {"password": SECRET},
    "templates": {
        "check": ["SELECT USERNAME FROM USERS WHERE USERNAME='##USERNAME##'"],
        "update": ["UPDATE USERS SET MAIL='##MAIL##' WHERE USERNAME='##USERNAME##'"],
    },
    "mapping": [MAIL],
    "provisioning": {"update_users": True, "fixed_password": FIXED, "schedule": "weekly"}
    | {"schedule_time": "02:30", "schedule_weekday": "monday"},
}


def add(program: Program, **other: Any) -> Any:
    answer = program.ask("POST", "directories", {**APPSDB, **other})
    assert answer.status_code == 201, answer.json()
    return answer


def change(program: Program, address: str, body: Any, version: str = "*") -> Any:
    return program.ask("PATCH", address, body, If_Match=version)


def errors(answer: Any) -> Any:
    assert answer.status_code == 400, answer.content
    return answer.json()["errors"]


# --- Custom profile attributes ---------------------------------------------------------------------------------------


def test_an_attribute_is_added_changed_and_deleted_with_its_lines(program: Program) -> None:
    made = program.ask("POST", "attribute-definitions", {"name": "badge", "label": "Badge"})
    assert (made.status_code, made.json()["type"]) == (201, "text")
    address = f"attribute-definitions/{made.json()['id']}"
    assert made["Location"].endswith(address)
    body = {"type": "choice", "choices": ["A", "B"]}
    assert change(program, address, body, made["ETag"]).json()["choices"] == ["A", "B"]
    assert change(program, address, {"label": "x"}, made["ETag"]).status_code == 412
    anna = roll.person("anna", custom_profile={"badge": "A"})
    assert "choices" in errors(change(program, address, {"choices": ["B"]}))
    assert "name" in errors(change(program, address, {"name": "other"}))
    for number in ("", "?number=2"):
        held = program.ask("DELETE", f"{address}{number}", If_Match="*")
        assert (held.status_code, held.json()["number"], "1 person" in held.json()["detail"]) == (409, 1, True)
    assert program.ask("DELETE", f"{address}?number=1", If_Match="*").status_code == 204
    anna.refresh_from_db()
    assert (AttributeDefinition.objects.count(), anna.custom_profile) == (0, {})
    said = [
        event.message for event in Event.objects.filter(message__contains="custom profile attribute").order_by("pk")
    ]
    assert [words.split()[4] for words in said] == ["added", "changed", "deleted"]
    assert all(words.startswith("ida, by token sync") for words in said)


def test_an_attribute_that_a_rule_or_a_product_gives_stays(program: Program) -> None:
    definition = roll.definition("badge")
    for what in ("rules", "products"):
        made = program.ask("POST", what, {"name": f"One of {what}", "values": {"custom_profile.badge": "A"}})
        assert made.status_code == 201, made.json()
    refused = program.ask("DELETE", f"attribute-definitions/{definition.pk}?number=0", If_Match="*")
    assert (refused.status_code, AttributeDefinition.objects.exists()) == (409, True)
    assert "the product One of products, the rule One of rules" in refused.json()["detail"]


def test_an_attribute_that_a_directory_maps_stays(program: Program) -> None:
    definition = roll.definition("badge")
    row = {"directory_attribute": "B", "portal_attribute": "badge", "kind": "custom_profile"}
    add(program, mapping=[MAIL, row])
    refused = program.ask("DELETE", f"attribute-definitions/{definition.pk}", If_Match="*")
    assert (refused.status_code, "APPSDB" in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"label": "No name"}, "name"),
        ({"name": "Bad Name", "label": "x"}, "name"),
        ({"name": "email", "label": "x"}, "name"),
        ({"name": "taken", "label": "x"}, "name"),
        ({"name": "new", "label": "x", "type": "choice"}, "choices"),
        ({"name": "new", "label": "x", "type": "nothing"}, "type"),
        ({"name": "new", "label": "x", "superuser": True}, "superuser"),
        ({"name": "new", "label": "x", "position": 99_999_999}, "position"),
        ({"name": "new", "label": None}, "label"),
    ],
)
def test_an_attribute_that_cannot_be_is_refused_by_field(program: Program, body: Any, field: str) -> None:
    roll.definition("taken")
    assert list(errors(program.ask("POST", "attribute-definitions", body))) == [field]
    assert AttributeDefinition.objects.count() == 1


# --- Directories -----------------------------------------------------------------------------------------------------


def test_a_directory_is_added_whole_and_its_secrets_are_never_sent(program: Program) -> None:
    answer = add(program)
    shown = answer.json()
    assert shown["secrets"] == {"password": True}
    assert shown["provisioning"]["fixed_password"] is True
    assert (shown["provisioning"]["schedule_weekday"], shown["settings"]["port"]) == ("monday", 5432)
    assert shown["templates"] == APPSDB["templates"]
    assert shown["mapping"][0] == {**MAIL, "kind": "profile", "expression": "", "required": False}
    loaded = config.load(shown["id"])
    assert loaded.connector.settings["password"] == SECRET
    assert (loaded.features.fixed_password, loaded.features.update_users) == (FIXED, True)
    listed = program.get("directories").content + program.get(f"directories/{shown['id']}").content
    kept = str([*Event.objects.values_list("message", flat=True), *Evidence.objects.values_list("payload", flat=True)])
    for secret in (SECRET, FIXED):
        assert secret not in answer.content.decode() + listed.decode() + kept
    assert Event.objects.filter(message="ida, by token sync added the directory APPSDB.").count() == 1


def test_what_is_sent_back_as_it_was_read_changes_nothing(program: Program) -> None:
    made = add(program)
    before = Evidence.objects.count()
    same = change(program, f"directories/{made.json()['id']}", made.json(), made["ETag"])
    assert (same.status_code, same.json(), same["ETag"]) == (200, made.json(), made["ETag"])
    assert Evidence.objects.count() == before
    assert config.load(made.json()["id"]).connector.settings["password"] == SECRET


def test_a_patch_merges_parts_replaces_lists_and_null_takes_away(program: Program) -> None:
    made = add(program)
    address = f"directories/{made.json()['id']}"
    body = {
        "description": "Of the applications",
        "settings": {"connect_timeout": 7},
        "templates": {"update": None, "delete": ["DELETE FROM USERS WHERE USERNAME='##USERNAME##'"]},
        "mapping": [],
        "provisioning": {"update_users": False, "fixed_password": None},
        "enabled": False,
        "is_default": True,
    }
    changed = change(program, address, body, made["ETag"])
    assert changed.status_code == 200, changed.json()
    shown = changed.json()
    assert (shown["settings"]["connect_timeout"], shown["settings"]["host"]) == (7, "db.example.org")
    assert list(shown["templates"]) == ["check", "delete"]
    assert (shown["mapping"], shown["enabled"], shown["is_default"]) == ([], False, True)
    assert (shown["provisioning"]["fixed_password"], shown["provisioning"]["schedule_time"]) == (False, "02:30")
    assert changed["ETag"] != made["ETag"]
    stored = Directory.objects.get()
    assert (stored.secrets, stored.provisioning.fixed_password) == ({"password": SECRET}, None)


def test_whoever_has_the_page_open_is_told_of_a_change_of_the_mapping(program: Program) -> None:
    made = add(program)
    before = Directory.objects.get().updated_at
    row = {"directory_attribute": "PHONE", "portal_attribute": "phone"}
    assert change(program, f"directories/{made.json()['id']}", {"mapping": [MAIL, row]}).status_code == 200
    assert Directory.objects.get().updated_at > before


def test_a_connection_that_leads_elsewhere_wants_its_secrets_again(program: Program) -> None:
    made = add(program, provisioning={**APPSDB["provisioning"], "create_users": True, "deactivate_users": True})
    address = f"directories/{made.json()['id']}"
    moved = {"settings": {"host": "evil.example.org"}}
    found = errors(change(program, address, moved))
    assert "password" in found["secrets"]
    assert "fixed_password" in found["provisioning"]
    assert (
        "fixed_password" in errors(change(program, address, {**moved, "secrets": {"password": "new"}}))["provisioning"]
    )
    assert "secrets" in errors(change(program, address, {**moved, "secrets": {"password": True}}))
    assert Directory.objects.get().settings["host"] == "db.example.org"
    anew = {"secrets": {"password": "new"}, "provisioning": {"fixed_password": "newly-9-Given"}}
    assert change(program, address, {**moved, **anew}).status_code == 200
    assert config.load(made.json()["id"]).connector.settings["password"] == "new"


def test_a_secret_is_the_text_itself_and_names_nothing_on_the_machine(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROLLCALL_APPSDB_PASSWORD", "of the environment")
    file = tmp_path / "secret"
    file.write_text("of the file")
    for text in ("env:ROLLCALL_APPSDB_PASSWORD", f"file:{file}"):
        made = add(program, name=text[:20], secrets={"password": text})
        assert config.load(made.json()["id"]).connector.settings["password"] == text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "appsdb"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"kind": "ldap"}, ["kind"]),
        ({"settings": {"port": 70_000}}, ["settings", "port"]),
        ({"settings": {"password": "here"}}, ["settings", "password"]),
        ({"settings": []}, ["settings"]),
        ({"secrets": {"pasword": "x"}}, ["secrets", "pasword"]),
        ({"secrets": {"password": False}}, ["secrets", "password"]),
        ({"secrets": {"password": ""}}, ["secrets", "password"]),
        ({"secrets": {"password": 7}}, ["secrets", "password"]),
        ({"templates": {"check": ["DROP"]}}, ["templates", "check", "0"]),
        ({"templates": {"check": ["SELECT '##NOBODY##'"]}}, ["templates", "check", "0"]),
        ({"mapping": [MAIL, {**MAIL, "portal_attribute": "nothing"}]}, ["mapping", "1"]),
        ({"mapping": [MAIL, {**MAIL, "sql": "x"}]}, ["mapping", "1", "sql"]),
        ({"provisioning": {"delete_after_days": -1}}, ["provisioning", "delete_after_days"]),
        ({"provisioning": {"update_users": "maybe"}}, ["provisioning", "update_users"]),
        ({"provisioning": {"create_users": True}}, ["provisioning", "deactivate_users"]),
        ({"provisioning": {"fixed_password": False}}, ["provisioning", "fixed_password"]),
        ({"provisioning": {"match_attribute": "profile.first_name"}}, ["provisioning", "match_attribute"]),
        ({"owner": 7}, ["owner"]),
        ([], []),
    ],
)
def test_a_change_that_cannot_be_is_refused_at_its_place(program: Program, body: Any, path: list[str]) -> None:
    made = add(program)
    add(program, name="Other")
    found = errors(change(program, f"directories/{Directory.objects.get(name='Other').pk}", body))
    for step in path:
        assert list(found) == [step], found
        found = found[step]
    assert Directory.objects.get(name="Other").secrets == {"password": SECRET}
    assert program.get(f"directories/{made.json()['id']}")["ETag"] == made["ETag"]


def test_a_directory_that_is_not_said_whole_is_not_added(program: Program) -> None:
    assert "kind" in errors(program.ask("POST", "directories", {"name": "x"}))
    assert "settings" in errors(program.ask("POST", "directories", {"name": "x", "kind": "postgresql"}))
    assert not Directory.objects.exists()


def test_a_change_over_a_limit_is_refused_with_its_number_and_made_with_it(program: Program) -> None:
    directory = make()
    people(directory, 250)
    body = {"mapping": [{"directory_attribute": "mail", "portal_attribute": "mobile"}]}
    for address in (f"directories/{directory.pk}", f"directories/{directory.pk}?number=249"):
        refused = change(program, address, body)
        problem = refused.json()
        assert (refused.status_code, problem["number"], "number=250" in problem["detail"]) == (409, 250, True)
        assert problem["impacts"] == ["This would change 250 accounts and blank 250 values of mail."]
        assert AttributeMapping.objects.filter(portal_attribute="email").exists()
    assert "number" in errors(change(program, f"directories/{directory.pk}?number=many", body))
    assert change(program, f"directories/{directory.pk}?number=250", body).status_code == 200
    assert not AttributeMapping.objects.filter(portal_attribute="email").exists()


def test_what_the_page_would_ask_about_is_confirmed_too(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"directories/{add(program).json()['id']}"
    monkeypatch.setattr(services, "impact_of_change", lambda *_: Impact(known=500, left_open=300))
    body = {"description": "x"}
    problem = change(program, address, body)
    assert (problem.status_code, problem.json()["number"]) == (409, 0)
    assert problem.json()["impacts"] == ["This would leave 300 accounts of people who have left open."]
    assert "left open" in problem.json()["detail"]
    assert change(program, f"{address}?number=0", body).status_code == 200
    monkeypatch.setattr(services, "impact_of_change", lambda *_: Impact(known=500, left_open=3))
    assert change(program, address, {"description": "y"}).status_code == 200


def test_who_may_only_add_directories_takes_the_default_from_none(program: Program) -> None:
    Role.objects.get(name=IT_STAFF).permissions.remove(
        Permission.objects.get(codename="change_directory", content_type__app_label="directories")
    )
    refused = program.ask("POST", "directories", {**APPSDB, "is_default": True})
    assert (refused.status_code, "change_directory" in refused.json()["detail"]) == (403, True)
    add(program, is_default=False)


def test_no_number_of_a_first_page_is_larger_than_can_be_asked_for(program: Program) -> None:
    body = {"name": "HR", "kind": "http_json", "settings": {"first_page": 10**300}}
    assert "first_page" in errors(program.ask("POST", "directories", body))["settings"]


def test_four_eyes_are_not_switched_off_by_one_program(program: Program) -> None:
    made = add(program, provisioning={**APPSDB["provisioning"], "four_eyes": True}).json()
    refused = errors(change(program, f"directories/{made['id']}", {"provisioning": {"four_eyes": False}}))
    assert "another person" in str(refused)
    assert ProvisioningSettings.objects.get().four_eyes


def test_a_directory_is_deleted_by_a_token_and_by_a_session_that_proved_who_it_is(
    staff: User, program: Program
) -> None:
    made = add(program).json()
    address = f"/api/v1/directories/{made['id']}"
    client = roll.signed_in(staff)
    session = client.session
    session[again.KEPT] = [staff.pk, 0.0]
    session.save()
    refused = client.delete(address, headers={"If-Match": "*"})
    assert (refused.status_code, "/login/again/" in refused.json()["detail"]) == (403, True)
    assert Directory.objects.exists()
    assert personal(staff, {"directories": "read"}, "reader").ask("DELETE", address[8:]).status_code == 403
    assert program.ask("DELETE", f"directories/{made['id']}").status_code == 428
    assert program.ask("DELETE", f"directories/{made['id']}", If_Match="*").status_code == 204
    assert not Directory.objects.exists()


def test_a_list_costs_the_same_however_many_directories_there_are(program: Program) -> None:
    counts = []
    for names in (["A"], ["B", "C", "D", "E"]):
        for name in names:
            add(program, name=name)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(program.list("directories")) == Directory.objects.count()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    with CaptureQueriesContext(connection) as queries:
        program.list("directories", 'kind eq "postgresql" and name sw "A"')
    assert len([one for one in queries.captured_queries if "directories_" in one["sql"]]) == 3


def test_a_directory_of_a_kind_that_is_not_installed_is_shown(program: Program) -> None:
    made = Directory.objects.create(name="Old", kind="gone", settings={"host": "a"}, secrets={"password": SECRET})
    shown = program.get(f"directories/{made.pk}").json()
    assert (shown["settings"], shown["secrets"]) == ({"host": "a"}, {})
    refused = change(program, f"directories/{made.pk}", {"description": "x"})
    assert (refused.status_code, "gone" in refused.json()["detail"]) == (409, True)


def test_how_a_directory_answers_is_no_other_version_of_it(program: Program) -> None:
    made = add(program)
    address = f"directories/{made.json()['id']}"
    now = timezone.now()
    Directory.objects.update(unreachable_since=now, retry_at=now, last_error="Refused", quarantined=True)
    shown = program.get(address)
    assert (shown.json()["last_error"], shown["ETag"]) == ("Refused", made["ETag"])
    changed = change(program, address, {"description": "x"}, made["ETag"])
    assert (changed.status_code, changed["ETag"] == made["ETag"]) == (200, False)


def test_changing_configuration_has_to_name_the_version(program: Program) -> None:
    definition = roll.definition("badge")
    for address in (f"attribute-definitions/{definition.pk}", f"directories/{add(program).json()['id']}"):
        for method in ("PATCH", "DELETE"):
            missing = program.ask(method, address, None if method == "DELETE" else {"description": "x"})
            assert (missing.status_code, "If-Match" in missing.json()["detail"]) == (428, True)
            stale = program.ask(method, address, None if method == "DELETE" else {}, If_Match='"old"')
            assert stale.status_code == 412
    assert AttributeDefinition.objects.exists()


@pytest.mark.parametrize(
    "text",
    ['{"name": "a\\u0000b", "label": "x"}', '{"name": "x", "label": "\\ud800"}', '{"\\u0000": 1}', "[" * 60 + "]" * 60],
)
def test_what_no_database_takes_is_refused_before_it_is_looked_at(program: Program, text: str) -> None:
    answer = program.client.post(
        "/api/v1/attribute-definitions",
        text,
        content_type="application/json",
        headers={"Authorization": f"Bearer {program.secret}"},
    )
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_every_field_of_a_directory_that_can_be_written_is_one_of_a_blueprint() -> None:
    written = {name for name, field in DirectorySerializer().fields.items() if not field.read_only}
    assert written == {"name", "kind", "enabled", "is_default", "description"} | {
        *("settings", "secrets", "templates", "mapping", "provisioning")
    }

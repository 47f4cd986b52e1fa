"""Applying and exporting blueprints: the documented example, idempotence, atomicity and errors."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories import config
from directories.described.document import DocumentError
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.blueprints.apply import apply
from provisioning.blueprints.export import export
from provisioning.models import AttributeDefinition, Group, User
from reports.models import Event

DOCS = Path(django_settings.BASE_DIR) / "docs" / "blueprints.md"
PASSWORD, FIXED = "p4ss of APPSDB", "defaultPassword123#"
pytestmark = pytest.mark.django_db


def example() -> str:
    """Return exactly the YAML that the documentation shows."""
    found = re.search(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_APPSDB_PASSWORD", PASSWORD)
    monkeypatch.setenv("ROLLCALL_APPSDB_INITIAL_PASSWORD", FIXED)


def run(text: str, **options: Any) -> list[str]:
    return [str(difference) for difference in apply(text, actor="tests", **options).differences]


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        apply(text, actor="tests")
    return [str(problem) for problem in caught.value.problems]


def forget_everything() -> None:
    for model in (Directory, Group, AttributeDefinition):
        model._base_manager.all().delete()


def writes(queries: CaptureQueriesContext) -> list[str]:
    statements = [query["sql"] for query in queries.captured_queries]
    changing = [sql for sql in statements if sql.split()[0] in ("INSERT", "DELETE")]
    return changing + [sql for sql in statements if sql.startswith("UPDATE") and '"is_default" = false' not in sql]


def test_the_documented_example_describes_the_directory() -> None:
    assert run(example()) == ["+ attribute badge_number", "+ directory APPSDB", "+ group Engineering"]
    directory = Directory.objects.get()
    assert (directory.name, directory.kind, directory.is_default, directory.enabled) == (
        *("APPSDB", "postgresql", True, True),
    )
    loaded = config.load(directory.pk)
    assert loaded.connector.settings["host"] == "serverdomain"
    assert loaded.connector.settings["password"] == PASSWORD
    assert loaded.connector.settings["connect_timeout"] == 10, "what is left out has the form's default"
    assert [len(loaded.connector.templates[name]) for name in ("import", "check", "create", "update", "delete")] == [
        *(3, 1, 1, 1, 1)
    ]
    assert loaded.connector.attributes == ("FIRSTNAME", "LASTNAME", "EMAIL_ADDRESS")
    assert loaded.features.fixed_password == FIXED
    assert loaded.features.create_users
    assert not loaded.features.deactivate_users
    settings = ProvisioningSettings.objects.get()
    assert (settings.schedule, str(settings.schedule_time)) == ("daily", "02:30:00")
    assert settings.next_import_at is not None
    assert Group.objects.get().description == "Everyone who builds the product"
    event = Event.objects.get(operation="settings", application="APPSDB")
    assert event.message == "tests added the directory APPSDB by a blueprint."


def test_applying_it_again_writes_nothing() -> None:
    run(example())
    before = (Directory.objects.get().updated_at, [row.pk for row in QueryTemplate.objects.all()])
    with CaptureQueriesContext(connection) as queries:
        assert run(example()) == []
    assert writes(queries) == []
    assert (Directory.objects.get().updated_at, [row.pk for row in QueryTemplate.objects.all()]) == before


@pytest.mark.heavy
def test_round_trip() -> None:
    run(example())
    AttributeDefinition.objects.create(
        name="contract", label="Contract", type="choice", choices=["a", "no"], position=3
    )
    Group.objects.create(name="Ünïcode: #1", description="several\nlines ")
    Directory.objects.filter(name="APPSDB").update(
        settings={**Directory.objects.get().settings, "port": None, "ca": "-----BEGIN\nx\n"}
    )
    groups = {"sync_groups": True, "push_groups": "all", "delete_groups": True, "max_lost_members": 7}
    others = {"set_passwords": True, "listen": True, "incremental_minutes": 15, "import_cursor": {"at": 1}}
    ProvisioningSettings.objects.update(schedule="weekly", schedule_weekday=6, **groups, **others)
    sql = "DELETE FROM APP_MEMBERS WHERE GROUPNAME='##GROUP##' AND USERNAME='##USERNAME##'"
    QueryTemplate.objects.create(directory=Directory.objects.get(), operation="remove_member", sql=sql)
    first = export()
    assert "import_cursor" not in first, "where the next import goes on is no setting"
    assert PASSWORD not in first
    assert FIXED not in first
    assert "password: env:ROLLCALL_APPSDB_PASSWORD" in first
    assert "fixed_password: env:ROLLCALL_APPSDB_INITIAL_PASSWORD" in first
    assert run(first) == [], "an export is what is there"
    forget_everything()
    run(first)
    assert export() == first
    settings = ProvisioningSettings.objects.get()
    assert settings.import_cursor is None
    assert {name: getattr(settings, name) for name in groups} == groups
    assert (settings.set_passwords, settings.listen, settings.incremental_minutes) == (True, True, 15)


SOURCES = """
version: 1
directories:
  - name: HR service
    kind: http_json
    settings: {product: personio, paging: offset, records: "data[]"}
    mapping:
      - {directory_attribute: mail, portal_attribute: email, direction: in}
      - {directory_attribute: start, portal_attribute: starts, kind: contract}
      - {directory_attribute: grade, portal_attribute: grade, kind: custom_contract}
      - {directory_attribute: parked, portal_attribute: blocked, kind: record}
  - name: HR files
    kind: files
    settings: {file: "people-*.csv", id: number, contracts: "start, end"}
    mapping:
      - {directory_attribute: end, portal_attribute: ends, kind: contract, direction: in}
  - name: HR script
    kind: script
    settings: {script: people.py}
    provisioning: {accounts_for: rules}
"""


@pytest.mark.heavy
def test_sources_of_contracts_round_trip() -> None:
    run(SOURCES)
    stored = AttributeMapping.objects.exclude(kind="profile").order_by("directory__name", "position")
    assert list(stored.values_list("kind", "portal_attribute", "direction")) == [
        ("contract", "ends", "in"),
        ("contract", "starts", "in"),
        ("custom_contract", "grade", "in"),
        ("record", "blocked", "in"),
    ]
    assert run(SOURCES) == [], "nothing differs"
    exported = export()
    forget_everything()
    run(exported)
    assert export() == exported
    assert ProvisioningSettings.objects.get(directory__name="HR script").accounts_for == "rules"
    wrong = SOURCES.replace("ends, kind: contract, direction: in", "ends, kind: contract, direction: out")
    assert "which only comes in: choose the direction In." in problems(wrong)[0]


def test_an_empty_portal_round_trips() -> None:
    assert export().splitlines()[1:] == ["version: 1"]
    assert run(export()) == []


@pytest.mark.heavy
def test_a_change_is_shown_and_made() -> None:
    run(example())
    changed = example().replace("port: 5432", "port: 5433").replace("deactivate: leave", "deactivate: disable")
    expected = [
        "~ directory APPSDB: settings.port: 5432 -> 5433",
        "~ directory APPSDB: provisioning.on_deactivate: leave -> disable",
    ]
    assert run(changed, check=True) == expected
    assert Directory.objects.get().settings["port"] == 5432, "a check changes nothing"
    assert Event.objects.filter(operation="settings", application="APPSDB").count() == 1
    template_ids = [row.pk for row in QueryTemplate.objects.all()]
    assert run(changed) == expected
    assert Directory.objects.get().settings["port"] == 5433
    assert [row.pk for row in QueryTemplate.objects.all()] == template_ids, "what is the same is not touched"
    assert Event.objects.order_by("pk").last().message == (  # type: ignore[union-attr]
        "tests changed APPSDB by a blueprint: settings, provisioning."
    )


def test_a_changed_secret_is_shown_but_not_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    run(example())
    monkeypatch.setenv("ROLLCALL_APPSDB_PASSWORD", "another one")
    assert run(example()) == ["~ directory APPSDB: secrets.password: (secret) -> (secret)"]
    assert Directory.objects.get().secrets == {"password": "another one"}
    assert "another one" not in Event.objects.order_by("pk").last().message  # type: ignore[union-attr]


def test_sections_that_are_left_out_stay() -> None:
    run(example())
    before = config.load(Directory.objects.get().pk)
    assert run("version: 1\ndirectories:\n  - {name: appsdb, kind: postgresql, description: New}\n") == [
        "~ directory appsdb: name: APPSDB -> appsdb",
        "~ directory appsdb: description: The application database -> New",
    ]
    after = config.load(Directory.objects.get().pk)
    assert after.connector == before.connector
    assert (after.rules, after.features) == (before.rules, before.features)
    assert Directory.objects.get().is_default


def test_a_written_section_is_complete() -> None:
    run(example())
    short = "version: 1\ndirectories:\n  - name: APPSDB\n    kind: postgresql\n    provisioning: {import_users: true}\n"
    run(short + "    templates: {check: [SELECT 1 FROM USERS WHERE USERNAME='##USERNAME##']}\n    mapping: []\n")
    loaded = config.load(Directory.objects.get().pk)
    assert list(loaded.connector.templates) == ["check"]
    assert loaded.rules == ()
    assert loaded.features == config.Features(import_users=True)


def test_the_default_moves() -> None:
    run(example())
    other = example().replace("APPSDB\n    kind", "OTHER\n    kind")
    run(other)
    assert Directory.objects.get(is_default=True).name == "OTHER"
    assert Directory.objects.count() == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: badge_number", "name: title", "Every user has a field of that name already."),
        ("user: rollcall", "user: rollcall\n      password: hunter2", "write it under secrets"),
        ("version: 1\n", "version: 2\n", "line 1: version: "),
        (
            "host: serverdomain",
            "hots: serverdomain",
            "line {line}: directories[0].settings.hots: There is no setting 'hots'",
        ),
        ("host: serverdomain", "hots: serverdomain", "Did you mean 'host'?"),
        ("port: 5432", "port: 99999", "line {line}: directories[0].settings.port: "),
        ("kind: postgresql", "kind: postgres", "There is no kind 'postgres'"),
        ("tls_mode: require", "tls_mode: sometimes", "directories[0].settings.tls_mode"),
        ("env:ROLLCALL_APPSDB_PASSWORD", "hunter2", "never the secret itself"),
        (
            "env:ROLLCALL_APPSDB_PASSWORD",
            "env:NOT_SET",
            "line {line}: directories[0].secrets.password: The environment",
        ),
        ("      check:", "      chekc:", "There is no operation 'chekc' here. Did you mean 'check'?"),
        ("DELETE FROM USERS WHERE USERNAME='##USERNAME##'", "DELETE FROM USERS", "directories[0].templates.delete[0]"),
        ("WHERE USERNAME='##USERNAME##'\n      delete", "WHERE USERNAME='##USERNAM##'\n      delete", "line {line}: "),
        ("portal_attribute: first_name", "portal_attribute: frist_name", "Did you mean first_name?"),
        ("value | lower", "value | lowr", "mapping[2].expression"),
        ("direction: in", "direction: both", "choose one direction"),
        ("direction: in", "direction: inwards", "mapping[2].direction"),
        ('schedule_time: "02:30"', 'schedule_time: "25:00"', "provisioning.schedule_time"),
        ("schedule: daily", "schedule: weekly", "Say on which day"),
        ("      fixed_password: env:ROLLCALL_APPSDB_INITIAL_PASSWORD\n", "", "provisioning.fixed_password"),
        ("import_users: true", "import_users: maybe", "provisioning.import_users"),
        ("import_users: true", "match_attribute: profile.title", "Rows are matched by profile.username"),
        ("import_users: true", "match_second: profile.title", "Rows are matched by profile.username"),
        ("import_users: true", "next_import_at: 2024-01-01", "There is no setting 'next_import_at'"),
        ("type: text", "type: choice", "attributes[0].choices"),
        ("name: badge_number", "name: Badge", "attributes[0].name"),
        (
            "    description: Everyone who builds the product",
            "  - name: engineering",
            "line {line}: groups[1].name: 'engin",
        ),
        ("    label: Badge number\n", "", "line 4: attributes[0].label: This is required."),
        ("label: Badge number", "label: ' '", "line {line}: attributes[0].label: This cannot be blank."),
        ("label: Badge number", "label:", "line {line}: attributes[0].label: Write a text here."),
        ("on_deactivate: leave", "on_deactivate: stay", "Write one of: disable, delete, leave."),
        ("on_deactivate: leave", "max_leavers: -1", "line {line}: directories[0].provisioning.max_leavers: "),
        ('schedule_time: "02:30"', "schedule_time: 230", 'Write a time of day, for example "02:30".'),
    ],
)
def test_problems_have_a_line_and_a_path_and_nothing_is_changed(old: str, new: str, expected: str) -> None:
    text = example()
    assert text.count(old) == 1
    text = text.replace(old, new)
    expected = expected.replace("{line}", str(text[: text.index(new)].count("\n") + 1))
    found = problems(text)
    assert any(expected in problem for problem in found), found
    assert "hunter2" not in "".join(found)
    assert not Directory.objects.exists()
    assert not Group.objects.exists()
    assert not AttributeDefinition.objects.exists()


def test_all_problems_are_shown_at_once() -> None:
    text = example().replace("DELETE FROM USERS WHERE USERNAME='##USERNAME##'", "DELETE FROM USERS")
    text = text.replace("| lower", "| lowr")
    assert len(problems(text)) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]", "just words", "version: 1\ndirectories: 5\n"])
def test_what_is_no_blueprint(text: str) -> None:
    assert problems(text)


def test_a_kind_cannot_change_nor_a_foreign_group() -> None:
    run(example())
    assert "cannot change" in problems("version: 1\ndirectories: [{name: APPSDB, kind: sqlite}]\n")[0]
    Group.objects.update(owner=Directory.objects.get())
    assert "comes from a directory" in problems("version: 1\ngroups: [{name: Engineering, description: x}]\n")[0]
    assert "Engineering" not in export()


@pytest.mark.heavy
def test_a_group_carries_the_directories_that_it_is_chosen_for() -> None:
    run(example())
    group = Group.objects.get()
    assert [directory.name for directory in group.directories.all()] == ["APPSDB"]
    assert run("version: 1\ngroups: [{name: Engineering, description: x}]\n") != []
    assert group.directories.count() == 1  # left out: as they are
    text = export()
    forget_everything()
    run(text)
    assert [directory.name for directory in Group.objects.get().directories.all()] == ["APPSDB"]
    assert run(text) == []
    assert run("version: 1\ngroups: [{name: Engineering, description: x, directories: []}]\n") != []
    assert not Group.objects.get().directories.exists()
    wrong = "version: 1\ngroups: [{name: Engineering, directories: [appsdb, Elsewhere]}]\n"
    assert "groups[0].directories[1]: There is no directory named Elsewhere." in problems(wrong)[0]


def test_the_type_of_an_attribute_that_is_in_use_cannot_change() -> None:
    run(example())
    user = User.objects.create_user("ann", custom_profile={"badge_number": "7"})
    changed = "version: 1\nattributes: [{name: badge_number, label: Badge, type: number}]\n"
    assert problems(changed) == [
        "line 2: attributes[0].type: Users have values of the attribute, which are not turned into another type."
    ]
    user.delete()
    assert run(changed) == [
        "~ attribute badge_number: label: Badge number -> Badge",
        "~ attribute badge_number: type: text -> number",
    ]


def test_choices_that_users_have_cannot_go() -> None:
    run("version: 1\nattributes: [{name: size, label: Size, type: choice, choices: [S, M]}]\n")
    User.objects.create_user("ann", custom_profile={"size": "M"})
    assert (
        "not among the choices"
        in problems("version: 1\nattributes: [{name: size, label: Size, type: choice, choices: [S]}]\n")[0]
    )
    assert run("version: 1\nattributes: [{name: size, label: Size, type: choice, choices: [S, M, L]}]\n")


def test_what_cannot_work_is_a_warning() -> None:
    assert apply(example(), actor="tests").warnings == []
    text = re.sub(r"      create:\n.*?      update:\n", "      update:\n", example(), flags=re.DOTALL)
    (warning,) = apply(text, actor="tests").warnings
    assert warning.startswith("APPSDB: Create is on but new users cannot be added to the directory. There is no create")


def test_a_new_directory_needs_its_connection() -> None:
    assert "host is required" in problems("version: 1\ndirectories: [{name: X, kind: postgresql}]\n")[0]


@pytest.mark.heavy
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "appsdb.yaml"
    file.write_text(example(), encoding="utf-8")
    out = StringIO()
    with pytest.raises(CommandError, match="3 differences"):
        call_command("blueprint", "apply", str(file), "--check", stdout=out)
    assert "+ directory APPSDB" in out.getvalue()
    assert not Directory.objects.exists()
    call_command("blueprint", "apply", str(file), stdout=out)
    call_command("blueprint", "apply", str(file), "--check", stdout=out)
    assert out.getvalue().endswith("Nothing to change.\n")
    written = tmp_path / "export.yaml"
    call_command("blueprint", "export", str(written), stdout=out)
    call_command("blueprint", "export", "-", stdout=(shown := StringIO()))
    assert written.read_text(encoding="utf-8") == shown.getvalue() == export()
    assert list(tmp_path.iterdir()) in ([file, written], [written, file])
    file.write_text(example().replace("port: 5432", "prot: 5432"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"appsdb\.yaml: line 20: directories\[0\]\.settings\.prot: .*Did you mean"):
        call_command("blueprint", "apply", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("blueprint", "apply", str(tmp_path / "missing.yaml"))
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("blueprint", "export", str(tmp_path / "missing" / "x.yaml"))

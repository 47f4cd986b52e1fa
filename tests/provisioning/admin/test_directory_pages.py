"""Adding, editing and listing directories."""

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from directories.connectors import registry
from directories.connectors.base import AGAIN
from directories.connectors.scim.presets import load
from directories.encryption import clear
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.gateway.models import Gateway
from provisioning.models import ImportRun, User
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.provisioning.admin.pages import form_values, text

LIST = "/directories/directory/"
ADD = "/directories/directory/add/"


def page(directory: Directory) -> str:
    return reverse("admin:directories_directory_change", args=[directory.pk])


def notes(response: object) -> list[str]:
    return [str(message) for message in response.context["messages"]]  # type: ignore[attr-defined]


def test_an_empty_list_says_what_to_do(it_staff: Client) -> None:
    assert "Add the first directory" in text(it_staff.get(LIST))


def test_choosing_a_kind_draws_its_fields(it_staff: Client) -> None:
    assert "?kind=postgresql" in text(it_staff.get(ADD))
    assert "connection-host" in form_values(it_staff.get(ADD + "?kind=postgresql"))
    assert "connection-host" not in form_values(it_staff.get(ADD + "?kind=sqlite"))


@pytest.mark.heavy
def test_add_then_write_queries_then_map_then_switch_on(it_staff: Client, pg_appsdb: AppsDb) -> None:
    values = form_values(it_staff.get(ADD + "?kind=postgresql"))
    values |= {"name": ["APPSDB"]} | {f"connection-{key}": [str(value)] for key, value in pg_appsdb.settings.items()}
    response = it_staff.post(ADD + "?kind=postgresql", values)
    directory = Directory.objects.get(name="APPSDB")
    assert response["Location"] == page(directory) + "#templates"
    assert directory.secrets == {"password": pg_appsdb.settings["password"]}
    assert "password" not in directory.settings

    values = form_values(it_staff.get(page(directory)))
    values["template_import"] = ["SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS WHERE USERNAME='##USERNAME##'", " "]
    values["template_check"] = ["SELECT USERNAME FROM USERS WHERE USERNAME='##USERNAME##'"]
    values["template_create"] = ["INSERT INTO USERS (USERNAME, FIRSTNAME) VALUES ('##USERNAME##', '##FIRSTNAME##')"]
    assert it_staff.post(page(directory), values).status_code == 302
    assert QueryTemplate.objects.filter(directory=directory).count() == 3

    values = form_values(it_staff.get(page(directory)))
    assert values["mapping_attribute"] == ["FIRSTNAME"], "an attribute that a query reads is offered, blank"
    assert values["mapping_profile"] == [""]
    values |= {"mapping_profile": ["first_name"], "import_users": ["on"], "create_users": ["on"]}
    assert "Say what happens to the accounts of people who leave" in text(it_staff.post(page(directory), values))
    values |= {"deactivate_users": ["on"], "on_deactivate": ["leave"]}
    values |= {"schedule": ["daily"], "schedule_time": ["02:00"]}
    response = it_staff.post(page(directory), values, follow=True)
    at = directory_settings(directory).next_import_at
    assert at is not None
    assert at > timezone.now()
    assert any(
        note.startswith("Saved. Import, create and deactivate are on; next import to") for note in notes(response)
    )
    assert "Push all users now" in text(response)
    mapping = AttributeMapping.objects.get(directory=directory)
    assert (mapping.directory_attribute, mapping.portal_attribute, mapping.direction) == (
        "FIRSTNAME",
        "first_name",
        "both",
    )


def directory_settings(directory: Directory) -> ProvisioningSettings:
    return ProvisioningSettings.objects.get(directory=directory)


@pytest.mark.heavy
def test_saving_an_untouched_page_changes_nothing(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(
        pg_appsdb,
        import_users=True,
        schedule="weekly",
        schedule_time=dt.time(3),
        schedule_weekday=2,
        fixed_password="x",
    )
    rows = list(QueryTemplate.objects.order_by("pk").values()) + list(AttributeMapping.objects.order_by("pk").values())

    def settings() -> dict[str, object]:
        found = ProvisioningSettings.objects.values().exclude(next_import_at=None).get()
        return {name: clear(value) for name, value in found.items()}

    it_staff.post(page(directory), form_values(it_staff.get(page(directory))))
    before = settings()
    it_staff.post(page(directory), form_values(it_staff.get(page(directory))))
    directory.refresh_from_db()
    assert settings() == before
    assert before["fixed_password"] == "x"
    assert directory.secrets == {"password": pg_appsdb.settings["password"]}
    assert rows == list(QueryTemplate.objects.order_by("pk").values()) + list(
        AttributeMapping.objects.order_by("pk").values()
    )


@pytest.mark.heavy
@pytest.mark.parametrize("create", [True, False])
def test_the_fixed_password_is_asked_for_again_when_the_directory_moves(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory], create: bool
) -> None:
    kept = {"initial_password": "fixed", "fixed_password": "stored-1"}
    directory = make_directory(pg_appsdb, create_users=create, **kept)
    values = form_values(it_staff.get(page(directory)))
    stored = ProvisioningSettings.objects.filter(directory=directory)
    it_staff.post(page(directory), values | {"connection-pool_size": ["3"]})
    assert stored.get().fixed_password == "stored-1"

    values = form_values(it_staff.get(page(directory)))
    moved = values | {"connection-host": ["elsewhere.example.org"], "connection-password": ["typed"]}
    response = it_staff.post(page(directory), moved)
    assert (response.status_code == 200) is create
    if create:
        assert "fixed_password" in response.context["draft"].features.errors
        assert stored.get().fixed_password == "stored-1"
        it_staff.post(page(directory), moved | {"fixed_password": ["typed-2"]})
        assert stored.get().fixed_password == "typed-2"
    else:
        assert stored.get().fixed_password is None
    directory.refresh_from_db()
    assert directory.settings["host"] == "elsewhere.example.org"


@pytest.mark.heavy
def test_the_fixed_password_goes_too_when_only_the_connection_is_posted(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, fixed_password="stored-1")
    values = form_values(it_staff.get(page(directory)))
    values = {name: value for name, value in values.items() if name.startswith(("connection-", "name", "desc", "vers"))}
    it_staff.post(page(directory), values | {"connection-user": ["other"], "connection-password": ["typed"]})
    directory.refresh_from_db()
    assert directory.settings["user"] == "other"
    assert ProvisioningSettings.objects.get(directory=directory).fixed_password is None


@pytest.mark.heavy
def test_posted_choices_are_no_script(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory)))
    evil = "'+steal()+'"
    for name in ("schedule", "initial_password"):
        html = it_staff.post(page(directory), values | {name: [evil]}).content.decode()
        assert "steal" in html
        scripts = re.findall(r'x-[a-z:.]+="[^"]*"', html)
        assert scripts
        assert not [script for script in scripts if "steal" in script]


@pytest.mark.heavy
def test_a_change_is_recorded_by_names_only(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory)))
    values |= {
        "connection-password": ["a new s3cret"],
        "template_delete": ["DELETE FROM USERS WHERE USERNAME='##EMAIL##'"],
    }
    it_staff.post(page(directory), values | {"create_users": ["on"], "deactivate_users": ["on"]})
    event = Event.objects.get(application="APPSDB")
    assert event.message == (
        "user-IT staff changed the settings of APPSDB: Password, Create users, Deactivate users and Delete user."
    )
    assert (event.direction, event.operation, event.actor) == ("portal", "settings", "user-IT staff")
    log = LogEntry.objects.get().change_message
    assert "Password" in log
    for words in (event.message, str(event.changes), log):
        assert "s3cret" not in words
        assert "EMAIL##" not in words


@pytest.mark.heavy
def test_errors_name_the_line_and_stay_on_the_page(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory)))
    values["template_update"] = ["UPDATE USERS\nSET FIRSTNAME='##FRISTNAME##' WHERE USERNAME='##USERNAME##'"]
    response = it_staff.post(page(directory), values)
    assert response.status_code == 200
    assert "Line 2, column 16" in text(response)
    assert "Did you mean" in text(response)
    assert "FRISTNAME" in text(response)
    assert "FRISTNAME" not in QueryTemplate.objects.get(operation="update").sql


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("FIRSTNAME", "email", "in", ""), ("LASTNAME", "email", "both", "")], "Two rows bring a value"),
        ([("FIRSTNAME", "email", "out", ""), ("firstname", "title", "out", "")], "Two rows send a value"),
        ([("FIRSTNAME", "email", "both", "{{ value }}")], "An expression works one way"),
        ([("FIRSTNAME", "email", "in", "{{ valeu }}")], "Did you mean value?"),
        ([("", "email", "in", "")], "Name the directory attribute"),
        ([("FIRSTNAME", "", "in", "{{ value }}")], "Choose the portal attribute"),
        ([("FIRSTNAME", "no_such", "in", "")], "not one of the available choices"),
    ],
)
def test_mappings_that_cannot_work_are_refused_with_words(
    it_staff: Client,
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
    rows: list[tuple[str, str, str, str]],
    words: str,
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory))) | {
        "mapping_attribute": [row[0] for row in rows],
        "mapping_kind": ["profile" for _ in rows],
        "mapping_profile": [row[1] for row in rows],
        "mapping_custom_profile": ["" for _ in rows],
        "mapping_custom": ["" for _ in rows],
        "mapping_direction": [row[2] for row in rows],
        "mapping_expression": [row[3] for row in rows],
    }
    response = it_staff.post(page(directory), values)
    assert response.status_code == 200
    assert words in text(response)
    assert AttributeMapping.objects.count() == 3


@pytest.mark.heavy
def test_two_rows_may_split_the_directions(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory))) | {
        "mapping_attribute": ["EMAIL_ADDRESS", "EMAIL_ADDRESS", "BADGE"],
        "mapping_kind": ["profile", "profile", "custom"],
        "mapping_profile": ["email", "email", ""],
        "mapping_custom_profile": ["", "", ""],
        "mapping_custom": ["", "", "badge"],
        "mapping_direction": ["in", "out", "both"],
        "mapping_expression": ["{{ value | lower }}", "", ""],
    }
    assert it_staff.post(page(directory), values).status_code == 302
    saved = AttributeMapping.objects.order_by("position").values_list("kind", "portal_attribute", "direction")
    assert list(saved) == [("profile", "email", "in"), ("profile", "email", "out"), ("custom", "badge", "both")]


@pytest.mark.heavy
def test_a_changed_mapping_offers_to_push_everyone(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, update_users=True)
    values = form_values(it_staff.get(page(directory)))
    same = it_staff.post(page(directory), values, follow=True)
    assert "Push all users now</button>" not in text(same).split("rcd-pagehead")[0]
    values = form_values(same) | {"mapping_direction": ["in", "both", "both"]}
    assert "The mapping changed." in text(it_staff.post(page(directory), values, follow=True)), "it goes out no more"
    values = form_values(it_staff.get(page(directory))) | {"mapping_profile": ["display_name", "last_name", "email"]}
    only_in = it_staff.post(page(directory), values, follow=True)
    assert "The mapping changed." not in text(only_in), "an import brings it; there is nothing to push"
    values = form_values(only_in) | {"mapping_profile": ["display_name", "last_name", "title"]}
    assert "The mapping changed." in text(it_staff.post(page(directory), values, follow=True))


@pytest.mark.heavy
def test_saving_warns_of_what_cannot_work(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, create_users=True)
    values = form_values(it_staff.get(page(directory)))
    values.pop("template_create")
    found = notes(it_staff.post(page(directory), values, follow=True))
    assert any("new users cannot be added to the directory. There is no create query." in note for note in found)


@pytest.mark.heavy
def test_a_switch_that_cannot_work_is_locked_with_its_reason(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    assert "There is no create query" not in text(it_staff.get(page(directory)))
    directory.query_templates.filter(operation="create").delete()
    html = text(it_staff.get(page(directory)))
    assert "There is no create query. Write one under Query templates." in html
    assert 'name="create_users" class=' in html
    assert "disabled" in html.split('name="create_users"')[1].split(">")[0]


@pytest.mark.heavy
def test_a_slow_import_query_is_named_when_saved(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory)))
    values["template_import"].append(
        "SELECT '##LEVEL##', LASTNAME FROM USERS WHERE lower(USERNAME) LIKE lower('##USERNAME##')"
    )
    found = notes(it_staff.post(page(directory), values, follow=True))
    assert any("which is slow" in note for note in found)


@pytest.mark.heavy
def test_somebody_elses_save_is_not_overwritten(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    mine, theirs = (form_values(it_staff.get(page(directory))) for _ in range(2))
    it_staff.post(page(directory), theirs | {"description": ["theirs"]})
    response = it_staff.post(page(directory), mine | {"description": ["mine"]})
    assert "Someone else saved this directory" in text(response)
    directory.refresh_from_db()
    assert directory.description == "theirs"


@pytest.mark.heavy
def test_a_save_leaves_what_workers_write_alone(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    values = form_values(it_staff.get(page(directory)))
    Directory.objects.update(unreachable_since=timezone.now(), failures=3, push_cursor=7)
    it_staff.post(page(directory), values)
    directory.refresh_from_db()
    assert directory.unreachable_since is not None
    assert (directory.failures, directory.push_cursor) == (3, 7)


@pytest.mark.heavy
def test_an_import_that_is_due_is_not_skipped_by_a_save(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    due = timezone.now() - dt.timedelta(minutes=1)
    directory = make_directory(pg_appsdb, import_users=True, schedule="hourly", next_import_at=due)
    it_staff.post(page(directory), form_values(it_staff.get(page(directory))))
    assert directory_settings(directory).next_import_at == due


def test_the_list_shows_state_features_and_default(
    it_staff: Client,
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for number in range(5):
        make_directory(pg_appsdb, name=f"DB{number}", import_users=True, create_users=True)
    down = {"last_error": f"The server is down. {AGAIN}", "retry_at": timezone.now() + dt.timedelta(hours=1)}
    Directory.objects.filter(name="DB1").update(unreachable_since=timezone.now(), **down)
    Directory.objects.filter(name="DB2").update(enabled=False)
    Directory.objects.filter(name="DB3").update(is_default=True)
    with django_assert_max_num_queries(18):  # type: ignore[attr-defined]
        html = text(it_staff.get(LIST))
    for words in (
        "Unreachable since today",
        "The server is down.",
        "Switched off",
        "Default",
        "import, create",
        "Make default",
    ):
        assert words in html
    head = text(it_staff.get(page(Directory.objects.get(name="DB1"))))
    assert "The server is down. The portal tries again today at" in head or "again tomorrow at" in head


@pytest.mark.heavy
def test_every_kind_can_be_added_and_opened(it_staff: Client) -> None:
    Gateway.objects.create(name="x")
    for kind, connector in registry().items():
        values = form_values(it_staff.get(f"{ADD}?kind={kind}")) | {"name": [f"A {connector.label}"]}
        for declared in connector.fields:
            if declared.required:
                values[f"connection-{declared.name}"] = ["x"]
        assert it_staff.post(ADD, values).status_code == 302
        directory = Directory.objects.get(kind=kind)
        saved = form_values(it_staff.get(page(directory)))
        assert it_staff.post(page(directory), saved).status_code == 302


def test_custom_profile_attributes_are_offered(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    from provisioning.models import AttributeDefinition

    AttributeDefinition.objects.create(name="badge_number", label="Badge number")
    directory = make_directory(pg_appsdb)
    html = text(it_staff.get(page(directory)))
    assert '<option value="badge_number">Badge number</option>' in html
    assert 'value="custom_profile.badge_number"' in html


@pytest.mark.heavy
def test_a_name_is_used_once(it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]) -> None:
    make_directory(pg_appsdb, name="Other")
    directory = make_directory(pg_appsdb)
    response = it_staff.post(page(directory), form_values(it_staff.get(page(directory))) | {"name": ["OTHER"]})
    assert response.status_code == 200
    assert Directory.objects.filter(name="APPSDB").exists()


def test_unknown_directories_are_not_found(it_staff: Client) -> None:
    assert it_staff.get("/directories/directory/999/change/").status_code == 404
    assert it_staff.get("/directories/directory/abc/change/").status_code == 404
    assert User.objects.exists()


@pytest.mark.heavy
def test_the_health_tab_tells_what_happened_and_when(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb)
    ImportRun.objects.create(directory=directory, status="finished", message="Imported 3 users.")
    it_staff.post(page(directory), form_values(it_staff.get(page(directory))) | {"description": ["Ours"]})
    html = text(it_staff.get(reverse("admin:directories_directory_health", args=[directory.pk])))
    assert "Imported 3 users." in html
    assert "changed the settings of" in html
    assert "0 minutes ago" not in html.replace("\xa0", " ")


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["APPSDB", "appsdb"])
def test_a_name_that_is_taken_is_marked_and_says_so(
    it_staff: Client, pg_appsdb: AppsDb, make_directory: Callable[..., Directory], name: str
) -> None:
    make_directory(pg_appsdb)
    values = form_values(it_staff.get(ADD + "?kind=postgresql"))
    values |= {"name": [name], "connection-password": ["s3cret"], "connection-host": ["127.0.0.1"]}
    html = text(it_staff.post(ADD + "?kind=postgresql", values))
    assert "There is a directory APPSDB already. Choose another name." in html
    assert "Type the password again" in html
    assert "s3cret" not in html


def test_the_kinds_are_in_order_and_those_to_try_out_come_last(it_staff: Client) -> None:
    html = text(it_staff.get(ADD))
    places = [html.index(f">{connector.label}<") for connector in registry().values()]
    assert places == sorted(places)
    assert html.index(">PostgreSQL<") < html.index(">Memory (for demonstrations)<")
    assert html.index(">LDAP (OpenLDAP, 389 DS, FreeIPA)<") < html.index(">MariaDB<")
    assert html.count(">Add a directory</span>") == 1  # where one is, in the head of the page


@pytest.mark.parametrize(
    ("product", "words"), [("github_emu", "A deletion cannot be undone: the user is suspended for good"), ("slack", "")]
)
def test_what_a_deletion_takes_for_good_stands_beside_the_choice(it_staff: Client, product: str, words: str) -> None:
    settings = {"product": product, "url": "https://application.example.com/scim/v2"}
    directory = Directory.objects.create(name="App", kind="scim", settings=settings, secrets={"secret": "token"})
    shown = text(it_staff.get(page(directory)))
    assert f"{load(product).label} (SCIM)" in shown
    assert (words or "When a user is deleted") in shown
    assert ("cannot be undone" in shown) is bool(words)

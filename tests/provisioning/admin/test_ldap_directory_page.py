"""The directory page over real LDAP directories: add, test, suggest, look, switch on, import, deliver."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from directories.models import Directory
from provisioning import services
from provisioning.imports import engine
from provisioning.models import User
from provisioning.models.imports import RunStatus, Trigger
from provisioning.outbound.accounts import delivery, outbox
from tests.fixtures.ldap import LdapDirectory
from tests.provisioning.admin.pages import Values, form_values, text
from tests.provisioning.admin.test_directory_fragments import fragment

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["ldap_directory", "ad_directory"])
def unit(request: pytest.FixtureRequest) -> LdapDirectory:
    found: LdapDirectory = request.getfixturevalue(request.param)
    return found


def add_values(client: Client, unit: LdapDirectory) -> Values:
    values = form_values(client.get(f"/directories/directory/add/?kind={unit.kind}")) | {"name": ["Staff"]}
    return values | {f"connection-{key}": [str(value)] for key, value in unit.settings.items()}


def saved(client: Client, unit: LdapDirectory) -> tuple[Directory, Values]:
    values = add_values(client, unit)
    assert client.post(f"/directories/directory/add/?kind={unit.kind}", values).status_code == 302
    directory = Directory.objects.get(kind=unit.kind)
    return directory, form_values(client.get(reverse("admin:directories_directory_change", args=[directory.pk])))


def test_from_an_empty_form_to_people_both_ways(it_staff: Client, unit: LdapDirectory) -> None:
    unit.person("ann", "Ann", "Lee")
    tested = fragment(it_staff, "test", add_values(it_staff, unit))
    assert "The connection works." in tested
    assert "The filter finds 1 user." in tested
    assert "Attributes found" in tested
    assert unit.settings["password"] not in tested
    directory, values = saved(it_staff, unit)
    assert directory.settings.get("password") is None
    suggested = fragment(it_staff, "suggest", values)
    assert "suggested: look them over" in suggested
    rows = suggested.partition("<template")[0]
    assert 'value="givenName"' in rows
    assert '<datalist id="directory-attributes"><option' in rows
    assert rows.count("data-kind=") == int(re.search(r"(\d+) suggested", suggested)[1])  # type: ignore[index]  # the others take no row
    page = reverse("admin:directories_directory_change", args=[directory.pk])
    mapped = values | {
        "mapping_attribute": ["givenName", "sn", "mail"],
        "mapping_kind": ["profile"] * 3,
        "mapping_profile": ["first_name", "last_name", "email"],
        "mapping_custom_profile": [""] * 3,
        "mapping_custom": [""] * 3,
        "mapping_direction": ["both"] * 3,
        "mapping_expression": [""] * 3,
    }
    sample = fragment(it_staff, "sample", mapped, sample_user="ann")
    assert "ann@example.org" in sample
    features = ("import_users", "create_users", "update_users", "deactivate_users", "delete_users")
    on = {name: ["on"] for name in features}
    answer = it_staff.post(page, mapped | on, follow=True)
    assert "Import, create, update, deactivate and delete are on." in text(answer)
    run = services.start_import(directory, preview=False, actor="t", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message
    user = User.objects.get(username="ann")
    user.last_name = "Berg"
    user.save()
    User.objects.create(username="bob", first_name="Bob", last_name="Blue")
    delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    name = "uid" if unit.kind == "ldap" else "cn"
    for key, last in (("ann", b"Berg"), ("bob", b"Blue")):
        assert unit.entry(f"{name}={key},{unit.base}", "sn")["sn"] in ([last], [last.decode()])  # type: ignore[index]


def test_a_user_is_looked_up_with_everything_there_is(it_staff: Client, unit: LdapDirectory) -> None:
    unit.person("ann", "Ann", "Lee", description="<b>x</b>")
    User.objects.create(username="ann", first_name="Anna")
    _, values = saved(it_staff, unit)
    mapped = values | {
        "mapping_attribute": ["givenName"],
        "mapping_kind": ["profile"],
        "mapping_profile": ["first_name"],
        "mapping_custom_profile": [""],
        "mapping_custom": [""],
        "mapping_direction": ["both"],
        "mapping_expression": [""],
    }
    html = fragment(it_staff, "entry", mapped, entry_user="ANN@example.org")
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
    assert "Found by another attribute" in shown
    assert "In: ann from the directory" in shown
    assert "Out: ann from the portal" in shown
    assert "givenName Ann First name Ann" in shown
    assert "memberOf" in shown
    assert "not mapped" in shown
    assert "<b>x</b>" not in html
    assert unit.settings["password"] not in html
    assert "no entry called bob" in fragment(it_staff, "entry", mapped, entry_user="bob")
    assert "Type a user name" in fragment(it_staff, "entry", mapped, entry_user=" ")
    assert "no entry called *" in fragment(it_staff, "entry", mapped, entry_user="*")
    broken = mapped | {"mapping_profile": ["nothing"]}
    assert "objectClass" in fragment(it_staff, "entry", broken, entry_user="ann")  # the entry is shown all the same
    moved = mapped | {"connection-host": ["attacker.example.org"]}
    assert "Connection first" in fragment(it_staff, "entry", moved, entry_user="ann")


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"check_certificate": "no"}, "certificate is not checked"), ({"encryption": "none"}, "is not encrypted")],
)
def test_switching_a_check_off_is_loud(
    it_staff: Client, ldap_directory: LdapDirectory, setting: dict[str, str], words: str
) -> None:
    directory, values = saved(it_staff, ldap_directory)
    page = reverse("admin:directories_directory_change", args=[directory.pk])
    assert words not in text(it_staff.get(page))
    plain = {"host": f"127.0.0.1:{ldap_directory.link.server.port}"} if "encryption" in setting else {}
    changed = {f"connection-{name}": [value] for name, value in {**setting, **plain}.items()}
    typed = {"connection-password": [ldap_directory.settings["password"]]}
    tested = fragment(it_staff, "test", values | changed | typed)
    assert "The connection works." in tested
    assert words in tested
    assert "Works, but is not safe" in tested
    it_staff.post(page, values | changed | typed)
    shown = text(it_staff.get(page))
    assert words in shown[shown.index("errornote") :][:1500], "in red, above everything else"


def test_the_page_shows_what_stands_for_blank_boxes(it_staff: Client, unit: LdapDirectory) -> None:
    html = text(it_staff.get(f"/directories/directory/add/?kind={unit.kind}"))
    assert f'placeholder="{"uid" if unit.kind == "ldap" else "sAMAccountName"}"' in html
    assert 'id="connection-fills"' in html
    assert html.count("<details") == html.count("as usual for this kind") == 4
    directory, _ = saved(it_staff, unit)
    directory.settings |= {"container": unit.base}
    directory.save()
    html = text(it_staff.get(reverse("admin:directories_directory_change", args=[directory.pk])))
    assert html.count("as usual for this kind") == 3


def test_line_ends_of_a_browser_are_no_other_certificate(it_staff: Client, ldap_directory: LdapDirectory) -> None:
    _, values = saved(it_staff, ldap_directory)
    browser = {"connection-ca": [ldap_directory.settings["ca"].replace("\n", "\r\n")]}
    assert "The connection works." in fragment(it_staff, "test", values | browser)


def test_the_page_speaks_of_no_queries(it_staff: Client, unit: LdapDirectory) -> None:
    directory, values = saved(it_staff, unit)
    html = text(it_staff.get(reverse("admin:directories_directory_change", args=[directory.pk])))
    panels = html + fragment(it_staff, "panel/mapping", values) + fragment(it_staff, "panel/features", values)
    shown = re.sub(r"<script.*?</script>|<[^<]*>", " ", panels, flags=re.DOTALL).lower()
    for word in ("query", "queries", "column", "user table", "##password##"):
        assert word not in shown, word
    assert "cannot give passwords away" in shown


@pytest.mark.parametrize(
    "change",
    [
        {"connection-host": ["attacker.example.org"]},
        {"connection-encryption": ["none"]},
        {"connection-check_certificate": ["no"]},
        {"connection-ca": [""]},
        {"connection-user": ["cn=other"]},
    ],
)
def test_the_stored_password_goes_nowhere_else(it_staff: Client, ldap_directory: LdapDirectory, change: Values) -> None:
    _, values = saved(it_staff, ldap_directory)
    assert "The connection works." in fragment(it_staff, "test", values)
    harmless = {"connection-base_dn": ["dc=example,dc=org"], "connection-user_filter": ["(uid=*)"]}
    assert "The connection works." in fragment(it_staff, "test", values | harmless)
    html = fragment(it_staff, "test", values | change)
    assert "type it again" in html
    assert "The connection works." not in html


def test_a_setting_that_cannot_be_used_is_told_on_the_page(it_staff: Client, ldap_directory: LdapDirectory) -> None:
    _, values = saved(it_staff, ldap_directory)
    html = fragment(it_staff, "test", values | {"connection-container": ["People"]})
    assert "Write a distinguished name" in html

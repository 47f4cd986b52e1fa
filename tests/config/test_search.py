"""The search box of every page shows what one may see, and leads there."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.models import Group, ImportRun, User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from scim.models import UserLink
from scim.upkeep import clients
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db


def asked(client: Client, text: str) -> str:
    answer = client.get("/search/", {"q": text}, headers={"X-Requested-With": "fetch"})
    assert answer.status_code == 200
    return answer.content.decode()


def links(client: Client, text: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', asked(client, text))


@pytest.fixture
def carol() -> User:
    return roll.person("carol", first_name="Carol", last_name="Jones", email="carol@okta.example", phone="555-0142")


@pytest.mark.heavy
def test_a_person_is_found_by_everybody_who_may_see_people(carol: User) -> None:
    for role in (IT_STAFF, HELPDESK, AUDITOR):
        client = roll.signed_in(roll.staff(role, username=f"of-{role.replace(' ', '')}"))
        for text in ("jones", "arol@ok", "555 0142", "CAROL JONES"):
            assert f"/provisioning/user/{carol.pk}/change/" in links(client, text), (role, text)
    nobody = roll.signed_in(User.objects.create_user("new", is_staff=True, provisioned=False))
    assert links(nobody, "jones") == []


def test_who_is_not_signed_in_gets_nothing(client: Client, carol: User) -> None:
    answer = client.get("/search/", {"q": "jones"})
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]
    client.force_login(carol)  # no staff
    assert client.get("/search/", {"q": "jones"}).status_code == 302


def test_a_person_is_found_by_what_an_application_calls_them(carol: User) -> None:
    okta = clients.add("Okta", "root").client
    UserLink.objects.create(client=okta, user=carol, external_id="00uABC")
    found = links(roll.helpdesk(), "00uABC")
    assert found == [f"/provisioning/user/{carol.pk}/change/"]


@pytest.mark.heavy
def test_everything_with_a_page_is_found_by_its_name() -> None:
    client = roll.it_staff()
    group, directory = Group.objects.create(name="Payroll readers"), roll.directory("Payroll")
    application = clients.add("Payroll SCIM", "root").client
    run = ImportRun.objects.create(directory=directory, actor="root")
    found = links(client, "payroll")
    assert f"/provisioning/group/{group.pk}/change/" in found
    assert f"/directories/directory/{directory.pk}/change/" in found
    assert f"/scim/client/{application.pk}/change/" in found
    assert f"/provisioning/importrun/{run.pk}/change/" in found
    assert f"/provisioning/importrun/{run.pk}/change/" in links(client, f"#{run.pk}")
    assert "/guard/doorlimits/" in links(client, "limits")
    assert "/directories/directory/" in links(client, "directories")


def test_a_page_that_is_not_for_the_role_is_not_found() -> None:
    Directory.objects.create(name="Payroll", kind="sqlite")
    client = roll.helpdesk()
    assert links(client, "guard limits") == []
    assert links(client, "payroll") == []


def test_a_deleted_person_is_found(carol: User) -> None:
    services.delete_users([carol.pk], "root", by_person=True)
    for client in (roll.it_staff(), roll.helpdesk()):
        page = asked(client, "carol")
        assert f"/provisioning/user/deleted/{carol.pk}/" in page
        assert f"deleted {timezone.localdate()} by root" in page


@pytest.mark.heavy
def test_names_are_no_html_and_patterns_no_patterns() -> None:
    roll.person("eve", display_name="<b>Eve</b>")
    client = roll.helpdesk()
    assert "&lt;b&gt;Eve&lt;/b&gt;" in asked(client, "eve")
    for text in ("%", "_", "'; drop table", "\\", "a" * 5000, "٣", "💥"):
        assert "Nothing is found" in asked(client, text), text
    assert links(client, "\x00 ev\x00e") == links(client, "eve")


def test_the_search_is_a_page_too(carol: User) -> None:
    page = roll.words(roll.helpdesk().get("/search/?q=jones"))
    assert f"/provisioning/user/{carol.pk}/change/" in page
    assert "data-find" in page, "the box is on every page"


@pytest.mark.heavy
def test_a_search_costs_the_same_for_one_and_for_many(django_assert_max_num_queries) -> None:
    client = roll.root()
    for number in range(30):
        roll.person(f"jones{number}", last_name="Jones")
        Group.objects.create(name=f"Jones {number}")
        roll.directory(f"Jones {number}")
    asked(client, "jones")
    with django_assert_max_num_queries(40):
        assert "All people who are found" in asked(client, "jones")

"""The page of staff: who they are, how one is added, and the link with which they choose a password."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.test import Client
from django.utils import timezone

from config.one_time_links import tokens
from provisioning.models import Change, User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
LIST, ADD = "/portal/staff/", "/portal/staff/add/"
PASSWORD = {"new_password1": "correct-horse-9", "new_password2": "correct-horse-9"}


def new(role_name: str = HELPDESK, **more: str) -> dict[str, str]:
    """Return the form of a new member of staff."""
    chosen = role_name if role_name == "superuser" else str(Role.objects.get(name=role_name).pk)
    person = {"username": "helen", "first_name": "Helen", "last_name": "Desk", "email": "helen@example.org"}
    return {**person, "role": chosen, **more}


def link_in(response: Any) -> str:
    """Return the path of the link that a page shows."""
    found = re.search(r'id="one-time-link"[^>]*>http://testserver(/welcome/[^<]+)<', response.content.decode())
    assert found, response.content.decode()[:3000]
    return found[1]


def opened(path: str) -> tuple[Client, str, Any]:
    """Follow a link in a browser of its own; return where it leads and the page."""
    client = Client()
    page = client.get(path, follow=True)
    return client, page.redirect_chain[-1][0] if page.redirect_chain else path, page


@pytest.mark.heavy
def test_the_list_says_who_may_what_and_when_they_came(django_assert_max_num_queries: Any) -> None:
    root = roll.root()
    for number in range(12):
        roll.staff(HELPDESK, f"desk{number:02}")
    roll.person("anna")
    User.objects.filter(username="desk00").update(is_active=False, last_login=timezone.now() - dt.timedelta(days=1))
    with django_assert_max_num_queries(30):
        page = root.get(LIST)
    words = roll.words(page)
    assert "Select staff" not in words
    assert page.context["title"] == "Staff"
    assert [user.username for user in page.context["cl"].result_list][-1] == "root"
    assert len(page.context["cl"].result_list) == 13
    for expected in ("Helpdesk", "Superuser", "Everything", "Never", "Inactive", "No password yet"):
        assert expected in words
    assert f'href="/provisioning/user/{User.objects.get(username="desk00").pk}/change/"' in page.content.decode()
    assert [user.username for user in root.get(f"{LIST}?q=desk03").context["cl"].result_list] == ["desk03"]


@pytest.mark.parametrize(("role", "seen"), [(AUDITOR, 200), (IT_STAFF, 403), (HELPDESK, 403)])
def test_who_sees_it(role: str, seen: int) -> None:
    client = roll.signed_in(roll.staff(role, "me"))
    assert client.get(LIST).status_code == seen
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, new()).status_code == 403
    other = roll.staff(HELPDESK, "other")
    assert client.post(f"{LIST}{other.pk}/link/").status_code == 403


@pytest.mark.heavy
def test_one_form_makes_a_member_of_staff_who_chooses_the_password() -> None:
    response = roll.root().post(ADD, new())
    helen = User.objects.get(username="helen")
    assert (helen.is_staff, helen.is_superuser, helen.provisioned, helen.email) == (
        *(True, False, False),
        "helen@example.org",
    )
    assert [role.name for role in helen.groups.all()] == [HELPDESK]
    assert not Change.objects.exists()
    assert "no-store" in response["Cache-Control"]

    client, form, page = opened(link_in(response))
    assert "helen" in page.content.decode()
    assert client.post(form, {**PASSWORD, "new_password2": "another"}).status_code == 200
    assert client.post(form, {"new_password1": "helen", "new_password2": "helen"}).status_code == 200
    done = client.post(form, PASSWORD, follow=True)
    assert done.redirect_chain == [("/login/", 302)]
    assert "Your password is set." in done.content.decode()
    assert client.post("/login/", {"login": "helen", "password": PASSWORD["new_password1"]})["Location"] == "/"
    told = list(Event.objects.filter(user_id=helen.pk).order_by("id").values_list("message", "actor"))
    assert told[2:] == [
        ("root made a one-time link with which Helen Desk (helen) chooses a portal password.", "root"),
        ("helen chose a portal password by a one-time link from 127.0.0.1.", "helen"),
        ("helen signed in from 127.0.0.1.", "helen"),
    ]
    assert not Change.objects.exists(), "a portal password is no news for directories"


def test_a_superuser_is_added_in_the_same_form() -> None:
    roll.root().post(ADD, new("superuser"))
    helen = User.objects.get(username="helen")
    assert (helen.is_superuser, helen.groups.count()) == (True, 0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"username": "ROOT"}, "is on the roll already"),
        ({"username": ""}, "This field is required"),
        ({"role": "999999"}, "Select a valid choice"),
        ({"role": ""}, "This field is required"),
        ({"email": "x"}, "valid email"),
    ],
)
def test_what_is_wrong_is_said(more: dict[str, str], words: str) -> None:
    response = roll.root().post(ADD, new(**more))
    assert words in roll.words(response)
    assert not User.objects.filter(username="helen").exists()


def dead(path: str) -> None:
    """Ask that the link opens nothing, and says so."""
    client, form, page = opened(path)
    assert "This link was used already" in page.content.decode()
    assert "new_password1" not in page.content.decode()
    client.post(form, PASSWORD)
    assert not any(user.check_password(PASSWORD["new_password1"]) for user in User.objects.all())


@pytest.mark.heavy
def test_a_link_works_once() -> None:
    path = link_in(roll.root().post(ADD, new()))
    client, form, _ = opened(path)
    another, also, _ = opened(path)
    client.post(form, {"new_password1": "first-choice-77", "new_password2": "first-choice-77"})
    another.post(also, PASSWORD)
    dead(path)
    assert User.objects.get(username="helen").check_password("first-choice-77")


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_a_link_ends_with_the_right_to_sign_in(change: dict[str, bool]) -> None:
    path = link_in(roll.root().post(ADD, new()))
    User.objects.filter(username="helen").update(**change)
    dead(path)


def test_a_link_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    path = link_in(roll.root().post(ADD, new()))
    started = dt.datetime.now()
    monkeypatch.setattr(type(tokens), "_now", lambda self: started + dt.timedelta(hours=23, minutes=59))
    assert "new_password1" in opened(path)[2].content.decode()
    monkeypatch.setattr(type(tokens), "_now", lambda self: started + dt.timedelta(hours=24, minutes=1))
    dead(path)


@pytest.mark.parametrize(
    "path", ["/welcome/MQ/abc-def/", "/welcome/!!/x/", "/welcome/MQ/now/", "/welcome/OTk5OTk5/a-b/"]
)
def test_a_made_up_link(path: str) -> None:
    roll.root()
    dead(path)


@pytest.mark.heavy
def test_another_link_takes_the_place_of_the_one_before() -> None:
    root = roll.root()
    first = link_in(root.post(ADD, new()))
    page = f"{LIST}{User.objects.get(username='helen').pk}/link/"
    assert "Make a link" in roll.words(root.get(page))
    second = link_in(root.post(page))
    dead(first)
    assert "new_password1" in opened(second)[2].content.decode()


@pytest.mark.heavy
def test_a_forgotten_password_is_chosen_anew_and_the_link_shown_once() -> None:
    root, desk = roll.root(), roll.staff(HELPDESK, "desk")
    desk.set_password("the-old-one-1")
    desk.save()
    page = f"{LIST}{desk.pk}/link/"
    path = link_in(root.post(page))
    assert "/welcome/" not in root.get(page).content.decode()
    assert User.objects.get(pk=desk.pk).check_password("the-old-one-1")
    client, form, _ = opened(path)
    client.post(form, PASSWORD)
    assert User.objects.get(pk=desk.pk).check_password(PASSWORD["new_password1"])


def test_there_is_no_link_for_people_who_may_not_sign_in() -> None:
    root, anna = roll.root(), roll.person("anna")
    assert root.post(f"{LIST}{anna.pk}/link/").status_code == 404
    assert root.post(f"{LIST}999999/link/").status_code == 404

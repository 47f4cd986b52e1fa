"""People who are not staff: who of them signs in, where they come to, and what stays shut."""

import base64
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from config import one_time_links
from config.signin import chosen, sessions
from config.signin.adapter import WRONG
from config.signin.models import ChosenPassword, SignInSettings
from provisioning.models import User
from reports.models import Event
from tests.config.signin.conftest import HERE, PASSWORD, sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def self_service(db: None) -> SignInSettings:
    return SignInSettings.objects.create(pk=1, self_service=True)


@pytest.fixture
def anna(self_service: SignInSettings) -> User:
    user = User.objects.create_user("anna", PASSWORD, email="anna@example.org")
    chosen.note(user)
    return user


def test_a_person_comes_to_their_own_pages(anna: User) -> None:
    response = sign_in("anna")
    assert (response.status_code, response["Location"]) == (302, "/my/")
    assert Event.objects.get(operation="sign_in").message == f"anna signed in from {HERE}."


@pytest.mark.parametrize(
    ("wanted", "where"),
    [("/my/password/", "/my/password/"), ("/provisioning/user/", "/my/"), ("//evil.example/my/", "/my/"), ("", "/my/")],
)
def test_a_person_is_led_to_pages_that_are_theirs(anna: User, wanted: str, where: str) -> None:
    data = {"login": "anna", "password": PASSWORD, "next": wanted}
    assert Client().post("/login/", data)["Location"] == where


def test_staff_are_led_to_both(anna: User) -> None:
    User.objects.create_user("root", PASSWORD, is_staff=True)
    for wanted, where in (("", "/"), ("/my/sessions/", "/my/sessions/"), ("/reports/event/", "/reports/event/")):
        data = {"login": "root", "password": PASSWORD, "next": wanted}
        assert Client().post("/login/", data)["Location"] == where


def test_a_person_opens_no_page_of_staff_and_is_not_sent_in_circles(anna: User, client: Client) -> None:
    client.force_login(anna)
    for address in ("/", "/provisioning/user/", f"/provisioning/user/{anna.pk}/change/", "/portal/staff/"):
        page = client.get(address, follow=True)
        assert page.redirect_chain[-1][0] == "/my/", address
        assert "<h1>My access</h1>" in page.content.decode()


def test_a_person_uses_neither_api_nor_scim(anna: User, client: Client) -> None:
    client.force_login(anna)
    assert client.post("/api/v1/users/anna/password", {}, content_type="application/json").status_code == 403
    header = {"Authorization": "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()}
    content = {"data": '{"password": "a-new-Secret-1"}', "content_type": "application/json"}
    assert client.post("/api/v1/users/anna/password", headers=header, **content).status_code == 403  # type: ignore[arg-type]
    assert client.get("/scim/v2/Users").status_code == 401


def test_switched_off_nobody_but_staff_comes_in_and_sessions_end(anna: User, client: Client) -> None:
    client.force_login(anna)
    assert client.get("/my/account/").status_code == 200
    SignInSettings.objects.update(self_service=False)
    assert client.get("/my/account/")["Location"].startswith("/login/")
    assert words(sign_in("anna")) == words(sign_in("nobody")) == [WRONG]


@pytest.mark.parametrize("change", ["inactive", "imported", "never chosen"])
def test_others_are_refused_in_the_words_of_a_wrong_password(anna: User, change: str) -> None:
    """A password that an import or an application wrote is known to others, too."""
    if change == "inactive":
        User.objects.filter(pk=anna.pk).update(is_active=False)
    if change == "imported":
        User.objects.filter(pk=anna.pk).update(password=make_password(PASSWORD))
    if change == "never chosen":
        ChosenPassword.objects.all().delete()
    assert words(sign_in("anna")) == [WRONG]


@pytest.mark.heavy
def test_a_password_that_is_hashed_anew_stays_the_chosen_one(anna: User, settings: Any) -> None:
    User.objects.filter(pk=anna.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha1"))
    anna.refresh_from_db()
    chosen.note(anna)
    for _ in range(2):
        assert sign_in("anna").status_code == 302
    anna.refresh_from_db()
    assert not anna.password.startswith("pbkdf2_sha1$")


def test_known_and_unknown_people_cost_the_same(anna: User, django_assert_num_queries: Any) -> None:
    for name in ("anna", "nobody"):
        sign_in(name, "wrong")
    for name in ("anna", "nobody"):
        with django_assert_num_queries(11):
            sign_in(name, "wrong")


def test_a_link_ends_no_session_of_who_signs_in_without_a_password(anna: User, client: Client) -> None:
    anna.set_unusable_password()
    anna.save()
    first = one_time_links.make(anna, "anna")
    assert one_time_links.make(anna, "anna") != first
    client.force_login(anna)
    anna.refresh_from_db()
    one_time_links.make(anna, "anna")
    assert client.get("/my/account/").status_code == 200


def test_a_session_stays_in_the_list_when_its_key_changes(anna: User, client: Client) -> None:
    client.post("/login/", {"login": "anna", "password": PASSWORD})
    client.post("/my/password/", {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"})
    assert client.get("/my/account/").status_code == 200
    assert [one.session_key for one in sessions.of(anna)] == [client.session.session_key]
    sessions.end_all([anna.pk])
    assert client.get("/my/account/")["Location"].startswith("/login/")


def test_a_password_is_changed_on_ones_own_page(anna: User, client: Client) -> None:
    client.post("/login/", {"login": "anna", "password": PASSWORD})
    other = Client()
    other.post("/login/", {"login": "anna", "password": PASSWORD})
    new = {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}
    assert client.post("/my/password/", new)["Location"] == "/my/account/"
    assert client.get("/my/account/").status_code == 200
    assert other.get("/my/account/")["Location"].startswith("/login/")
    assert sign_in("anna", "battery-staple-7").status_code == 302
    assert Event.objects.filter(operation="password").get().message.startswith("anna changed their portal password")

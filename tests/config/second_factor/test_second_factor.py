"""Authenticator apps, recovery codes, who needs one, sessions, and proving once more who one is."""

import re
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client

from config.second_factor import held
from config.second_factor.adapter import WRONG_CODE
from config.signin import again, chosen
from config.signin.models import SignInSettings, Tries
from directories import encryption
from directories.models import Directory
from provisioning.models import User
from provisioning.roles import HELPDESK
from reports.models import Event, Evidence
from tests.config.second_factor.conftest import SECRET, code_of, with_app
from tests.config.signin.conftest import HERE, PASSWORD, sign_in
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
SECOND = "/login/second/"


def begun(name: str = "root", **more: str) -> Client:
    """Return a browser in which the password was right."""
    client = Client()
    response = client.post("/login/", {"login": name, "password": PASSWORD, **more}, REMOTE_ADDR=HERE)
    assert response["Location"] == SECOND
    return client


def lines() -> list[str]:
    return list(Event.objects.order_by("id").values_list("message", flat=True))


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", PASSWORD)


# --- The second step -------------------------------------------------------------------------------------------------


def test_nothing_opens_between_the_steps_and_everything_after_them(root: User) -> None:
    with_app(root)
    client = begun(next="/reports/event/")
    assert client.get("/")["Location"] == "/login/?next=/"
    assert client.get("/my/account/")["Location"].startswith("/login/")
    assert client.post(SECOND, {"code": code_of()}, REMOTE_ADDR=HERE)["Location"] == "/reports/event/"
    assert client.get("/").status_code == 200
    assert lines()[-1] == f"root signed in from {HERE}, with an authenticator app."


def test_a_code_is_taken_once_whichever_process_looks(root: User) -> None:
    with_app(root)
    code = code_of()
    assert begun().post(SECOND, {"code": code}).status_code == 302
    from django.core.cache import cache

    cache.clear()  # another process has another cache
    page = begun().post(SECOND, {"code": code})
    assert page.context["form"].errors["code"] == [WRONG_CODE]


@pytest.mark.heavy
def test_wrong_codes_are_told_and_make_pause_whatever_the_browser(root: User, later: Callable[..., None]) -> None:
    with_app(root)
    for _ in range(5):
        begun().post(SECOND, {"code": "000000"}, REMOTE_ADDR=HERE)
    page = begun().post(SECOND, {"code": code_of()})
    assert page.context["form"].errors["code"] == ["Too many wrong codes. Try again in 5 minutes."]
    assert lines().count(f"Wrong code of root from {HERE}.") == 5
    later(minutes=5)
    assert begun().post(SECOND, {"code": code_of()}).status_code == 302


def test_a_secret_is_stored_as_every_other_one(root: User, settings: Any) -> None:
    from cryptography.fernet import Fernet

    with_app(root)
    old = Authenticator.objects.get().data["secret"]
    assert SECRET not in old
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    call_command("reencrypt", stdout=StringIO())
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    assert Authenticator.objects.get().data["secret"] != old
    assert begun().post(SECOND, {"code": code_of()}).status_code == 302


# --- One's own page --------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_an_app_is_added_with_codes_that_are_shown_once_and_used_once(
    root: User, django_capture_on_commit_callbacks: Any
) -> None:
    client = Client()
    client.post("/login/", {"login": "root", "password": PASSWORD})
    page = client.get("/my/second-factor/app/").content.decode()
    found = re.search(r'class="my-secret">([A-Z2-7]+)<', page)
    assert found
    assert "data:image/svg+xml" in page
    assert client.post("/my/second-factor/app/", {"code": "000000"}).context["form"].errors["code"] == [WRONG_CODE]
    with django_capture_on_commit_callbacks(execute=True):
        added = client.post("/my/second-factor/app/", {"code": code_of(found[1])}, REMOTE_ADDR=HERE)
    assert added["Location"] == "/my/second-factor/codes/"
    shown = client.get(added["Location"]).content.decode()
    codes = [a + b for a, b in re.findall(r"<code>(\d{4}) (\d{4})</code>", shown)]
    assert len(codes) == 10
    assert codes[0][:4] not in client.get("/my/second-factor/codes/").content.decode()
    assert f"root added an authenticator app from {HERE}." in lines()
    assert begun().post(SECOND, {"code": codes[3]}, REMOTE_ADDR=HERE).status_code == 302
    assert f"root used a recovery code from {HERE}." in lines()
    assert begun().post(SECOND, {"code": codes[3]}).status_code == 200
    assert "9 left" in client.get("/my/second-factor/").content.decode()


def test_what_is_removed_takes_its_codes_with_it(root: User, client: Client) -> None:
    with_app(root)
    Authenticator.objects.create(
        user=root, type="recovery_codes", data={"seed": encryption.encrypt("0" * 80), "used_mask": 0}
    )
    client.force_login(root)
    assert client.post("/my/second-factor/app/remove/", REMOTE_ADDR=HERE)["Location"] == "/my/second-factor/"
    assert not Authenticator.objects.exists()
    assert lines() == [f"root removed an authenticator app from {HERE}.", f"root removed recovery codes from {HERE}."]


def test_nobody_touches_the_factors_of_others(root: User, client: Client) -> None:
    other = User.objects.create_user("other", is_staff=True)
    key = Authenticator.objects.create(user=root, type="webauthn", data={"name": "Key"})
    client.force_login(other)
    assert client.post(f"/my/second-factor/passkey/{key.pk}/remove/").status_code == 404
    assert Authenticator.objects.exists()


# --- Staff who need one ----------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_staff_who_need_one_set_it_up_before_anything_else(root: User) -> None:
    SignInSettings.objects.create(pk=1, second_factor=True, self_service=True)
    client = Client()
    client.post("/login/", {"login": "root", "password": PASSWORD})
    for address in ("/", "/provisioning/user/", "/api/v1/users/root/password"):
        assert client.get(address)["Location"] == "/my/second-factor/", address
    assert "Staff of this portal need a second factor" in client.get("/my/second-factor/").content.decode()
    found = re.search(r'class="my-secret">([A-Z2-7]+)<', client.get("/my/second-factor/app/").content.decode())
    assert found
    client.post("/my/second-factor/app/", {"code": code_of(found[1])})
    assert client.get("/").status_code == 200
    client.post("/my/second-factor/app/remove/")
    assert client.get("/")["Location"] == "/my/second-factor/"


def test_who_becomes_staff_sets_one_up_in_the_same_session(root: User, client: Client) -> None:
    SignInSettings.objects.create(pk=1, second_factor=True, self_service=True)
    anna = User.objects.create_user("anna", PASSWORD)
    chosen.note(anna)
    client.post("/login/", {"login": "anna", "password": PASSWORD})
    assert client.get("/my/account/").status_code == 200
    User.objects.filter(pk=anna.pk).update(is_staff=True)
    assert client.get("/")["Location"] == "/my/second-factor/"


@pytest.mark.heavy
def test_the_setting_asks_its_own_owner_first_and_ends_the_sessions_of_others(root: User) -> None:
    client, desk = Client(), Client()
    other = roll.staff(HELPDESK, "desk")
    other.set_password(PASSWORD)
    other.save()
    desk.post("/login/", {"login": "desk", "password": PASSWORD})
    client.post("/login/", {"login": "root", "password": PASSWORD})
    page = client.post("/signin/signinsettings/", {"second_factor": "on"})
    assert "Add a second factor of your own first" in page.content.decode()
    with_app(root)
    page = client.post("/signin/signinsettings/", {"second_factor": "on"}, follow=True)
    assert "1 sessions ended" in page.content.decode()
    assert SignInSettings.objects.get().second_factor
    assert desk.get("/")["Location"].startswith("/login/")
    assert client.get("/").status_code == 200
    assert Evidence.objects.latest("seq").payload["what"] == "root changed who signs in, and how."
    assert desk.post("/login/", {"login": "desk", "password": PASSWORD}).status_code == 302
    assert desk.get("/")["Location"] == "/my/second-factor/"


# --- Those who lost theirs -------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_superuser_takes_a_colleagues_factor_away(root: User, client: Client) -> None:
    desk = roll.staff(HELPDESK, "desk")
    with_app(desk)
    theirs, address = Client(), f"/portal/staff/{desk.pk}/second-factor/"
    desk.set_password(PASSWORD)
    desk.save()
    theirs.post("/login/", {"login": "desk", "password": PASSWORD})
    theirs.post(SECOND, {"code": code_of()})
    assert theirs.post(address).status_code == 403
    client.force_login(root)
    assert "Take it away" in client.get(address).content.decode()
    client.post(address)
    assert not held.has_one(desk)
    assert theirs.get("/")["Location"].startswith("/login/")
    assert lines()[-1] == "root took the second factor of desk away, and ended their sessions."
    assert Evidence.objects.latest("seq").payload["by"] == "root"
    assert sign_in("desk")["Location"] == "/"


@pytest.mark.heavy
def test_the_last_superuser_is_let_in_by_a_command(root: User) -> None:
    with_app(root)
    User.objects.filter(pk=root.pk).update(is_staff=False)
    for _ in range(5):
        sign_in("root", "wrong")
    out = StringIO()
    call_command("let_in", "ROOT", stdout=out)
    found = re.search(r"http://localhost:8000(/welcome/\S+)", out.getvalue())
    assert found
    client = Client()
    page = client.get(found[1], follow=True)
    new = {"new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}
    client.post(page.redirect_chain[-1][0], new)
    assert sign_in("root", "battery-staple-7")["Location"] == "/"
    assert not Tries.objects.filter(until__isnull=False).exists()
    assert "The machine's operator let root in again: no second factor, no sessions, and a one-time link." in lines()
    User.objects.create_user("anna")
    with pytest.raises(CommandError, match="no superuser"):
        call_command("let_in", "anna", stdout=out)


# --- Sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_sessions_are_listed_and_ended(root: User) -> None:
    here, there, third = (
        Client(),
        Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}),
        Client(),
    )
    for client, address in ((here, HERE), (there, "198.51.100.7"), (third, "")):
        client.post("/login/", {"login": "root", "password": PASSWORD}, REMOTE_ADDR=address)
    page = here.get("/my/sessions/").content.decode()
    assert "Firefox on Linux" in page
    assert "an unknown address" in page
    found = re.search(r'name="session" value="(\d+)"[^>]*><button[^>]*Firefox', page)
    assert found
    stranger = Client()
    stranger.force_login(User.objects.create_user("other", is_staff=True))
    stranger.post("/my/sessions/", {"session": found[1]})
    assert there.get("/").status_code == 200
    here.post("/my/sessions/", {"session": found[1]}, REMOTE_ADDR=HERE)
    assert there.get("/")["Location"].startswith("/login/")
    assert (third.get("/").status_code, here.get("/").status_code) == (200, 200)
    here.post("/my/sessions/")
    assert third.get("/")["Location"].startswith("/login/")
    assert here.get("/").status_code == 200
    assert lines()[-2] == f"root ended 1 other session of theirs from {HERE}."


# --- Proving it once more --------------------------------------------------------------------------------------------


def aged(client: Client, seconds: float) -> None:
    """Let the proof of a session be that old."""
    session = client.session
    who, _ = session[again.KEPT]
    session[again.KEPT] = [who, time.time() - seconds]
    session.save()


@pytest.fixture
def old(root: User) -> Client:
    """A browser whose owner signed in a good hour ago."""
    client = Client()
    client.post("/login/", {"login": "root", "password": PASSWORD})
    aged(client, 3700)
    return client


DANGEROUS = ("/portal/staff/add/", "/portal/role/add/", "/my/password/", "/my/second-factor/app/")


@pytest.mark.heavy
@pytest.mark.parametrize("address", DANGEROUS)
def test_a_dangerous_page_asks_for_the_password_and_leads_back(old: Client, address: str) -> None:
    asked = old.get(address, follow=True)
    assert asked.redirect_chain[-1][0].startswith("/login/again/password/?next=")
    assert old.post(asked.redirect_chain[-1][0], {"password": "wrong"}).status_code == 200
    assert old.get(address).status_code == 302
    assert old.post(asked.redirect_chain[-1][0], {"password": PASSWORD})["Location"] == address
    assert old.get(address).status_code == 200
    assert old.get("/").status_code == 200


@pytest.mark.heavy
def test_what_was_sent_too_late_is_done_after_the_proof(old: Client) -> None:
    person = {"username": "helen", "first_name": "Helen", "last_name": "Desk", "email": "h@x.org", "role": "superuser"}
    asked = old.post("/portal/staff/add/", person, follow=True)
    assert not User.objects.filter(username="helen").exists()
    page = old.post(asked.redirect_chain[-1][0], {"password": PASSWORD})
    assert page.status_code == 200
    assert "one-time-link" in page.content.decode()
    assert User.objects.get(username="helen").is_superuser


@pytest.mark.heavy
def test_rights_ask_and_the_rest_of_a_user_does_not(old: Client) -> None:
    anna = roll.person("anna")
    address = f"/provisioning/user/{anna.pk}/change/"
    assert old.get(address).status_code == 200
    assert old.post(address, roll.form(first_name="Anna"))["Location"] == "/provisioning/user/"
    asked = old.post(address, roll.form(first_name="Anna", is_superuser="on", is_staff="on"))
    assert asked["Location"].startswith("/login/again/?next=")
    anna.refresh_from_db()
    assert (anna.first_name, anna.is_superuser) == ("Anna", False)


def test_no_other_spelling_of_a_user_gives_rights_without_a_proof(old: Client) -> None:
    anna = roll.person("anna")
    quoted = "".join(f"_{ord(digit):x}" for digit in str(anna.pk))
    for spelling in (quoted, f"%20{anna.pk}", f"+{anna.pk}"):
        form = roll.form(first_name="Anna", is_superuser="on", is_staff="on")
        asked = old.post(f"/provisioning/user/{spelling}/change/", form)
        assert asked["Location"].startswith("/login/again/?next="), spelling
    anna.refresh_from_db()
    assert not anna.is_superuser


def test_rights_are_taken_away_after_a_proof_alone(old: Client) -> None:
    other = User.objects.create_superuser("other", PASSWORD)
    form = roll.form(first_name="Other", is_staff="on", is_superuser="false")
    assert old.post(f"/provisioning/user/{other.pk}/change/", form)["Location"].startswith("/login/again/?next=")
    other.refresh_from_db()
    assert other.is_superuser


def test_a_new_user_with_rights_asks_and_one_without_does_not(old: Client) -> None:
    rights = {"is_staff": "on", "is_superuser": "on"}
    asked = old.post("/provisioning/user/add/", roll.form(username="mallory", **rights))
    assert asked["Location"].startswith("/login/again/?next=")
    assert not User.objects.filter(username="mallory").exists()
    old.post("/provisioning/user/add/", roll.form(username="anna"))
    assert User.objects.filter(username="anna").exists()


def test_tokens_to_push_are_made_and_withdrawn_after_a_proof_alone(old: Client) -> None:
    directory = Directory.objects.create(name="HR", kind="push")
    address = f"/directories/directory/{directory.pk}/tokens/"
    assert old.get(address).status_code == 200
    for sent in ({"do": "make", "label": "Job", "days": "30"}, {"do": "withdraw", "token": "1"}):
        assert old.post(address, sent)["Location"].startswith("/login/again/?next=")
    assert not directory.push_tokens.exists()


def test_what_was_sent_and_never_proved_is_not_done_by_a_later_proof(old: Client) -> None:
    person = {"username": "helen", "first_name": "Helen", "last_name": "Desk", "email": "h@x.org", "role": "superuser"}
    old.post("/portal/staff/add/", person)
    asked = old.get("/portal/staff/add/", follow=True)
    assert old.post(asked.redirect_chain[-1][0], {"password": PASSWORD})["Location"] == "/portal/staff/add/"
    assert not User.objects.filter(username="helen").exists()


def test_the_proof_is_the_one_of_the_person_who_is_signed_in(old: Client, root: User) -> None:
    session = old.session
    session[again.KEPT] = [root.pk + 1, time.time()]
    session.save()
    assert old.get("/portal/role/add/").status_code == 302


@pytest.mark.heavy
def test_wrong_passwords_before_a_dangerous_page_count_as_everywhere(old: Client) -> None:
    for _ in range(5):
        old.post("/login/again/password/?next=/portal/role/add/", {"password": "wrong"}, REMOTE_ADDR=HERE)
    page = old.post("/login/again/password/?next=/portal/role/add/", {"password": PASSWORD}, REMOTE_ADDR=HERE)
    assert "Too many wrong sign-ins" in page.content.decode()


@pytest.mark.heavy
def test_a_code_of_the_app_is_a_proof_too(old: Client, root: User) -> None:
    with_app(root)
    asked = old.get("/login/again/password/?next=/portal/role/add/").content.decode()
    assert "/login/again/code/?next=" in asked
    page = old.post("/login/again/code/?next=/portal/role/add/", {"code": code_of()})
    assert page["Location"] == "/portal/role/add/"
    assert old.get("/portal/role/add/").status_code == 200

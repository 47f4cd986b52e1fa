"""The sign-in page: who is let in, what wrong ones cost, and that nothing tells who exists."""

import base64
import datetime as dt
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as portal_settings
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config.signin import again, backend, counting, events
from config.signin.adapter import WRONG
from config.signin.limits import TryLimit
from config.signin.models import Tries
from provisioning.models import User
from reports.models import Event, Operation, Result
from tests.config.signin.conftest import ELSEWHERE, HERE, PASSWORD, sign_in, words, wrong

pytestmark = pytest.mark.django_db
TOO_MANY = "Too many wrong sign-ins. Try again in 5 minutes."


def lines(**about: Any) -> list[str]:
    return list(Event.objects.filter(**about).order_by("id").values_list("message", flat=True))


# --- Who is let in ---------------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["admin", "ADMIN", " admin "])
def test_staff_come_in_by_name_in_any_case(admin: User, name: str) -> None:
    response = sign_in(name)
    assert (response.status_code, response["Location"]) == (302, "/")


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"is_staff": False}, {"password": "!"}, {"is_staff": False, "is_superuser": True}],
)
def test_others_are_refused_in_the_words_of_a_wrong_password(admin: User, change: dict[str, Any]) -> None:
    User.objects.filter(pk=admin.pk).update(**change)
    assert words(sign_in("admin")) == words(sign_in("nobody")) == [WRONG]


def test_a_name_that_holds_a_zero_is_nobody(admin: User) -> None:
    header = base64.b64encode(f"adm\x00in:{PASSWORD}".encode()).decode()
    response = Client().post("/api/v1/users/anna/password", headers={"Authorization": f"Basic {header}"})
    assert response.status_code in {401, 404, 415}


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"password": "pbkdf2_sha256$1$a$b"}])
def test_a_session_ends_with_the_right_to_it(admin: User, client: Client, change: dict[str, Any]) -> None:
    client.post("/login/", {"login": "admin", "password": PASSWORD})
    assert client.get("/").status_code == 200
    assert client.session.get_expiry_age() == portal_settings.SESSION_COOKIE_AGE
    User.objects.filter(pk=admin.pk).update(**change)
    assert client.get("/")["Location"] == "/login/?next=/"


def test_signing_in_leads_back_to_the_page_that_was_asked_for(admin: User, client: Client) -> None:
    asked = client.get("/reports/event/?span=hour")
    assert asked["Location"] == "/login/?next=/reports/event/%3Fspan%3Dhour"
    page = client.get(asked["Location"])
    assert 'name="next" value="/reports/event/?span=hour"' in page.content.decode()
    data = {"login": "admin", "password": PASSWORD, "next": "/reports/event/?span=hour"}
    assert client.post("/login/", data)["Location"] == "/reports/event/?span=hour"
    assert client.get("/login/?next=/reports/event/")["Location"] == "/reports/event/"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "javascript:alert(1)", "http://localhost/", "/\\evil.example"]
)
def test_signing_in_leads_nowhere_else(admin: User, target: str) -> None:
    data = {"login": "admin", "password": PASSWORD, "next": target}
    assert Client().post("/login/", data)["Location"] == "/"
    assert Client().post(f"/login/?next={target}", {"login": "admin", "password": PASSWORD})["Location"] == "/"


def test_signing_out_is_a_button(admin: User, client: Client) -> None:
    client.post("/login/", {"login": "admin", "password": PASSWORD})
    assert client.get("/logout/").status_code == 405
    page = client.post("/logout/", follow=True)
    assert page.redirect_chain == [("/login/", 302)]
    assert "You are signed out." in page.content.decode()
    assert client.get("/")["Location"] == "/login/?next=/"


@pytest.mark.parametrize("address", ["/password_change/", "/password_change/done/"])
def test_djangos_page_for_an_own_password_leads_to_the_one_that_asks_for_a_proof(
    admin: User, client: Client, address: str
) -> None:
    client.post("/login/", {"login": "admin", "password": PASSWORD})
    session = client.session
    session[again.KEPT] = [admin.pk, 0.0]
    session.save()
    data = {"old_password": PASSWORD, "new_password1": "battery-staple-7", "new_password2": "battery-staple-7"}
    assert client.post(address, data)["Location"] == "/my/password/"
    assert client.get(address)["Location"] == "/my/password/"
    assert client.post("/my/password/", data)["Location"].startswith("/login/again/")
    admin.refresh_from_db()
    assert admin.check_password(PASSWORD)


# --- Too many wrong ones ---------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_after_five_wrong_ones_a_right_one_is_refused_too(admin: User, later: Callable[..., None]) -> None:
    wrong("admin", 5)
    assert words(sign_in("admin", "wrong")) == words(sign_in("admin")) == [TOO_MANY]
    assert words(sign_in("nobody", "wrong")) == [WRONG]
    later(minutes=3)
    assert words(sign_in("admin")) == ["Too many wrong sign-ins. Try again in 2 minutes."]
    later(minutes=2)
    assert sign_in("admin").status_code == 302


@pytest.mark.heavy
def test_the_pause_grows(admin: User, later: Callable[..., None]) -> None:
    wrong("admin", 5)
    later(minutes=5)
    wrong("admin", 5)
    assert words(sign_in("admin")) == ["Too many wrong sign-ins. Try again in 10 minutes."]


@pytest.mark.heavy
def test_a_right_one_forgets_the_wrong_ones(admin: User) -> None:
    for _ in range(3):
        wrong("admin", 4)
        assert sign_in("admin").status_code == 302


def test_whoever_does_not_exist_is_refused_alike(admin: User) -> None:
    wrong("nobody", 5)
    assert words(sign_in("nobody", "wrong")) == [TOO_MANY]


@pytest.mark.heavy
def test_one_address_tries_many_accounts(admin: User) -> None:
    for number in range(20):
        wrong(f"user{number}")
    assert words(sign_in("admin")) == [TOO_MANY]
    assert sign_in("admin", address=ELSEWHERE).status_code == 302


@pytest.mark.heavy
def test_a_right_one_of_ones_own_buys_no_more_wrong_ones(admin: User) -> None:
    User.objects.create_user("mallory", PASSWORD, is_staff=True)
    for number in range(20):
        wrong(f"user{number}")
        if number < 19:
            assert sign_in("mallory").status_code == 302
    assert words(sign_in("mallory")) == [TOO_MANY]


@pytest.mark.heavy
def test_nobody_is_locked_out_from_elsewhere(admin: User, later: Callable[..., None]) -> None:
    """One other address never reaches the account's own limit; many do, but not where its owner usually signs in."""
    assert sign_in("admin").status_code == 302
    wrong("admin", 5, ELSEWHERE)
    assert sign_in("admin").status_code == 302
    assert sign_in("admin", address="192.0.2.99").status_code == 302
    for number in range(10):
        wrong("admin", 5, f"192.0.2.{number}")
    assert words(sign_in("admin", address="192.0.2.200")) == ["Too many wrong sign-ins. Try again in 15 minutes."]
    assert sign_in("admin").status_code == 302
    later(minutes=15)
    assert sign_in("admin", address="192.0.2.200").status_code == 302


@pytest.mark.heavy
def test_a_made_up_address_is_no_way_round(admin: User, settings: Any) -> None:
    for number in range(5):
        sign_in("admin", "wrong", **{"X-Forwarded-For": f"10.9.8.{number}"})
    assert words(sign_in("admin", **{"X-Forwarded-For": "10.9.8.77"})) == [TOO_MANY]
    settings.TRUSTED_PROXIES = 1
    for number in range(5):
        sign_in("admin", "wrong", **{"X-Forwarded-For": f"10.9.8.{number}, {ELSEWHERE}"})
    assert words(sign_in("admin", **{"X-Forwarded-For": f"10.9.8.77, {ELSEWHERE}"})) == [TOO_MANY]
    assert sign_in("admin", **{"X-Forwarded-For": "192.0.2.1"}).status_code == 302


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_moment_are_all_counted(admin: User) -> None:
    """Before the password is looked at: of forty at once, in threads as in processes, five are."""

    def one(_: int) -> bool:
        try:
            return WRONG in sign_in("admin", "wrong").content.decode()  # its context is no thread's own
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(40))) == 5
    assert words(sign_in("admin")) == [TOO_MANY]


def test_right_ones_at_the_same_moment_begin_no_pause(admin: User) -> None:
    """Five are being looked at: another one is asked to wait for a moment, and then it is let in."""
    attempts = [backend._Attempt("admin", HERE) for _ in range(5)]
    assert words(sign_in("admin")) == ["Too many sign-ins at the same moment. Try again in a few seconds."]
    for attempt in attempts:
        attempt.was_right()
    assert sign_in("admin").status_code == 302


def test_known_and_unknown_names_cost_the_same(admin: User, django_assert_num_queries: Any) -> None:
    """The same queries and one password hash, whoever it is."""
    wrong("admin")
    wrong("nobody")
    with django_assert_num_queries(10):
        wrong("admin")
    with django_assert_num_queries(10):
        wrong("nobody")


def test_old_tries_are_pruned_and_usual_addresses_kept(admin: User, later: Callable[..., None]) -> None:
    sign_in("admin")
    wrong("nobody")
    later(days=2)
    counting.prune()
    assert Tries.objects.count() == Tries.objects.filter(right_at__isnull=False).count() == 1
    later(days=90)
    counting.prune()
    assert not Tries.objects.exists()


# --- What is told ----------------------------------------------------------------------------------------------------


def test_signing_in_and_out_is_told(admin: User, client: Client) -> None:
    client.post("/login/", {"login": "admin", "password": PASSWORD}, REMOTE_ADDR=HERE)
    client.post("/logout/", REMOTE_ADDR=HERE)
    came, went = Event.objects.order_by("id")
    assert (came.operation, came.result, came.message) == ("sign_in", "success", f"admin signed in from {HERE}.")
    assert (came.actor, came.user_id, came.identifier) == ("admin", admin.pk, "admin")
    assert (went.operation, went.message) == (Operation.SIGN_OUT, f"admin signed out from {HERE}.")


@pytest.mark.heavy
def test_wrong_ones_are_one_line_that_counts_and_one_of_the_pause(
    admin: User, caplog: pytest.LogCaptureFixture, later: Callable[..., None]
) -> None:
    with caplog.at_level(logging.WARNING, "config.signin"):
        wrong("admin", 5)
        sign_in("admin")
    expected = [
        f"5 times: wrong sign-in as admin from {HERE}.",
        f"Too many: no sign-in as admin from {HERE} for 5 minutes.",
    ]
    assert lines(operation=Operation.SIGN_IN, result=Result.FAILED, user_id=admin.pk) == expected
    assert caplog.messages == [
        *[f"Wrong sign-in as admin from {HERE}"] * 5,
        f"Too many: no sign-in as admin from {HERE} for 5 minutes.",
        f"Refused: sign-in as admin from {HERE}",
    ]
    later(minutes=5)
    wrong("admin")
    assert lines()[-1] == f"Wrong sign-in as admin from {HERE}."
    assert len(lines()) == 3


def test_what_is_typed_into_the_wrong_box_is_told_nowhere(admin: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        sign_in(PASSWORD, PASSWORD)
        sign_in("admin", "another-secret-1")
    told_words = " ".join([*lines(), *caplog.messages, *Event.objects.values_list("identifier", flat=True)])
    assert "a user name that nobody has" in told_words
    assert PASSWORD not in told_words
    assert "another-secret-1" not in told_words


@pytest.mark.heavy
def test_nobody_fills_the_report(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LINES", TryLimit(most=6, window=dt.timedelta(hours=1)))
    for number in range(30):
        wrong(f"user{number}", address=f"192.0.2.{number}")
    assert len(lines()) == 6
    assert lines()[-1] == events.ENOUGH
    assert sign_in("admin").status_code == 302
    assert lines()[-1] == f"admin signed in from {HERE}."


# --- django-allauth --------------------------------------------------------------------------------------------------


def addresses(patterns: list[Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return each address whose view is allauth's, and its name."""
    found = []
    for entry in patterns:
        if isinstance(entry, URLResolver):
            found += addresses(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            view = getattr(entry.callback, "view_class", entry.callback)
            if any(part.__module__.startswith("allauth") for part in getattr(view, "__mro__", (view,))):
                found.append((prefix + str(entry.pattern), entry.name or ""))
    return found


OURS = {
    *("account_login", "account_logout", "account_reauthenticate"),
    *("mfa_authenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_login_webauthn"),
    *("mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_remove_webauthn"),
    *("mfa_view_recovery_codes", "mfa_generate_recovery_codes"),
}


def test_these_pages_of_allauth_and_no_other(client: Client) -> None:
    assert {name for _, name in addresses(get_resolver().url_patterns)} == OURS


@pytest.mark.heavy
def test_what_allauth_would_have_besides_is_not_there(admin: User) -> None:
    patterns = import_module("allauth.urls").urlpatterns
    for route, name in addresses(patterns):
        if name in OURS:
            continue
        path = re.sub(r"\(\?P<\w+>[^)]*\)\$?|<[^>]+>", "1a-key", route).strip("^$")
        client = Client()
        client.force_login(admin)
        for prefix in ("/", "/accounts/"):
            assert client.get(prefix + path).status_code == 404, prefix + path


def test_allauth_counts_nothing_itself(settings: Any) -> None:
    """Its own limits count in Django's cache, of which each process has another one; ``config.signin.limits`` hold."""
    installed = {app.name.removeprefix("allauth.") for app in apps.get_app_configs() if app.name.startswith("allauth.")}
    assert installed == {"account", "mfa", "socialaccount", "usersessions"}, "Look at what counts there."
    assert settings.ACCOUNT_RATE_LIMITS is settings.MFA_RATE_LIMITS is False
    assert not settings.SOCIALACCOUNT_STORE_TOKENS


def test_allauth_leaves_the_e_mail_addresses_of_people_as_they_are(admin: User) -> None:
    """One of its migrations writes all of them in small letters, unless it is told that they are not its own."""
    User.objects.filter(pk=admin.pk).update(email="Ada.Lovelace@Example.org")
    migration = import_module("allauth.account.migrations.0006_emailaddress_lower")
    with connection.schema_editor(atomic=False) as editor:
        migration.forwards(apps, editor)
    admin.refresh_from_db()
    assert admin.email == "Ada.Lovelace@Example.org"


# --- The other doors -------------------------------------------------------------------------------------------------


def ask_api(name: str, password: str, address: str = HERE) -> Any:
    header = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    content = {"data": '{"password": "a-new-Secret-1"}', "content_type": "application/json"}
    target = "/api/v1/users/nobody/password"
    return Client().post(target, **content, headers={"Authorization": header}, REMOTE_ADDR=address)  # type: ignore[arg-type]


@pytest.mark.heavy
def test_the_api_and_the_page_count_together(admin: User) -> None:
    assert ask_api("admin", PASSWORD).status_code == 404
    wrong("admin", 3)
    assert [ask_api("admin", "wrong").status_code for _ in range(3)] == [401, 401, 429]
    refused = ask_api("admin", PASSWORD)
    assert (refused.status_code, refused["Content-Type"]) == (429, "application/problem+json")
    assert refused.json()["detail"] == TOO_MANY
    assert 290 < int(refused["Retry-After"]) <= 300
    assert words(sign_in("admin")) == [TOO_MANY]
    assert lines(user_id=admin.pk)[0] == f"5 times: wrong sign-in as admin from {HERE}."


def test_the_api_lets_in_whom_the_page_lets_in(admin: User) -> None:
    User.objects.create_user("anna", PASSWORD, provisioned=False)
    assert ask_api("anna", PASSWORD).status_code == 401

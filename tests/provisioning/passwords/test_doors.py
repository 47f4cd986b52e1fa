"""The doors through which a password comes: the user page, a file of users, the API."""

import base64
import json
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from provisioning.admin.uploads import _folder
from provisioning.api.access import PerAddress
from provisioning.models import Account, PendingPassword, User
from provisioning.outbound.accounts import delivery, outbox
from provisioning.roles import HELPDESK, IT_STAFF
from tests.provisioning.admin import roll
from tests.provisioning.admin.test_user_files import confirm, preview, problems, workbook_of
from tests.provisioning.crew import Crews, save_crew_directory

pytestmark = pytest.mark.django_db
CLEAR = "correct-horse-9"
TWICE = {"password1": CLEAR, "password2": CLEAR}


@pytest.fixture(autouse=True)
def fresh_counters() -> None:
    cache.clear()


@pytest.fixture
def it_staff() -> Client:
    return roll.signed_in(roll.staff(IT_STAFF))


@pytest.fixture
def anna(crews: Crews) -> User:
    save_crew_directory("Corp AD", set_passwords=True)
    save_crew_directory("Other")
    return roll.person("anna")


def waiting() -> dict[str, str]:
    rows = PendingPassword.objects.select_related("account__directory")
    return {row.account.directory.name: row.secret for row in rows}


def page(user: User) -> str:
    return f"/provisioning/user/{user.pk}/password/"


# --- The page --------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_the_page_says_where_the_password_goes_and_the_accounts_tell_what_became_of_it(
    it_staff: Client, anna: User
) -> None:
    shown = it_staff.get(page(anna))
    assert list(shown.context["form"].fields) == ["password1", "password2", "directories"]
    assert "Directories: Corp AD" in roll.words(shown)
    accounts = f"/provisioning/user/{anna.pk}/accounts/"
    assert page(anna) in it_staff.get(f"/provisioning/user/{anna.pk}/change/").content.decode()
    after = it_staff.post(page(anna), {**TWICE, "directories": "on"}, follow=True)
    assert "on its way to Corp AD" in roll.words(after)
    assert waiting() == {"Corp AD": CLEAR}
    seen = it_staff.get(accounts)
    assert "Password waiting, at the longest until" in roll.words(seen)
    assert CLEAR not in seen.content.decode() + after.content.decode()
    PendingPassword.objects.update(refused="Too short.")
    assert "Password refused: Too short." in roll.words(it_staff.get(accounts))
    PendingPassword.objects.update(refused="")
    directory = Account.objects.get(directory__name="Corp AD").directory_id
    delivery.deliver(directory, outbox.LEASES.due(directory, 10))
    assert "Password delivered" in roll.words(it_staff.get(accounts))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"password1": CLEAR, "password2": "another-horse-9", "directories": "on"}, "not the same"),
        ({"password1": "123", "password2": "123", "directories": "on"}, "too short"),
        (TWICE, "Choose where"),
    ],
)
def test_the_page_refuses(it_staff: Client, anna: User, data: dict[str, str], words: str) -> None:
    response = it_staff.post(page(anna), data)
    assert words in roll.words(response)
    assert CLEAR not in response.content.decode()
    assert waiting() == {}


def test_a_superuser_chooses_between_portal_and_directories(anna: User) -> None:
    client = roll.root()
    client.post(page(anna), {**TWICE, "portal": "on"})
    anna.refresh_from_db()
    assert (anna.check_password(CLEAR), waiting()) == (True, {})
    client.post(page(anna), {"password1": "brown-cow-77", "password2": "brown-cow-77", "directories": "on"})
    anna.refresh_from_db()
    assert (anna.check_password(CLEAR), waiting()) == (True, {"Corp AD": "brown-cow-77"})


def test_helpdesk_may_not_and_nobody_but_superusers_for_staff(it_staff: Client, anna: User) -> None:
    assert roll.signed_in(roll.staff(HELPDESK, "hilda")).get(page(anna)).status_code == 403
    boss = roll.staff(HELPDESK, "boss")
    assert it_staff.post(page(boss), {**TWICE, "directories": "on"}).status_code == 403


# --- A file ----------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_sets_passwords_and_shows_none(it_staff: Client, anna: User, kind: str) -> None:
    rows = [
        ["password", "username", "department"],
        [CLEAR, "anna", ""],
        ["-brown-cow-77", "ben", "IT"],
        ["", "cara", ""],
    ]
    text = "\n".join(",".join(row) for row in rows)
    seen = preview(it_staff, text) if kind == "csv" else preview(it_staff, workbook_of(*rows), "1")
    assert seen.context["outcome"]["rows"][0].changes == {"Password": (None, "(a new one, for the directories)")}
    assert waiting() == {}
    kept = b"".join(file.read_bytes() for file in _folder().iterdir())
    done = confirm(it_staff, seen)
    assert "2 added, 1 changed" in roll.words(done)
    secrets = {row.account.key: row.secret for row in PendingPassword.objects.select_related("account")}
    assert secrets == {"anna": CLEAR, "ben": "-brown-cow-77"}
    assert CLEAR.encode() not in kept
    assert CLEAR not in seen.content.decode() + done.content.decode()


def test_a_file_with_a_bad_password_shows_the_line_and_not_the_password(it_staff: Client, anna: User) -> None:
    seen = preview(it_staff, "password,username\n4711,anna\n")
    assert "too short" in problems(seen)[2]["password"][0]
    assert "4711" not in seen.content.decode()


def test_a_file_of_somebody_without_the_right_is_refused(anna: User) -> None:
    user = roll.staff(IT_STAFF)
    role = user.groups.get()
    role.permissions.remove(role.permissions.get(codename="set_password_user"))
    seen = preview(roll.signed_in(user), f"username,password\nanna,{CLEAR}\n")
    assert "You may not set passwords" in roll.words(seen)


# --- The API ---------------------------------------------------------------------------------------------------------


def ask(client: Client, username: str = "anna", body: Any = None, **headers: str) -> Any:
    content = json.dumps({"password": CLEAR} if body is None else body)
    address = f"/api/v1/users/{username}/password"
    return client.post(address, content, content_type="application/json", headers=headers)


def basic(user: User, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user.username}:{password}".encode()).decode()


def test_the_api_sends_a_password_on_its_way(it_staff: Client, anna: User) -> None:
    response = ask(it_staff, "ANNA")
    assert (response.status_code, response.json()) == (202, {"username": "anna", "directories": ["Corp AD"]})
    assert waiting() == {"Corp AD": CLEAR}


def test_the_api_takes_name_and_password_and_asks_for_csrf_only_of_sessions(anna: User) -> None:
    staff = roll.staff(IT_STAFF)
    staff.set_password("my-own-secret-1")
    staff.save()
    client = Client(enforce_csrf_checks=True)
    assert ask(client, Authorization=basic(staff, "my-own-secret-1")).status_code == 202
    wrong = ask(client, Authorization=basic(staff, "guess"))
    assert (wrong.status_code, wrong["Content-Type"]) == (401, "application/problem+json")
    assert wrong["WWW-Authenticate"].startswith("Basic")
    client.force_login(staff)
    assert ask(client).status_code == 403


@pytest.mark.parametrize(
    ("username", "body", "status", "words"),
    [
        ("nobody", None, 404, "no such user"),
        ("boss", None, 403, "superuser"),
        ("anna", {}, 400, "cannot be used"),
        ("anna", {"password": "123"}, 400, "cannot be used"),
        ("anna", {"password": "x" * 257}, 400, "cannot be used"),
    ],
)
def test_the_api_says_what_is_wrong(
    it_staff: Client, anna: User, username: str, body: Any, status: int, words: str
) -> None:
    roll.staff(HELPDESK, "boss")
    response = ask(it_staff, username, body)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    found = response.json()
    assert found["status"] == status
    assert words in found["detail"]
    assert waiting() == {}


def test_the_api_refuses_without_a_directory_that_takes_passwords(it_staff: Client) -> None:
    roll.person("anna")
    assert ask(it_staff).status_code == 409


def test_the_api_counts_requests_even_of_strangers(
    anna: User, it_staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PerAddress, "rate", "2/min", raising=False)
    staff = User.objects.get(is_staff=True)
    stranger = Client()
    codes = [ask(stranger, Authorization=basic(staff, f"guess{n}")).status_code for n in range(3)]
    assert codes == [401, 401, 429]
    assert int(ask(it_staff)["Retry-After"]) > 0


def test_the_api_counts_the_addresses_of_one_network_together(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerAddress, "rate", "2/min", raising=False)
    codes = [ask(Client(REMOTE_ADDR=f"2001:db8::{n}")).status_code for n in range(1, 4)]
    assert codes == [401, 401, 429]


def test_the_api_answers_a_foreign_host_with_problem_details(db: None) -> None:
    response = ask(Client(), Host="evil.example")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert response.json()["detail"] == "The request is not addressed to this portal."

"""Users, groups and memberships over the REST API: the same checks and the same lines as on the admin's pages."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.models import Account, Change, Group, GroupAccount, GroupChange, Membership, Nesting, User
from provisioning.recycle.models import DeletedUser
from provisioning.tokens import answers
from provisioning.tokens.models import RepeatAnswer
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import Program, personal

pytestmark = pytest.mark.django_db
ACTOR = "ida, by token sync"


def user(username: str) -> User:
    return User.objects.get(username=username)


def problem(answer: Any, status: int) -> Any:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    found = answer.json()
    assert found["status"] == status
    return found


# --- Users -----------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_user_is_added_read_changed_and_deleted_with_the_token_in_the_report(program: Program) -> None:
    roll.definition("badge", required=True)
    body = {"username": "anna", "first_name": "Anna", "last_name": "Berg", "custom_profile": {"badge": "7"}}
    added = program.ask("POST", "users", {**body, "custom_attributes": {"shoe": "41"}})
    assert added.status_code == 201, added.json()
    address, found = added["Location"], added.json()
    assert (found["username"], found["custom_profile"], found["is_active"]) == ("anna", {"badge": "7"}, True)
    assert not user("anna").has_usable_password()
    assert program.get(address).json() == found
    changed = program.ask("PATCH", address, {"department": "Care", "custom_attributes": {"shoe": None, "hat": "M"}})
    assert (changed.status_code, user("anna").department) == (200, "Care")
    assert (user("anna").first_name, user("anna").custom_attributes) == ("Anna", {"hat": "M"})
    assert program.ask("DELETE", address).status_code == 204
    assert problem(program.get(address), 404)
    assert DeletedUser.objects.get().username == "anna"
    lines = Event.objects.filter(identifier="anna").order_by("id")
    assert [(line.operation, line.actor) for line in lines] == [
        ("create", ACTOR),
        ("update", ACTOR),
        ("delete", ACTOR),
    ]
    assert lines[1].changes["Department"] == [None, "Care"]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "username", "required"),
        ({"username": "BEN"}, "username", "taken by ben"),
        ({"username": "a\u200bb"}, "username", "invisible"),
        ({"username": "x" * 151}, "username", "150"),
        ({"username": "x", "email": "no address"}, "email", "e-mail|email"),
        ({"username": "x", "locale": "nowhere"}, "locale", "not a locale"),
        ({"username": "x", "time_zone": "Mars/Base"}, "time_zone", ""),
        ({"username": "x", "manager": 0}, "manager", ""),
        ({"username": "x", "is_active": "perhaps"}, "is_active", ""),
        ({"username": "x", "custom_profile": {"none": "1"}}, "custom_profile", "no custom profile attribute none"),
        ({"username": "x", "custom_profile": {"level": "high"}}, "custom_profile", "level"),
        ({"username": "x", "custom_profile": {"level": [1]}}, "custom_profile", "level"),
        ({"username": "x", "custom_attributes": {"": "1"}}, "custom_attributes", "name"),
        ({"username": "x", "custom_attributes": {"a": {}}}, "custom_attributes", ""),
    ],
)
def test_what_the_page_refuses_the_api_refuses(program: Program, body: Any, field: str, words: str) -> None:
    roll.person("ben")
    roll.definition("level", "number")
    before = User.objects.count()
    found = problem(program.ask("POST", "users", body), 400)
    assert any(word in str(found["errors"][field]) for word in words.split("|")), found
    assert User.objects.count() == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("[" * 100_000, 400),
        ("[]", 400),
        ("no json", 400),
        ('{"username": NaN}', 400),
        ('{"username": "a\\u0000b"}', 400),
        ('{"username": "x", "custom_attributes": {"\\ud800": "1"}}', 400),
        ('{"username": "x", "title": "\\ud800"}', 400),
        ('{"username": "x", "custom_profile": {"badge": "\\ud800"}}', 400),
        ('{"username": "' + "x" * 1024 * 1024 + '"}', 413),
    ],
)
def test_a_body_that_cannot_be_kept_is_refused(program: Program, content: str, status: int) -> None:
    roll.definition("badge")
    header = {"Authorization": f"Bearer {program.secret}"}
    answer = program.client.post("/api/v1/users", content, content_type="application/json", headers=header)
    assert problem(answer, status)
    assert problem(program.client.post("/api/v1/users", "x", content_type="text/plain", headers=header), 415)


def test_rights_in_the_portal_are_not_given_through_the_api(program: Program) -> None:
    added = program.ask("POST", "users", {"username": "x", "is_staff": True, "is_superuser": True, "groups": [1]})
    assert added.status_code == 201
    assert not user("x").may_sign_in
    boss = personal(roll.staff("", "root"), name="boss")
    boss.ask("PATCH", f"users/{user('x').pk}", {"is_staff": True, "is_superuser": True})
    assert not user("x").may_sign_in


@pytest.mark.heavy
def test_staff_are_changed_by_superusers_only_and_nobody_switches_themselves_off(program: Program) -> None:
    other, ida = roll.staff("IT staff", "ivo"), user("ida")
    for method, body in (("PATCH", {"is_active": False}), ("DELETE", None)):
        assert "superuser" in problem(program.ask(method, f"users/{other.pk}", body), 403)["detail"]
        assert problem(program.ask(method, f"users/{ida.pk}", body), 403)
    boss = personal(roll.staff("", "root"), name="boss")
    assert boss.ask("PATCH", f"users/{other.pk}", {"is_active": False}).status_code == 200
    for method, body in (("PATCH", {"is_active": False}), ("DELETE", None)):
        assert "themselves" in problem(boss.ask(method, f"users/{user('root').pk}", body), 409)["detail"]
    assert user("root").is_active


def test_a_user_is_renamed_and_their_accounts_follow(program: Program) -> None:
    anna = roll.person("anna")
    Account.objects.create(user=anna, directory=roll.directory(create_users=True), key="anna")
    roll.person("ben")
    assert problem(program.ask("PATCH", f"users/{anna.pk}", {"username": "Ben"}), 400)
    assert program.ask("PATCH", f"users/{anna.pk}", {"username": "anna.berg"}).json()["username"] == "anna.berg"
    assert Account.objects.get(user=anna).key == "anna.berg"


def test_a_display_name_follows_as_on_the_page(program: Program) -> None:
    anna = roll.person("anna", first_name="Anna", last_name="Berg", display_name="Anna Berg")
    changed = program.ask("PATCH", f"users/{anna.pk}", {"last_name": "Thal"})
    assert changed.json()["display_name"] == "Anna Thal"


def test_what_a_program_takes_away_is_counted_by_the_guard(program: Program) -> None:
    directory = roll.directory(deactivate_users=True, delete_users=True)
    for name in ("anna", "ben"):
        account = {"key": name, "remote_id": name, "state": "active"}
        Account.objects.create(user=roll.person(name), directory=directory, **account)
    Change.objects.all().delete()
    program.ask("PATCH", f"users/{user('anna').pk}", {"is_active": False})
    program.ask("DELETE", f"users/{user('ben').pk}")
    assert set(Change.objects.values_list("account__key", "cleared")) == {("anna", False), ("ben", False)}


@pytest.mark.heavy
def test_a_change_is_refused_at_another_version(program: Program) -> None:
    anna = roll.person("anna")
    read = program.get(f"users/{anna.pk}")
    assert program.get(f"users/{anna.pk}", If_None_Match=read["ETag"]).status_code == 304
    address = f"users/{anna.pk}"
    assert program.ask("PATCH", address, {"title": "Nurse"}, If_Match=read["ETag"]).status_code == 200
    for method, body in (("PATCH", {"title": "Boss"}), ("DELETE", None)):
        assert "Read it again" in problem(program.ask(method, address, body, If_Match=read["ETag"]), 412)["detail"]
    assert user("anna").title == "Nurse"
    newer = program.get(address)["ETag"]
    assert program.ask("DELETE", address, If_Match=f'"other", {newer}').status_code == 204


@pytest.mark.heavy
def test_a_list_is_read_in_pages_with_few_queries(program: Program, staff: User) -> None:
    for number in range(7):
        roll.person(f"u{number}")
    names, address = [], "users?limit=3&filter=username+sw+%22u%22"
    while address:
        with CaptureQueriesContext(connection) as queries:
            page = program.get(address).json()
        assert len([one for one in queries.captured_queries if "provisioning_user" in one["sql"]]) <= 4
        names += [row["username"] for row in page["items"]]
        address = page["next"]
    assert names == [f"u{number}" for number in range(7)]
    for wrong in ("limit=0", "limit=501", "limit=x", "cursor=x"):
        assert problem(program.get(f"users?{wrong}"), 400)


# --- Requests that come twice ----------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_request_that_comes_twice_is_done_once(program: Program, staff: User) -> None:
    key = {"Idempotency_Key": "5f1c"}
    first = program.ask("POST", "users", {"username": "anna"}, **key)
    second = program.ask("POST", "users", {"username": "anna"}, **key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert (second["Location"], second["ETag"]) == (first["Location"], first["ETag"])
    assert second["Idempotency-Replayed"] == "true"
    assert Event.objects.filter(identifier="anna").count() == 1
    other = program.ask("POST", "users", {"username": "ben"}, **key)
    assert "another request" in problem(other, 422)["detail"]
    assert not User.objects.filter(username="ben").exists()
    assert personal(staff, name="second").ask("POST", "users", {"username": "ben"}, **key).status_code == 201
    assert problem(program.ask("POST", "users", {"username": "x"}, Idempotency_Key=""), 400)


@pytest.mark.heavy
def test_what_was_refused_can_be_sent_again_and_what_is_old_is_forgotten(program: Program) -> None:
    key = {"Idempotency_Key": "5f1c"}
    anna = roll.person("anna")
    assert problem(program.ask("POST", "users", {"username": "anna"}, **key), 400)
    assert not RepeatAnswer.objects.exists()
    User.objects.filter(pk=anna.pk).update(username="former", username_key="former")
    assert program.ask("POST", "users", {"username": "anna"}, **key).status_code == 201
    RepeatAnswer.objects.update(at="2020-01-01T00:00Z")
    assert program.ask("DELETE", f"users/{user('anna').pk}", **key).status_code == 204
    RepeatAnswer.objects.update(at="2020-01-01T00:00Z")
    assert answers.forget() == 1


def test_a_repeated_request_still_asks_for_the_right(program: Program, staff: User) -> None:
    key = {"Idempotency_Key": "5f1c"}
    assert program.ask("POST", "users", {"username": "anna"}, **key).status_code == 201
    staff.groups.clear()
    assert problem(program.ask("POST", "users", {"username": "anna"}, **key), 403)


# --- Groups and memberships ------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_group_is_added_changed_and_deleted(program: Program) -> None:
    taker = roll.directory(sync_groups=True, push_groups="chosen")
    added = program.ask("POST", "groups", {"name": "Nurses", "directories": [taker.pk]})
    assert (added.status_code, added.json()["directories"]) == (201, [taker.pk])
    address = added["Location"]
    assert program.ask("PATCH", address, {"description": "All"}).json()["directories"] == [taker.pk]
    assert program.ask("PATCH", address, {"directories": []}).json()["directories"] == []
    assert problem(program.ask("POST", "groups", {"name": "nurses"}), 400)["errors"]["name"]
    assert program.ask("DELETE", address).status_code == 204
    assert [line.actor for line in Event.objects.filter(identifier="Nurses")] == [ACTOR] * 3


def test_groups_that_others_keep_are_not_changed(program: Program) -> None:
    group = Group.objects.create(name="Theirs", owner=roll.directory())
    member = Membership.objects.create(group=group, user=roll.person("anna"))
    assert problem(program.ask("PATCH", f"groups/{group.pk}", {"name": "Ours"}), 403)
    assert problem(program.ask("DELETE", f"groups/{group.pk}"), 403)
    assert problem(program.ask("POST", "memberships", {"group": group.pk, "user": user("ida").pk}), 403)
    assert problem(program.ask("DELETE", f"memberships/{member.pk}"), 403)
    assert Membership.objects.count() == 1


@pytest.mark.heavy
def test_members_come_and_go(program: Program) -> None:
    group = Group.objects.create(name="Nurses")
    anna, ben = roll.person("anna"), roll.person("ben")
    for one in (anna, ben, ben):
        assert program.ask("POST", "memberships", {"group": group.pk, "user": one.pk}).status_code == 201
    rows = program.list("memberships", f"group eq {group.pk}")
    assert [row["user"] for row in rows] == [anna.pk, ben.pk]
    assert program.ask("DELETE", f"memberships/{rows[0]['id']}").status_code == 204
    assert group.members.get() == ben
    assert Event.objects.filter(group_id=group.pk, actor=ACTOR).count() == 3


def test_no_program_gives_special_rights_nor_takes_the_last_one_out(program: Program) -> None:
    group = Group.objects.create(name="Admins", privileged=True)
    member = Membership.objects.create(group=group, user=roll.person("anna"))
    body = {"group": group.pk, "user": roll.person("ben").pk}
    assert "by a person" in problem(program.ask("POST", "memberships", body), 409)["detail"]
    assert "by a person" in problem(program.ask("DELETE", f"groups/{group.pk}"), 409)["detail"]
    assert "by a person" in problem(program.ask("DELETE", f"memberships/{member.pk}"), 409)["detail"]
    assert Membership.objects.get() == member
    nested = Group.objects.create(name="Helpers of admins")
    Nesting.objects.create(parent=group, child=nested)
    assert "by a person" in problem(program.ask("POST", "memberships", {**body, "group": nested.pk}), 409)["detail"]


def test_who_leaves_a_group_is_counted_by_the_guard(program: Program) -> None:
    directory = roll.directory(sync_groups=True, push_groups="chosen")
    group = Group.objects.create(name="Nurses")
    group.directories.add(directory)
    GroupAccount.objects.create(group=group, directory=directory, key="Nurses", remote_id="g", state="active")
    anna = roll.person("anna")
    Account.objects.create(user=anna, directory=directory, key="anna", remote_id="anna", state="active")
    member = Membership.objects.create(group=group, user=anna)
    program.ask("DELETE", f"memberships/{member.pk}")
    [change] = GroupChange.objects.filter(account__user=anna)
    assert not change.cleared


@pytest.mark.parametrize("address", ["users/-1", "no-such", "users/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_that_is_none_is_a_problem_and_no_page_to_sign_in(
    program: Program, method: str, address: str
) -> None:
    answer = program.ask(method, address)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert "docs" in answer.json()["detail"]

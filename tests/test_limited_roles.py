"""Roles given for some people: whoever has one sees and changes these, on every door, and nobody else."""

import datetime as dt
import io
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import reach, services
from provisioning.contracts.models import Contract, Department
from provisioning.models import Account, Grant, Group, Membership, Nesting, User
from provisioning.models.accounts import AccountState
from provisioning.roles import IT_STAFF
from provisioning.tokens import issuing
from reports.models import Event
from tests.provisioning.admin import roll
from tests.test_permissions import World, addresses, all_routes, ask, filled, is_open, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
LIST = "/provisioning/user/"
MARK = "Zyxwvut"  # in every name of somebody who is outside


@pytest.fixture
def amsterdam() -> Department:
    """A department with one below it, and another one beside."""
    made = Department.objects.create(external_id="1", name="Amsterdam")
    Department.objects.create(external_id="2", name="Amsterdam Noord", parent=made)
    Department.objects.create(external_id="3", name="Utrecht")
    return made


def employed(username: str, department: str, **fields: Any) -> User:
    user = roll.person(username, **fields)
    where = Department.objects.get(name=department)
    Contract.objects.create(user=user, external_id="1", department=where)
    return user


def limited(role: str = IT_STAFF, username: str = "helen", **within: list[int]) -> User:
    user = User.objects.create_user(username, is_staff=True, provisioned=False)
    services.give_role(user, Role.objects.get(name=role), "root", within={kind: [] for kind in reach.KINDS} | within)
    return User.objects.get(pk=user.pk)


def page(user: User, what: str = "change") -> str:
    return f"{LIST}{user.pk}/{what}/"


def seen(client: Client, address: str = LIST) -> set[str]:
    return {user.username for user in client.get(address).context["cl"].result_list}


def test_a_department_with_what_is_below_it(amsterdam: Department) -> None:
    employed("anna", "Amsterdam")
    employed("noor", "Amsterdam Noord")
    employed("ursula", "Utrecht")
    roll.person("olaf")
    helen = limited(departments=[amsterdam.pk])
    assert seen(roll.signed_in(helen)) == {"anna", "noor"}


def test_who_has_left_the_department_is_outside_and_who_joins_is_inside(amsterdam: Department) -> None:
    today = timezone.localdate()
    gone, coming = employed("gone", "Amsterdam"), employed("coming", "Amsterdam")
    Contract.objects.filter(user=gone).update(ends=today - dt.timedelta(days=1))
    Contract.objects.filter(user=coming).update(starts=today + dt.timedelta(days=9))
    assert seen(roll.signed_in(limited(departments=[amsterdam.pk]))) == {"coming"}


def test_a_contract_of_a_source_counts_by_its_account(amsterdam: Department) -> None:
    anna = roll.person("anna")
    account = Account.objects.create(user=anna, directory=roll.directory("HR"), key="anna")
    Contract.objects.create(account=account, external_id="1", department=amsterdam)
    assert seen(roll.signed_in(limited(departments=[amsterdam.pk]))) == {"anna"}


def test_a_group_with_what_is_in_it_and_a_directory() -> None:
    for name in ("anna", "noor", "dirk", "gone", "olaf"):
        roll.person(name)
    outer, inner = Group.objects.create(name="Outer"), Group.objects.create(name="Inner")
    Nesting.objects.create(parent=outer, child=inner)
    Membership.objects.create(group=outer, user=User.objects.get(username="anna"))
    Membership.objects.create(group=inner, user=User.objects.get(username="noor"))
    directory = roll.directory()
    for name, state in (("dirk", AccountState.ACTIVE), ("gone", AccountState.ABSENT)):
        Account.objects.create(user=User.objects.get(username=name), directory=directory, key=name, state=state)
    assert seen(roll.signed_in(limited(groups=[outer.pk]))) == {"anna", "noor"}
    assert seen(roll.signed_in(limited(username="hans", directories=[directory.pk]))) == {"dirk"}
    both = limited(username="both", groups=[inner.pk], directories=[directory.pk])
    assert seen(roll.signed_in(both)) == {"noor", "dirk"}


def test_a_limit_whose_department_is_gone_gives_nobody(amsterdam: Department) -> None:
    employed("anna", "Amsterdam")
    client = roll.signed_in(limited(departments=[amsterdam.pk]))
    assert seen(client) == {"anna"}
    amsterdam.delete()
    assert seen(client) == set()


def test_a_limited_role_ends_as_any_other(amsterdam: Department) -> None:
    anna = employed("anna", "Amsterdam")
    client = roll.signed_in(limited(departments=[amsterdam.pk]))
    assert client.get(page(anna)).status_code == 200
    Grant.objects.update(until=timezone.now() - dt.timedelta(seconds=1))
    assert client.get(LIST).status_code == 403
    assert client.get(page(anna)).status_code in {403, 404}


def test_two_roles_give_what_each_gives(amsterdam: Department) -> None:
    """Seeing everybody by one role and changing some by another is just that."""
    anna, ursula = employed("anna", "Amsterdam"), employed("ursula", "Utrecht")
    helen = limited(departments=[amsterdam.pk])
    looks = Role.objects.create(name="Looks")
    looks.permissions.add(Permission.objects.get(codename="view_user"))
    services.give_role(helen, looks, "root")
    client = roll.signed_in(User.objects.get(pk=helen.pk))
    assert {"anna", "ursula"} <= seen(client)
    assert client.post(page(ursula), roll.form(title="Boss")).status_code == 403
    assert client.post(page(anna), roll.form(title="Boss")).status_code == 302
    anna.refresh_from_db()
    assert anna.title == "Boss"


def test_the_form_gives_a_role_for_some_people_and_says_for_whom(amsterdam: Department) -> None:
    employed("anna", "Amsterdam")
    helen = User.objects.create_user("helen", is_staff=True, provisioned=False)
    root, address = roll.root(), f"/portal/staff/{helen.pk}/roles/"
    chosen = {"role": Role.objects.get(name=IT_STAFF).pk, "reason": "INC-12", "departments": [amsterdam.pk]}
    response = root.post(address, chosen, follow=True)
    assert "only for department Amsterdam and below" in roll.words(response)
    assert Grant.objects.get(user=helen).within == {"departments": [amsterdam.pk], "groups": [], "directories": []}
    assert seen(roll.signed_in(User.objects.get(pk=helen.pk))) == {"anna"}
    line = Event.objects.get(user_id=helen.pk, message__startswith="The roles of helen")
    assert line.changes["Roles"][1] == "IT staff for some people (department Amsterdam and below)"
    nothing = Role.objects.create(name="Reports only")
    refused = root.post(address, {**chosen, "role": nothing.pk})
    assert "Reports only gives nothing" in roll.words(refused)
    assert Grant.objects.filter(user=helen).count() == 1


@pytest.fixture
def inside(amsterdam: Department) -> User:
    """Somebody inside, whose manager and colleagues are outside."""
    boss = employed(f"boss-{MARK}".lower(), "Utrecht", first_name="Bo", last_name=MARK)
    return employed("anna", "Amsterdam", first_name="Anna", last_name="Berg", manager=boss)


@pytest.fixture
def outside(inside: User) -> User:
    assert inside.manager is not None
    return inside.manager


@pytest.fixture
def helen(amsterdam: Department, inside: User) -> User:
    return limited(departments=[amsterdam.pk])


def test_who_is_outside_is_not_there(helen: User, inside: User, outside: User) -> None:
    client = roll.signed_in(helen)
    for what in ("change", "accounts", "leave", "rename", "password", "sources", "happened", "why", "groups", "delete"):
        there, nowhere = client.get(page(outside, what)), client.get(f"{LIST}999999/{what}/")
        assert there.status_code == nowhere.status_code == 404 or there.status_code == nowhere.status_code == 403, what
        assert client.post(page(outside, what)).status_code == client.post(f"{LIST}999999/{what}/").status_code, what
    for what in ("change", "accounts", "leave", "rename", "sources"):
        assert client.get(page(outside, what)).status_code == 404
        assert client.get(page(inside, what)).status_code == 200


def test_changing_a_person_inside_keeps_the_manager_who_is_not_shown(helen: User, inside: User, outside: User) -> None:
    client = roll.signed_in(helen)
    words = client.get(page(inside)).content.decode()
    assert 'name="manager"' not in words
    assert MARK not in words
    form = roll.form(first_name="Anna", last_name="Dahl", manager="")
    assert client.post(page(inside), form).status_code == 302
    inside.refresh_from_db()
    assert (inside.last_name, inside.manager) == ("Dahl", outside)
    assert Event.objects.filter(user_id=inside.pk, actor="helen").exists()


def test_the_list_its_filters_search_export_and_autocomplete(helen: User, inside: User, outside: User) -> None:
    client = roll.signed_in(helen)
    assert seen(client, f"{LIST}?q={MARK}") == set()
    assert seen(client, f"{LIST}?q=Berg") == {"anna"}
    listed = client.get(LIST).content.decode()
    assert "Utrecht" not in listed
    assert MARK not in client.get(f"/search/?q={MARK}").content.decode().replace(f'value="{MARK}"', "").replace(
        f"“{MARK}”", ""
    ).replace(f"q={MARK}", "")
    assert "Berg" in client.get("/search/?q=Berg").content.decode()
    term = {"app_label": "provisioning", "model_name": "user", "field_name": "manager", "term": ""}
    assert [one["id"] for one in client.get("/autocomplete/", term).json()["results"]] == [str(inside.pk)]
    chosen = {"action": "export_csv", "_selected_action": [inside.pk, outside.pk], "select_across": "1"}
    text = b"".join(client.post(LIST, chosen)).decode()
    assert "anna" in text
    assert MARK.lower() not in text.lower()
    assert "manager" not in text
    whole = b"".join(client.post(f"{LIST}export/", {"format": "0"})).decode()
    assert "anna" in whole
    assert MARK.lower() not in whole.lower()
    chosen["action"] = "export_xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(client.post(LIST, chosen)))).active
    assert [row[0].value for row in sheet][1:] == ["anna"]
    assert "Duplicates" not in roll.words(client.get("/"))
    assert 'href="/provisioning/user/"' in client.get("/").content.decode()


def test_bulk_actions_are_not_offered_and_do_nothing(helen: User, inside: User, outside: User) -> None:
    client = roll.signed_in(helen)
    assert 'value="deactivate"' not in client.get(LIST).content.decode()
    for action in ("deactivate", "delete_selected", "disable_everywhere", "sync_now", "invite"):
        client.post(LIST, {"action": action, "_selected_action": [inside.pk, outside.pk], "post": "yes"})
    assert User.objects.filter(pk__in=[inside.pk, outside.pk], is_active=True).count() == 2


def token(user: User) -> dict[str, str]:
    _, secret = issuing.make(name="t", holder=user, scopes={"users": "write"}, days=1, maker=user)
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def test_the_api(helen: User, inside: User, outside: User) -> None:
    client, door = Client(), token(helen)
    found = client.get("/api/v1/users", **door).json()
    assert MARK not in str(found)
    [anna] = found["items"] if "items" in found else found["results"]
    assert anna["username"] == "anna"
    assert "manager" not in anna
    one, other = f"/api/v1/users/{inside.pk}", f"/api/v1/users/{outside.pk}"
    nobody = client.get("/api/v1/users/999999", **door)
    assert client.get(other, **door).status_code == nobody.status_code == 404
    assert client.get(other, **door).json()["detail"] == nobody.json()["detail"]

    def patch(address: str, body: dict[str, Any]) -> Any:
        return client.patch(address, body, content_type="application/json", **door)

    assert patch(other, {"title": "Boss"}).status_code == 404
    assert patch(one, {"title": "Boss"}).status_code == 200
    assert patch(one, {"manager": None}).status_code == 400
    assert client.get("/api/v1/users", {"filter": f"manager eq {outside.pk}"}, **door).status_code == 400
    assert client.delete(one, **door).status_code == 403
    assert client.post("/api/v1/users", {"username": "x"}, content_type="application/json", **door).status_code == 403
    inside.refresh_from_db()
    assert (inside.title, inside.manager) == ("Boss", outside)


def test_the_number_of_queries_does_not_grow_with_the_people(amsterdam: Department) -> None:
    client = roll.signed_in(limited(departments=[amsterdam.pk]))
    counts = []
    for number in (2, 30):
        for one in range(number):
            employed(f"p{number}-{one}", "Amsterdam Noord")
        with CaptureQueriesContext(connection) as asked:
            assert client.get(LIST).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.heavy
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_of_the_portal_names_anybody_outside(
    world: World,  # noqa: F811
    method: str,
) -> None:
    """Every address of the table, with everything that a role can have, limited to one person."""
    anna, ben = User.objects.get(username="anna"), User.objects.get(username="ben")
    User.objects.filter(pk=ben.pk).update(first_name="Ben", last_name=MARK, display_name=f"Ben {MARK}")
    services.rename_and_save(ben, f"ben.{MARK}".lower(), "root")
    User.objects.filter(pk=anna.pk).update(manager=ben.pk)
    Membership.objects.create(group=Group.objects.get(), user=ben)
    Department.objects.update(manager=ben)
    only = Group.objects.create(name="Only Anna")
    Membership.objects.create(group=only, user=anna)
    everything = Role.objects.create(name="Everything")
    everything.permissions.set(Permission.objects.all())
    helen = limited("Everything", groups=[only.pk])
    client = Client(raise_request_exception=False)
    client.force_login(helen)
    wrong, opened = [], 0
    pks = (world.pk["provisioning.user"], ben.pk)
    asked = {address for address, _ in addresses(world)}
    for pk in pks:
        world.pk["provisioning.user"] = pk
        asked |= {"/" + filled(route, world) for route in all_routes() if not is_open(route)}
    for address in sorted(asked - {"/logout/"}):
        response = ask(client, method, address)
        content = b"".join(response) if response.streaming else response.content
        if response.status_code >= 500:
            wrong.append(f"{address}: {response.status_code}")
        opened += response.status_code == 200
        if MARK.lower().encode() in content.lower():
            wrong.append(f"{method} {address} ({response.status_code}) names somebody outside")
    assert not wrong, "\n".join(wrong)
    assert opened > 5  # doors that are open to some people at all

"""The pages of contracts: a user's, the departments as a tree, and the settings with their preview."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from directories.models import Directory
from provisioning import services
from provisioning.admin.contracts import departments
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Department, Employment, Location, PrimaryOrder, ProfileSource
from provisioning.contracts.services import DepartmentRow
from provisioning.history import why
from provisioning.imports.doors.contracts import settle
from provisioning.models import User
from reports.models import Event
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.contracts.conftest import account, active, give, person

__all__ = ["client_of", "it_staff"]

pytestmark = pytest.mark.django_db
Callbacks = Callable[..., Any]


def panel(client: Client, user: User) -> str:
    answer = client.get(reverse("admin:provisioning_user_contracts", args=[user.pk]))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_panel_names_the_primary_contract_why_it_won_and_what_comes_next(it_staff: Client, hr: Directory) -> None:
    ada = person("ada", time_zone="Europe/Delft")
    theirs = account(ada, hr)
    give(theirs, "1", "2020-01-01", fte="0.2", title="Clerk")
    give(theirs, "2", "2021-01-01", "2090-12-31", fte="0.8", title="Auditor")
    give(theirs, "3", "2019-05-02", "2019-05-01")
    settle()
    text = panel(it_staff, ada)
    assert "Primary is contract 2 (HR). Of 2 contracts that hold now it has the highest FTE: 0.8." in text
    assert "Contract 2 (HR) began on 1 Jan 2021 in UTC." in text
    assert "Something changes next on 1 Jan 2091" in text
    assert "“Europe/Delft” of Ada (ada) is no time zone. That of the portal counts: UTC." in text
    assert 'aria-label="1 Jan 2021 – 31 Dec 2090"' in text
    assert "Ends before it begins" in text
    assert text.count("rcc-today") == 3


@pytest.mark.heavy
def test_who_is_not_as_their_contracts_say_is_listed_and_told(it_staff: Client, hr: Directory) -> None:
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    for one, ends in ((ada, "2020-12-31"), (bob, ""), (eve, "")):
        give(account(one, hr), "1", "2020-01-01", ends)
    settle()
    services.set_active([ada.pk], True, "admin")
    services.set_active([bob.pk], False, "admin")
    assert "Active though no contract holds. It stays so until the contracts say something else." in panel(
        it_staff, ada
    )
    assert "Inactive though a contract holds." in panel(it_staff, bob)
    assert "though" not in panel(it_staff, eve)
    for value, name in (("over", "ada"), ("held", "bob")):
        found = it_staff.get(reverse("admin:provisioning_user_changelist"), {"contracts": value})
        assert [user.username for user in found.context["cl"].result_list] == [name]


def test_the_panel_says_when_there_is_no_contract(it_staff: Client) -> None:
    assert "This user has no contract." in panel(it_staff, person("ada"))


@pytest.mark.heavy
def test_the_panel_of_two_hundred_contracts_asks_no_more_and_shows_the_newest(it_staff: Client, hr: Directory) -> None:
    ada, bob = person("ada"), person("bob")
    give(account(bob, hr), "1", "2020-01-01")
    theirs = account(ada, hr)
    for number in range(1, 4):
        give(theirs, str(number), f"2020-01-{number:02}")
    Contract.objects.bulk_create(
        Contract(account=theirs, external_id=f"x{number}", starts=dt.date(2021, 1, 1)) for number in range(197)
    )
    numbers = []
    for user in (bob, bob, ada):  # the first looks warm what is kept
        with CaptureQueriesContext(connection) as seen:
            text = panel(it_staff, user)
        numbers.append(len(seen))
    assert numbers[2] == numbers[1]
    assert "140 older contracts are not shown." in text


@pytest.mark.heavy
def test_a_contract_that_is_entered_by_hand_acts_at_once_and_is_in_the_report(
    it_staff: Client, django_capture_on_commit_callbacks: Callbacks
) -> None:
    ada = person("ada")
    data = {"user": ada.pk, "external_id": "7", "starts": "2019-01-01", "ends": "2019-12-31", "title": "Clerk"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = it_staff.post(reverse("admin:contracts_contract_add"), data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert answer["Location"].endswith(f"/{ada.pk}/change/#contracts")
    assert not active(ada)
    added = Event.objects.get(message="Contract 7 of Ada (ada) was added.")
    assert added.changes["Contract 7: last day"] == [None, "2019-12-31"]
    contract = Contract.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        it_staff.post(reverse("admin:contracts_contract_change", args=[contract.pk]), {**data, "ends": ""})
    assert active(ada)
    with django_capture_on_commit_callbacks(execute=True):
        it_staff.post(reverse("admin:contracts_contract_delete", args=[contract.pk]), {"post": "yes"})
    assert not active(ada), "a contract that is taken away is one that ended"


def test_the_form_refuses_an_end_before_the_start_and_a_person_as_their_own_manager(it_staff: Client) -> None:
    ada = person("ada")
    data = {"user": ada.pk, "external_id": "7", "starts": "2026-02-01", "ends": "2026-01-01", "manager": ada.pk}
    errors = it_staff.post(reverse("admin:contracts_contract_add"), data).context["adminform"].form.errors
    assert set(errors) == {"ends", "manager"}


def test_a_contract_of_a_source_is_only_looked_at(it_staff: Client, hr: Directory) -> None:
    contract = give(account(person("ada"), hr), "1", "2026-01-01", title="Clerk")
    address = reverse("admin:contracts_contract_change", args=[contract.pk])
    assert it_staff.get(address).status_code == 200
    assert it_staff.post(address, {"title": "Queen"}).status_code == 403
    contract.refresh_from_db()
    assert contract.title == "Clerk"


def test_the_reason_of_an_attribute_names_the_contract_that_it_follows(hr: Directory) -> None:
    contracts.arrange([], {"profile.title": "title"})
    ada = person("ada")
    give(account(ada, hr), "1", "2020-01-01", title="Clerk")
    settle()
    ada.refresh_from_db()
    reason = next(one for one in why.explain(ada).attributes if one.label == "Title")
    assert reason.value == "Clerk"
    assert "The profile follows contract 1 (HR). It is the only contract." in reason.how


# --- Departments ------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_departments_are_a_tree_with_heads_and_numbers_of_people(it_staff: Client, hr: Directory) -> None:
    account(person("boss"), hr, "E-1")
    rows = [DepartmentRow("1", "Board", head="E-1"), DepartmentRow("2", "Audit", parent="1", head="E-2")]
    contracts.write_departments(hr.pk, rows)
    ada = person("ada")
    theirs, audit = account(ada, hr), Department.objects.get(external_id="2")
    give(theirs, "1", department_id=audit.pk)
    give(theirs, "2", department_id=audit.pk)
    give(ada, "3", department_id=audit.pk)
    answer = it_staff.get(reverse("admin:contracts_department_changelist"))
    board, below = answer.context["rows"]
    assert (str(board["department"]), board["depth"], str(board["head"])) == ("Board", 0, "Boss (boss)")
    assert (below["depth"], below["people"]) == (1, 2)
    assert "E-2, whom nobody here is" in answer.content.decode()
    [found] = it_staff.get(reverse("admin:contracts_department_changelist"), {"q": "AUD"}).context["rows"]
    assert found["way"] == "Board"


@pytest.mark.heavy
def test_a_large_tree_is_shown_level_by_level_and_never_read_as_a_whole(
    it_staff: Client, hr: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departments, "SHOWN", 3)
    rows = [DepartmentRow(f"T{n}", f"Top {n}") for n in range(4)]
    rows += [DepartmentRow(f"B{n}", f"Below {n}", parent="T0") for n in range(5)] + [
        DepartmentRow("C", "Cellar", parent="B4")
    ]
    contracts.write_departments(hr.pk, rows)
    address = reverse("admin:contracts_department_changelist")

    def names(**query: object) -> tuple[list[str], int | None]:
        answer = it_staff.get(address, query)
        return [str(one["department"]) for one in answer.context["rows"]], answer.context["after"]

    first, after = names()
    assert first == ["Top 0", "Top 1", "Top 2"]
    assert names(after=after) == (["Top 3"], None)
    top = Department.objects.get(external_id="T0").pk
    assert "5 below it" in it_staff.get(address).content.decode()
    first, after = names(below=top)
    assert first == ["Below 0", "Below 1", "Below 2"]
    assert names(below=top, after=after) == (["Below 3", "Below 4"], None)
    [found] = it_staff.get(address, {"q": "cell"}).context["rows"]
    assert found["way"] == "Top 0 › Below 4"
    assert names(q="below")[0] == ["Below 0", "Below 1", "Below 2"]
    assert names(below="x")[0] == ["Top 0", "Top 1", "Top 2"]


def test_the_form_refuses_a_department_below_itself_by_name(it_staff: Client) -> None:
    top = Department(external_id="1", name="Board")
    contracts.save_department(top, "admin")
    below = Department(external_id="2", name="Audit", parent=top)
    contracts.save_department(below, "admin")
    data = {"external_id": "1", "name": "Board", "parent": below.pk}
    answer = it_staff.post(reverse("admin:contracts_department_change", args=[top.pk]), data)
    assert answer.context["adminform"].form.errors["parent"] == [
        "Board would be below itself: Audit is below Board. Choose another parent."
    ]


@pytest.mark.heavy
def test_another_head_of_a_department_is_acted_on_by_the_next_tick(it_staff: Client) -> None:
    contracts.arrange([], {"profile.manager": "manager"})
    ada, boss, top = person("ada"), person("boss"), Department(external_id="1", name="Board")
    contracts.save_department(top, "admin")
    give(ada, "1", department_id=top.pk)
    settle()
    data = {"external_id": "1", "name": "Board", "manager": boss.pk}
    assert it_staff.post(reverse("admin:contracts_department_change", args=[top.pk]), data).status_code == 302
    settle()
    ada.refresh_from_db()
    assert ada.manager == boss


@pytest.mark.heavy
def test_a_location_takes_only_zones_that_exist(it_staff: Client) -> None:
    address = reverse("admin:contracts_location_add")
    assert it_staff.post(address, {"name": "Delft", "time_zone": "Europe/Delft"}).status_code == 200
    assert it_staff.post(address, {"name": "Delft", "time_zone": "Europe/Amsterdam"}).status_code == 302
    assert Location.objects.get().time_zone == "Europe/Amsterdam"


# --- Settings ---------------------------------------------------------------------------------------------------------

SETTINGS = "admin:contracts_primaryorder_changelist"


@pytest.mark.heavy
def test_the_settings_are_previewed_on_people_and_saved(it_staff: Client, hr: Directory) -> None:
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "1", "2020-01-01", fte="0.9", hours=8, title="Clerk")
    give(theirs, "2", "2020-01-01", fte="0.1", hours=30, title="Auditor")
    settle()
    wanted = {
        "field": ["hours", "nonsense"],
        "direction": ["highest", "lowest"],
        "follows.profile.title": "title",
        "follows.profile.manager": "title",
        "person": ["ada", "nobody"],
    }
    answer = it_staff.post(reverse(SETTINGS), {**wanted, "preview": "1"})
    text = " ".join(answer.content.decode().split())
    assert "Primary would be contract 2 (HR), not contract 1 (HR)." in text
    assert "it has the highest hours a week: 30" in text
    assert "Nobody has the user name nobody." in text
    assert not PrimaryOrder.objects.exists(), "a preview writes nothing"

    assert it_staff.post(reverse(SETTINGS), wanted).status_code == 302
    assert list(PrimaryOrder.objects.values_list("field", "descending")) == [("hours", True)]
    assert list(ProfileSource.objects.values_list("attribute", "field")) == [("profile.title", "title")]
    assert Event.objects.filter(operation="settings", message__contains="arranged which contract").exists()
    settle()
    ada.refresh_from_db()
    assert ada.title == "Auditor"
    assert Employment.objects.get(user=ada).primary == Contract.objects.get(external_id="2")


def test_who_may_only_look_saves_nothing(client_of: Callable[..., Client]) -> None:
    auditor = client_of("Auditor")
    assert auditor.get(reverse(SETTINGS)).status_code == 200
    assert auditor.post(reverse(SETTINGS), {"field": "fte", "direction": "lowest"}).status_code == 403
    assert not PrimaryOrder.objects.exists()

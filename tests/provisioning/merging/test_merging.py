"""Two users who are one person become one, with everything that both have, and are split again."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.contracts.models import Contract, Department
from provisioning.identities.users import save_user
from provisioning.imports import engine
from provisioning.imports.doors import duplicates
from provisioning.models import Account, AttributeDefinition, Group, ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.imports.conftest import Source, errors, planned, source, user
from tests.scim.conftest import make_client

__all__ = ["client_of", "crews", "it_staff", "source"]
pytestmark = pytest.mark.django_db


def run(directory: Directory) -> None:
    """Let a worker do what is due, and what comes of that."""
    for _ in range(5):
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))


def add(name: str, **fields: Any) -> User:
    """Add somebody as a person on a page would."""
    user = User(username=name, **{"first_name": name.title(), **fields})
    save_user(user, "admin")
    return user


def merge(goes: str, stays: str) -> services.AppliedNow:
    """Merge one into the other as a page does."""
    return services.merge_by_plan(user(goes), user(stays), "boss")


def split(merged: ImportRun) -> ImportRun:
    """Take a merge back, as its page does."""
    undo = services.undo(merged, "boss")
    assert (undo.status, undo.preview) == (RunStatus.PLANNED, True)
    services.approve_import(undo, "boss", plan_hash=undo.plan_hash)
    engine.execute(undo.pk)
    undo.refresh_from_db()
    assert (undo.status, undo.errors) == (RunStatus.FINISHED, 0), undo.message
    return undo


def everything() -> dict[str, Any]:
    """Return all that people have, by their names."""
    return {
        one.username: (
            one.pk,
            one.scim_id,
            one.services_values,  # type: ignore[attr-defined]
            sorted(one.accounts.values_list("directory__name", "remote_id")),
            sorted(one.roll_groups.values_list("name", flat=True)),
            sorted(one.contracts.values_list("external_id", "title")),
            sorted(one.reports.values_list("username", flat=True)),
            sorted(one.heads.values_list("name", flat=True)),
        )
        for one in map(_with_values, User.objects.select_related("manager"))
    }


def _with_values(one: User) -> User:
    one.services_values = services.values_of(one)  # type: ignore[attr-defined]
    return one


@pytest.mark.heavy
def test_everything_goes_over_and_a_split_brings_it_back(crews: Crews) -> None:
    directory = save_crew_directory()
    boss = add("boss", provisioned=False)
    goes = add("anna2", email="anna@x.org", phone="110", title="Clerk", manager=boss, custom_attributes={"shoe": 39})
    run(directory)
    ProvisioningSettings.objects.update(create_users=False)
    stays = add("anna", email="anna.berg@x.org", title="Head")
    add("bob", manager=goes, provisioned=False)
    both, one = Group.objects.create(name="Both"), Group.objects.create(name="One")
    services.add_members(both, [goes.pk, stays.pk], "admin")
    services.add_members(one, [goes.pk], "admin")
    for who in (goes, stays):
        Contract.objects.create(user=who, external_id="1", title=f"Of {who.username}", starts=dt.date(2020, 1, 1))
    Department.objects.create(external_id="D", name="Sales", manager=goes)
    before = everything()
    assert before["anna2"][3] == [("CREW", "anna2")]

    seen = services.merge_preview(user("anna2"), user("anna"))
    assert seen.problem == ""
    assert {value.label: value.taken for value in seen.values} == {
        "User name": False,
        "First name": False,
        "E-mail": False,
        "Title": False,
        "Phone": True,
        "Manager (user name)": True,
        "shoe (custom)": True,
    }
    assert [name for name, words in seen.accounts if words.startswith("Goes over")] == ["CREW"]
    assert seen.groups == [("Both", "Is in it already."), ("One", "Joins it.")]
    assert (seen.contracts, seen.reports) == (["Contract 1"], 1)
    assert everything() == before

    merged = merge("anna2", "anna").run
    assert (merged.status, merged.errors, merged.deleted, merged.updated) == (RunStatus.FINISHED, 0, 1, 1)
    assert not User.objects.filter(username="anna2").exists()
    after = everything()["anna"]
    assert after[3:] == (
        [("CREW", "anna2")],
        ["Both", "One"],
        [("1", "Of anna"), ("1 of anna2", "Of anna2")],
        ["bob"],
        ["Sales"],
    )
    anna = user("anna")
    assert (anna.title, anna.phone, anna.manager, anna.custom_attributes) == ("Head", "110", boss, {"shoe": 39})
    run(directory)
    assert crews["CREW"].rows["anna2"]["EMAIL_ADDRESS"] == "anna.berg@x.org"
    assert not crews["CREW"].done("delete", "disable", "create")[1:]
    told = set(Event.objects.filter(run_id=merged.pk).values_list("message", flat=True))
    assert "Anna2 (anna2) was merged into Anna (anna)." in told
    assert "Anna (anna) is also Anna2 (anna2) from now on, who was merged into them." in told

    split(merged)
    assert everything() == before
    run(directory)
    assert crews["CREW"].rows["anna2"]["EMAIL_ADDRESS"] == "anna@x.org"
    assert not crews["CREW"].done("delete", "disable", "create")[1:]


@pytest.mark.heavy
def test_what_changed_since_stays_with_whom_it_is(crews: Crews) -> None:
    save_crew_directory(create_users=False)
    goes, stays = add("anna2", phone="110"), add("anna")
    Contract.objects.create(user=goes, external_id="1")
    Contract.objects.create(user=goes, external_id="2")
    merged = merge("anna2", "anna").run
    User.objects.filter(pk=stays.pk).update(phone="112")
    Contract.objects.filter(external_id="1").update(title="Edited")
    Contract.objects.filter(external_id="2").delete()
    undo = split(merged)
    assert (user("anna").phone, user("anna2").phone) == ("112", "110")
    assert list(user("anna2").contracts.values_list("external_id", "title")) == [("1", "Edited")]
    [row] = planned(undo, "restore")
    assert row.message == "Not restored: contract 2 was deleted."
    again = services.undo(undo, "boss")  # the twin of a split is the merge
    assert [one.action for one in planned(again)] == ["merge"]


@pytest.mark.heavy
def test_the_recycle_bin_splits_as_well(crews: Crews) -> None:
    save_crew_directory(create_users=False)
    goes = add("anna2")
    add("anna")
    group = Group.objects.create(name="One")
    services.add_members(group, [goes.pk], "admin")
    merge("anna2", "anna")
    services.restore_by_plan({DeletedUser.objects.get().pk: ""}, "boss")
    assert list(user("anna2").roll_groups.all()) == [group]
    assert not user("anna").roll_groups.exists()


@pytest.mark.heavy
def test_sources_go_on_with_the_one_who_stays(source: Source) -> None:
    source.set(deactivate_missing=True)
    source.put("anna", "Anna", "A", "anna@x.org")
    source.put("anna2", "Ann", "A", "anna@x.org")
    source.run()
    with pytest.raises(services.ImportRefused, match="Both have an account in HR: anna2 and anna"):
        merge("anna2", "anna")
    source.remove("anna2")
    source.run()
    merge("anna2", "anna")  # the account that is gone stays behind
    run_ = source.run()
    assert (run_.created, run_.errors, user("anna").is_active) == (0, 0, True)
    late = add("berta", email="b@x.org")
    source.put("b7", "Berta", "B", "b@x.org")
    source.run()
    merge("b7", "berta")
    assert Account.objects.get(remote_id="b7").user_id == late.pk
    run_ = source.run()
    assert (run_.created, errors(run_)) == (0, {})
    assert (user("berta").last_name, user("berta").is_active) == ("B", True)
    source.remove("b7")
    source.run()
    assert not user("berta").is_active


@pytest.mark.heavy
def test_an_account_that_is_gone_gives_way_by_merging_the_other_way(source: Source) -> None:
    source.set(deactivate_missing=True)
    source.put("old", "Anna", "A", "anna@x.org")
    source.run()
    source.remove("old")
    source.put("new", "Anna", "A", "anna@x.org")
    source.run()
    services.set_active([user("old").pk], True, "admin")
    with pytest.raises(services.ImportRefused, match="Merge them the other way round"):
        merge("new", "old")
    merge("old", "new")
    assert [one.username for one in User.objects.all()] == ["new"]


@pytest.mark.heavy
def test_the_scim_id_of_who_went_is_gone_and_comes_back() -> None:
    okta = make_client()
    made = okta.add("anna2", externalId="ext-1")
    add("anna")
    merged = merge("anna2", "anna").run
    assert okta.get(f"/Users/{made['id']}").status == 404
    split(merged)
    again = okta.get(f"/Users/{made['id']}")
    assert (again.status, again.json["externalId"]) == (200, "ext-1")


@pytest.mark.parametrize(
    ("goes", "stays", "why"),
    [
        ({"is_staff": True}, {}, "may sign in"),
        ({}, {"is_staff": True}, "may sign in"),
        ({}, {"is_superuser": True}, "may sign in"),
        ({}, {"is_active": False}, "the other way round"),
    ],
)
def test_who_is_not_merged(goes: dict[str, Any], stays: dict[str, Any], why: str) -> None:
    add("anna2", **goes)
    add("anna", **stays)
    with pytest.raises(services.ImportRefused, match=why):
        merge("anna2", "anna")
    assert services.merge_preview(user("anna2"), user("anna")).problem
    assert User.objects.count() == 2


def test_nobody_is_merged_into_themselves_or_once_they_are_staff() -> None:
    add("anna")
    with pytest.raises(services.ImportRefused, match="one user already"):
        merge("anna", "anna")
    anna2 = add("anna2")
    before = services.merge_preview(anna2, user("anna"))
    User.objects.filter(pk=anna2.pk).update(is_staff=True)
    assert before.problem == ""
    with pytest.raises(services.ImportRefused, match="may sign in"):
        merge("anna2", "anna")


# --- Looking for them ------------------------------------------------------------------------------------------------


def found(by: str) -> list[list[str]]:
    return [[one.username for one in group.people] for group in duplicates.find(by).groups]


def test_people_who_share_something_are_found() -> None:
    AttributeDefinition.objects.create(name="birth_date", label="Born", type="date")
    add("a1", email="A@x.org", employee_number="n1", last_name="Berg")
    add("a2", email="a@X.org", employee_number="N1", last_name="Berg")
    add("c1", first_name="Émile", last_name="ZOLA", custom_profile={"birth_date": "1990-01-01"})
    add("c2", first_name="émile", last_name="Zola", custom_profile={"birth_date": "1990-01-01"})
    add("d1", first_name="Dora", last_name="Dee", employee_number="1")
    add("d2", first_name="Dora", last_name="Dee", employee_number="2")
    add("e1", first_name="Eva", last_name="Dee", custom_profile={"birth_date": "1990-01-01"})
    add("e2", first_name="Eva", last_name="Dee", custom_profile={"birth_date": "1991-01-01"})
    add("boss", email="a@x.org", is_staff=True)
    assert found("number") == [["a1", "a2"]]
    assert found("email") == [["a1", "a2"]]
    assert found("name") == [["c1", "c2"]]


@pytest.mark.parametrize("by", list(duplicates.KEYS))
def test_pages_of_duplicates_cost_the_same_and_leave_nobody_out(by: str) -> None:
    def double(number: int) -> None:
        for n in range(number):
            same = {"email": f"{n}@x.org", "employee_number": f"n{n}", "first_name": f"F{n}", "last_name": f"L{n}"}
            User.objects.bulk_create(User(username=f"{n}-{User.objects.count()}-{k}", **same) for k in "ab")

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            duplicates.find(by)
        return len(captured)

    double(2)
    few = cost()
    double(duplicates.PAGE + 5)
    assert cost() == few <= 3
    first = duplicates.find(by)
    second = duplicates.find(by, first.after)
    assert (len(first.groups), len(second.groups), second.after) == (duplicates.PAGE, 5, "")
    assert len({one.value for one in (*first.groups, *second.groups)}) == duplicates.PAGE + 5


@pytest.mark.heavy
def test_the_pages(it_staff: Client, client_of: Callable[..., Client]) -> None:
    add("anna2", email="anna@x.org", phone="110")
    anna = add("anna", email="anna@x.org")
    address = "/provisioning/user/duplicates/?by=email"
    page = it_staff.get(address).content.decode()
    assert "/provisioning/user/merge/?goes=anna&amp;stays=anna2" in page
    preview = it_staff.get("/provisioning/user/merge/", {"goes": "anna2", "stays": "Anna"})
    assert "Merge anna2 into anna" in preview.content.decode()
    assert User.objects.filter(username="anna2").exists()
    answer = it_staff.post("/provisioning/user/merge/", {"goes": "anna2", "stays": "anna"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/provisioning/user/{anna.pk}/change/"
    assert "was merged into" in answer.content.decode()
    assert user("anna").phone == "110"
    merged = ImportRun.objects.get()
    page = it_staff.get(address).content.decode()
    assert f"/provisioning/importrun/{merged.pk}/undo/" in page
    assert "goes=anna" not in page
    nobody = it_staff.post("/provisioning/user/merge/", {"goes": "eve", "stays": "anna"}, follow=True)
    assert "Nobody in the portal has this user name." in nobody.content.decode()
    assert client_of("Helpdesk").get(address).status_code == 403

"""Why somebody is as they are, why they are not, and what if."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import AttributeMapping, Directory
from provisioning import services
from provisioning.history import why
from provisioning.models import Account, Change, Group, User
from provisioning.models.accounts import AccountState
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.imports.conftest import Source
from tests.provisioning.test_delivery import run

pytestmark = pytest.mark.django_db


def reason(answer: why.Explanation, label: str) -> why.Reason:
    return next(one for one in answer.attributes if one.label == label)


def not_in(answer: why.Explanation) -> dict[str, str]:
    return {one.what: one.words for one in answer.not_in}


@pytest.mark.heavy
def test_the_last_of_three_sources_is_named_with_those_before(source: Source) -> None:
    AttributeMapping.objects.filter(portal_attribute="first_name").update(
        direction="in", expression="{{ value | upper }}"
    )
    source.put("anna", first="Anna", last="Berg")
    source.run()
    anna = User.objects.get(username="anna")
    anna.first_name = "Annabel"
    services.save_user(anna, "ida")
    client = Event.objects.create(
        at=timezone.now(),
        identifier="anna",
        application="Okta",
        direction="in",
        operation="update",
        result="success",
        message="Okta changed anna.",
        changes={"First name": ["Annabel", "Anni"]},
        actor="Okta",
        user_id=anna.pk,
    )
    User.objects.filter(pk=anna.pk).update(first_name="Anni")
    anna.refresh_from_db()
    found = reason(why.explain(anna), "First name")
    assert (found.value, found.source, found.line) == ("Anni", "SCIM application Okta", client)
    assert [event.actor for event in found.earlier] == ["ida", "HR (import started by tester)"]
    last = reason(why.explain(anna), "Last name")
    assert last.source == "HR"
    assert last.how == "Mapping row LASTNAME"
    assert last.line is not None
    assert last.line.run_id is not None
    Event.objects.filter(pk=client.pk).delete()
    anna.first_name = "ANNA"
    Event.objects.filter(actor="ida").delete()
    assert "by the expression {{ value | upper }}" in reason(why.explain(anna), "First name").how


def test_what_has_no_line_is_said_not_to_be_known() -> None:
    anna = roll.person("anna", department="Sales")  # nobody recorded this
    found = reason(why.explain(anna), "Department")
    assert (found.value, found.source, found.line) == ("Sales", "Not known", None)
    assert "No line of the report" in found.note
    anna.department = "IT"
    services.save_user(anna, "ida")
    User.objects.filter(pk=anna.pk).update(department="Board")
    anna.refresh_from_db()
    assert "a later change was not recorded" in reason(why.explain(anna), "Department").note


@pytest.mark.heavy
def test_why_not_in_a_directory(crews: Crews) -> None:
    save_crew_directory("MADE")
    save_crew_directory("NEVER", create_users=False)
    off = save_crew_directory("OFF")
    Directory.objects.filter(pk=off.pk).update(enabled=False)
    stuck = save_crew_directory("STUCK")
    anna = User.objects.create(username="anna", first_name="Anna")
    crews["STUCK"].rows["anna"] = {"FIRSTNAME": "Another"}
    run(Directory.objects.get(name="MADE"))
    change = Change.objects.get(account__directory=stuck)
    Change.objects.filter(pk=change.pk).update(
        parked=timezone.now(), parked_code="conflict", parked_message="The e-mail is taken."
    )
    found = not_in(why.explain(anna))
    assert "MADE" not in found
    assert found["NEVER"] == "Creating users is switched off for NEVER, under Features & schedule."
    assert found["OFF"] == "OFF is switched off: nothing is sent to it."
    assert found["STUCK"] == "A person has to act: The e-mail is taken."
    Change.objects.filter(pk=change.pk).update(parked_code="held", parked_message="Too many at once.")
    assert "The guard holds this back" in not_in(why.explain(anna))["STUCK"]
    User.objects.filter(pk=anna.pk).update(is_active=False)
    anna.refresh_from_db()
    assert "inactive" in not_in(why.explain(anna))["NEVER"]
    User.objects.filter(pk=anna.pk).update(is_active=True, provisioned=False)
    anna.refresh_from_db()
    assert "Provision to directories" in not_in(why.explain(anna))["NEVER"]
    made = next(one for one in why.explain(anna).accounts if one.label == "MADE")
    assert (made.value, made.how) == ("Active", "Created anna in MADE.")


def test_an_account_that_a_deleted_namesake_left_is_named(crews: Crews) -> None:
    directory = save_crew_directory()
    anna = User.objects.create(username="anna", employee_number="1")
    run(directory)
    Account.objects.filter(user=anna).update(user=None, person={"profile": {}}, deleted_at=timezone.now())
    User.objects.filter(pk=anna.pk).delete()
    other = User.objects.create(username="anna", employee_number="2")
    Change.objects.all().delete()
    assert "who was deleted from the portal" in not_in(why.explain(other))["CREW"]


def test_why_in_a_group_or_not() -> None:
    anna, sales, around = roll.person("anna"), Group(name="Sales"), Group(name="Everybody")
    services.save_group(sales, "ida")
    services.save_group(around, "ida")
    services.nest_group(around, sales, "ida")
    assert "Nobody has put them in" in why.why_not_in_group(anna, sales).note
    services.add_members(sales, [anna.pk], "ida")
    found = why.why_not_in_group(anna, sales)
    assert (found.value, found.source, found.how) == ("Member", "In the portal", "anna was added to the group Sales.")
    assert why.why_not_in_group(anna, around).note == "Through Sales."
    services.remove_members(sales, [anna.pk], "bob")
    found = why.why_not_in_group(anna, sales)
    assert found.value == "Not a member"
    assert found.line is not None
    assert found.line.actor == "bob"
    theirs = Group.objects.create(name="Theirs", owner=roll.directory("HR"))
    assert "HR decides who is in it" in why.why_not_in_group(anna, theirs).note


@pytest.mark.heavy
def test_the_number_of_queries_grows_with_nothing() -> None:
    anna = roll.person("anna")
    numbers = []
    for round in range(2):
        for number in range(5):
            anna.department = f"Department {round} {number}"
            services.save_user(anna, "ida")
            one = Group(name=f"Group {round} {number}")
            services.save_group(one, "ida")
            services.add_members(one, [anna.pk], "ida")
            roll.directory(f"Directory {round} {number}", create_users=bool(number % 2))
        with CaptureQueriesContext(connection) as captured:
            why.explain(anna)
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("question", ["user", "department", "group"])
def test_each_question_is_answered_over_an_index(question: str) -> None:
    """With many lines: the planner takes the index that is there for it, and no line of others is read."""
    if connection.vendor != "postgresql":
        pytest.skip("Plans are PostgreSQL's.")
    from provisioning.history import lines

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reports_event (at, identifier, identifier_key, application, direction, operation, result,"
            " message, changes, actor, user_id, group_id) SELECT now() - n * interval '1 minute', 'u', 'u', '', 'in',"
            " 'update', 'success', '', CASE WHEN n % 100 = 0 THEN '{\"Department\": [\"a\", \"b\"]}'::jsonb"
            ' ELSE \'{"E-mail": ["a", "b"]}\'::jsonb END, \'\', n % 1000, CASE WHEN n % 7 = 0 THEN n % 500 END'
            " FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE reports_event")
    asked = {
        "user": (lines.of_user(17), "event_by_user"),
        "department": (lines.of_departments(timezone.now() - dt.timedelta(days=9)), "event_of_department"),
        "group": (lines.of_group(21), "event_by_group"),
    }
    rows, index = asked[question]
    plan = rows[:1000].explain()
    assert index in plan
    assert "Seq Scan" not in plan
    assert rows[:5]


@pytest.mark.heavy
def test_the_page_tells_helpdesk_and_asks_what_if(crews: Crews) -> None:
    directory = save_crew_directory()
    anna = User.objects.create(username="anna", first_name="Anna")
    run(directory)
    opened, lines = crews["CREW"].calls[:], Event.objects.count()
    client = roll.helpdesk()
    text = roll.words(client.get(f"/provisioning/user/{anna.pk}/why/"))
    assert "Created anna in CREW." in text
    tried = {"attribute": "profile.first_name", "value": "Anne"}
    text = roll.words(client.get(f"/provisioning/user/{anna.pk}/why/", tried))
    assert "FIRSTNAME: Anna → Anne" in text
    text = roll.words(client.get(f"/provisioning/user/{anna.pk}/why/", {"is_active": "no"}))
    assert "Would disable the account" in text
    text = roll.words(
        client.get(f"/provisioning/user/{anna.pk}/why/", {"attribute": "profile.email", "value": "nonsense"})
    )
    assert "is not an e-mail address" in text
    text = roll.words(client.get(f"/provisioning/user/{anna.pk}/why/", {"group": "Nowhere"}))
    assert "There is no group of this name." in text
    anna.refresh_from_db()
    assert (anna.first_name, anna.is_active) == ("Anna", True)
    assert crews["CREW"].calls == opened  # nobody was asked
    assert Event.objects.count() == lines
    assert not Change.objects.exists()
    assert client.get("/provisioning/user/999999/why/").status_code == 404


def test_who_may_not_see_the_report_is_refused() -> None:
    anna: Any = roll.person("anna")
    assert (
        roll.signed_in(User.objects.create_user("x", is_staff=True))
        .get(f"/provisioning/user/{anna.pk}/why/")
        .status_code
        == 403
    )
    assert Account.objects.filter(state=AccountState.ACTIVE).count() == 0

"""Events are written in the transaction of what they tell, by as few statements as can be, and by none for nobody."""

import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from directories.models import Directory
from provisioning import services
from provisioning.events import envelopes, fan_out, kinds, outbox
from provisioning.events.delivery import LEASES
from provisioning.events.models import EventDelivery, FanOut, OutgoingEvent, Stream, Subscription
from provisioning.models import Group, User
from provisioning.notices import watch
from provisioning.notices.causes import CAUSES
from provisioning.outbound import dispatch
from provisioning.profile.facts import ACTIVE, CHILDREN
from reports import journal
from reports.journal import Line
from reports.models import Direction, Operation, Result
from tests.provisioning.events.conftest import subscribe
from tests.provisioning.imports.conftest import Source, source

__all__ = ["source"]
pytestmark = pytest.mark.django_db
NOWHERE = "https://receiver.example.com/events"


def events() -> list[str]:
    return list(OutgoingEvent.objects.order_by("pk").values_list("kind", flat=True))


def add(username: str, **fields: Any) -> User:
    user = User(username=username, **fields)
    services.save_user(user, "root")
    return user


def test_what_happens_to_people_and_groups_is_an_event_each() -> None:
    subscribe(NOWHERE)
    ada = add("ada", department="Sales")
    ada.department = "Research"
    services.save_user(ada, "root")
    services.set_active([ada.pk], False, "root")
    group = Group(name="Crew")
    services.save_group(group, "root")
    services.add_members(group, [ada.pk], "root")
    services.remove_members(group, [ada.pk], "root")
    services.delete_users([ada.pk], "root")
    services.delete_groups([group.pk], "root")
    assert events() == [
        *("user.created", "user.updated", "user.deactivated", "group.created"),
        *("membership.added", "membership.removed", "user.deleted", "group.deleted"),
    ]
    changed = OutgoingEvent.objects.get(kind="user.updated")
    assert (changed.changes, changed.actor, changed.user_id) == ({"Department": ["Sales", "Research"]}, "root", ada.pk)
    assert {one.subject for one in OutgoingEvent.objects.filter(user_id=ada.pk)} == {f"user {ada.pk}"}
    assert len(set(OutgoingEvent.objects.values_list("ident", flat=True))) == 8


@pytest.mark.heavy
def test_an_import_tells_of_each_person_and_of_its_end(source: Source) -> None:
    subscribe(NOWHERE)
    source.put("anna", "Anna", "A")
    source.put("bob", "Bob", "B")
    source.run()
    assert events() == ["user.created", "user.created", "import.finished"]
    source.put("anna", "Anna", "Berg")
    source.rows = [row for row in source.rows if row.ref == "anna"]
    source.run()
    assert events()[3:] == ["user.updated", "user.deactivated", "import.finished"]
    changed = OutgoingEvent.objects.get(kind="user.updated")
    assert (changed.changes, changed.application) == ({"Last name": ["A", "Berg"]}, "HR")


def test_an_import_that_fails_is_told_in_our_own_words_and_not_in_its_directorys() -> None:
    subscribe(NOWHERE)
    told = {"operation": Operation.IMPORT, "result": Result.FAILED, "run_id": 1, "message": "secret of hr.example.org"}
    with transaction.atomic():
        journal.record_many([line("", application="HR", **told), line("", **told)])
    messages = list(OutgoingEvent.objects.order_by("pk").values_list("kind", "message"))
    assert messages == [
        ("import.failed", "The import of HR failed. Its page in the portal says why and what to do."),
        ("import.failed", "A plan failed. Its page in the portal says why and what to do."),
    ]


def test_a_save_that_deactivates_is_told_as_that() -> None:
    subscribe(NOWHERE)
    ada = add("ada")
    ada.is_active = False
    services.save_user(ada, "root")
    assert events() == ["user.created", "user.deactivated"]


def test_what_changed_beside_that_is_told_to_whoever_asks_for_changes() -> None:
    subscribe(NOWHERE)
    ada = add("ada", department="Sales")
    ada.is_active, ada.department = False, "Research"
    services.save_user(ada, "root")
    told = list(OutgoingEvent.objects.order_by("pk").values_list("kind", "changes"))[1:]
    assert told == [
        ("user.updated", {"Department": ["Sales", "Research"]}),
        ("user.deactivated", {ACTIVE: OutgoingEvent.objects.latest("pk").changes[ACTIVE]}),
    ]


def test_what_was_rolled_back_is_no_event() -> None:
    subscribe(NOWHERE)
    with transaction.atomic():
        add("ada")
        transaction.set_rollback(True)
    assert events() == []


def test_nobody_who_subscribes_costs_no_statement() -> None:
    with CaptureQueriesContext(connection) as with_events:
        add("ada")
    listeners, journal.LISTENERS[:] = list(journal.LISTENERS), []
    try:
        with CaptureQueriesContext(connection) as without:
            add("bob")
    finally:
        journal.LISTENERS[:] = listeners
    assert len(with_events) == len(without)
    assert not OutgoingEvent.objects.exists()


def test_a_process_asks_again_whether_anybody_subscribes(settings: Any) -> None:
    settings.EVENTS_LOOK_SECONDS = 0
    outbox.look_again()
    assert not outbox.wanted()
    Subscription.objects.bulk_create([Subscription(name="Elsewhere", url=NOWHERE)])  # as another process would
    assert outbox.wanted()


def test_many_lines_are_one_statement_a_page() -> None:
    subscribe(NOWHERE)
    lines = [line(f"user{number}", user_id=number) for number in range(1, 1001)]
    with CaptureQueriesContext(connection) as captured:
        journal.record_many(lines)
    written = [query["sql"] for query in captured if "events_outgoingevent" in query["sql"]]
    assert len(written) == 1000 // journal.PART
    assert all(sql.startswith("COPY") for sql in written)
    assert OutgoingEvent.objects.count() == 1000


@pytest.mark.heavy
def test_giving_out_takes_as_many_statements_for_many_events_as_for_few() -> None:
    for number in range(3):
        subscribe(NOWHERE, f"Receiver {number}")
    people = [add(f"user{number}") for number in range(60)]
    fan_out.fan_out()
    counts = []
    for some in (people[:3], people):
        journal.record_many([line(one.username, user_id=one.pk) for one in some])
        with CaptureQueriesContext(connection) as captured:
            fan_out.fan_out()
        counts.append(len([query for query in captured if "SAVEPOINT" not in query["sql"]]))
    assert counts[0] == counts[1] <= 12
    assert EventDelivery.objects.count() == 3 * (60 + 3 + 60)
    assert Stream.objects.count() == 3 * 60


def test_who_finds_another_worker_giving_out_sends_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the lock looks once more when it is gone."""
    subscribe(NOWHERE)
    add("ada")
    sent: list[str] = []
    monkeypatch.setattr(dispatch, "send", lambda task, *_, **__: sent.append(task))
    FanOut.objects.all().delete()  # as a row that somebody else has locked: it is not found
    fan_out.fan_out()
    assert (sent, EventDelivery.objects.count()) == ([], 0)


def test_what_was_written_while_somebody_had_the_lock_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message met the lock after the holder had looked for the last time."""
    subscribe(NOWHERE)
    add("ada")
    page, late = fan_out._page, ["eve", "bob"]

    def and_then_one_comes() -> bool | None:
        found = page()
        if not found and late:
            add(late.pop())
        return found

    monkeypatch.setattr(fan_out, "_page", and_then_one_comes)
    fan_out.fan_out()
    told = EventDelivery.objects.order_by("pk").values_list("event__identifier", flat=True)
    assert list(told) == ["ada", "bob", "eve"]


def test_receivers_are_woken_after_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(NOWHERE)
    for number in range(3):
        add(f"user{number}")
    left: list[int] = []
    monkeypatch.setattr(fan_out, "PAGE", 1)
    monkeypatch.setattr(
        dispatch, "send", lambda *_, **__: left.append(OutgoingEvent.objects.filter(told=False).count())
    )
    fan_out.fan_out()
    assert left == [2, 1, 0]


def test_giving_out_does_not_stand_in_the_queue_of_saves(settings: Any) -> None:
    assert outbox.FAN_OUT in settings.QUEUES["events"]


def test_what_is_due_is_found_without_a_look_for_leavers() -> None:
    """No event has a lane, and there is no index for one: it would read all that waits."""
    one = subscribe(NOWHERE)
    ada = add("ada")
    fan_out.fan_out()
    with CaptureQueriesContext(connection) as captured:
        assert LEASES.due(one.pk, 10) == [Stream.objects.get(subject=f"user {ada.pk}").pk]
        assert LEASES.due(one.pk, 10, leavers=True) == []
        assert LEASES.leavers_among([Stream.objects.get().pk]) == set()
    assert not [query["sql"] for query in captured if "lane" in query["sql"]]


def test_only_the_kinds_and_people_that_are_asked_for_are_given_out() -> None:
    sales = subscribe(NOWHERE, "Sales", filter='user.department eq "sales" and not (actor eq "robot")')
    left = subscribe(NOWHERE, "Left", kinds=["user.deleted"])
    add("ada", department="Sales")
    bob = add("bob", department="Research")
    services.delete_users([bob.pk], "root")
    fan_out.fan_out()
    told = {(one.subscription_id, one.event.kind, one.event.identifier) for one in EventDelivery.objects.all()}
    assert told == {(sales.pk, "user.created", "ada"), (left.pk, "user.deleted", "bob")}
    gone = OutgoingEvent.objects.get(kind="user.deleted")
    assert uuid.UUID(gone.about["user"]["id"]) == bob.scim_id
    assert gone.about["user"]["profile"]["department"] == "Research"


def test_a_filter_that_cannot_be_read_holds_up_nobody_else() -> None:
    subscribe(NOWHERE, "Other")
    broken = subscribe(NOWHERE, filter="type eq")
    add("ada")
    fan_out.fan_out()
    assert [one.subscription.name for one in EventDelivery.objects.all()] == ["Other"]
    broken.refresh_from_db()
    assert (broken.enabled, broken.stopped_because) == (False, fan_out.UNREADABLE)


def test_a_receiver_that_is_off_gets_nothing_of_what_happens_meanwhile() -> None:
    subscribe(NOWHERE, enabled=False)
    subscribe(NOWHERE, "Other")
    add("ada")
    fan_out.fan_out()
    assert [one.subscription.name for one in EventDelivery.objects.all()] == ["Other"]
    assert not OutgoingEvent.objects.filter(told=False).exists()


def test_a_group_that_joins_another_is_a_change_of_its_members() -> None:
    assert envelopes.names_something("group.updated", {CHILDREN: [None, "Crew"]}, [], {})
    assert not envelopes.names_something("group.updated", {"Cost centre": [None, "7"]}, [], {})


def test_notices_are_events_in_the_transaction_that_opens_them() -> None:
    subscribe(NOWHERE)
    directory = Directory.objects.create(name="CRM", kind="sqlite", unreachable_since="2026-01-01T00:00Z")
    watch.watch()
    Directory.objects.filter(pk=directory.pk).update(unreachable_since=None)
    watch.watch()
    assert events() == ["guard.waiting", "guard.cleared"]
    words = CAUSES[OutgoingEvent.objects.earliest("pk").identifier].label
    assert set(OutgoingEvent.objects.values_list("message", flat=True)) == {words}
    assert "CRM" not in words, "titles name people, whom a receiver that chose no attribute is not to know"


LINES = [
    ("account.created", {"account_id": 1, "direction": Direction.OUT, "operation": Operation.CREATE}),
    ("account.failed", {"account_id": 1, "direction": Direction.OUT, "result": Result.FAILED}),
    ("account.disabled", {"account_id": 1, "direction": Direction.OUT, "operation": Operation.DISABLE}),
    ("", {"account_id": 1, "direction": Direction.OUT, "result": Result.WAITING}),
    ("", {"group_id": 1, "direction": Direction.OUT}),
    ("import.finished", {"identifier": "", "run_id": 1, "operation": Operation.IMPORT, "result": Result.PARTLY}),
    ("import.failed", {"identifier": "", "run_id": 1, "operation": Operation.IMPORT, "result": Result.FAILED}),
    ("", {"run_id": 1, "operation": Operation.IMPORT, "result": Result.FAILED}),
    ("user.created", {"user_id": 1, "run_id": 1, "direction": Direction.IN, "operation": Operation.CREATE}),
    ("", {"user_id": 1, "run_id": 1, "direction": Direction.IN, "result": Result.FAILED}),
    ("", {"user_id": 1, "operation": Operation.SIGN_IN}),
    ("", {"user_id": 1, "operation": Operation.PASSWORD}),
    ("", {"operation": Operation.SETTINGS}),
]


@pytest.mark.parametrize(("kind", "values"), LINES)
def test_each_line_of_the_report_has_its_kind(kind: str, values: dict[str, Any]) -> None:
    row = journal._values(line(**{"identifier": "ada", **values}), None)  # type: ignore[arg-type]
    assert kinds.kind_of(row) == kind
    assert not kind or kind in kinds.KINDS


def line(identifier: str, **values: Any) -> Line:
    how: dict[str, Any] = {"direction": Direction.PORTAL, "operation": Operation.UPDATE, "result": Result.SUCCESS}
    return Line(**{"identifier": identifier, "application": "", "message": "Changed.", **how, **values})

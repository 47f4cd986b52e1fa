"""Delivery on the portal's real database, to a directory in memory that fails on demand."""

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import transaction
from django.utils import timezone

from directories import health
from directories.connectors.base import Capability, Conflict, ConnectorError, Unavailable
from directories.models import Directory
from provisioning import services
from provisioning.models import Account, Change, User
from provisioning.outbound import batch, leases
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.batch import Delivered
from reports.models import Event
from tests.provisioning.crew import Crews, save_crew_directory

pytestmark = pytest.mark.django_db


def make_user(username: str = "anna.berg", **fields: Any) -> User:
    values = {"first_name": "Anna", "last_name": "Berg", "email": f"{username}@example.org"}
    return User.objects.create(username=username, **{**values, **fields})


def make_users(count: int) -> list[User]:
    users = User.objects.bulk_create([User(username=f"user{n}", first_name=f"First{n}") for n in range(count)])
    services.provision_many([user.pk for user in users], "test")
    return users


def run(directory: Directory) -> Delivered:
    """Deliver everything that is due, as a worker would."""
    return deliver(directory.pk, outbox.LEASES.due(directory.pk, 10_000))


def events(**filters: Any) -> list[tuple[str, str, str]]:
    rows = Event.objects.filter(direction="out", **filters).order_by("pk")
    return list(rows.values_list("operation", "result", "message"))


def statements(captured: Any) -> list[str]:
    """Return the captured queries without savepoints, which the test's own transaction makes of transactions."""
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"]]


def always(error: Exception) -> Callable[[str, str], None]:
    def fail(call: str, key: str) -> None:
        raise error

    return fail


# --- Create, update, leave -------------------------------------------------------------------------------------------


def test_a_saved_user_is_created_and_the_report_says_so(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    assert crews["CREW"].rows == {
        "anna.berg": {"FIRSTNAME": "Anna", "LASTNAME": "Berg", "EMAIL_ADDRESS": "anna.berg@example.org"}
    }
    assert crews["CREW"].passwords == {"anna.berg": "defaultPassword123#"}
    assert crews["CREW"].calls[0] == ("find", "anna.berg")  # check before create
    account = Account.objects.get(user=user)
    assert (account.state, account.remote_id, account.last_result) == ("active", "anna.berg", "ok")
    assert account.leased_until is None
    assert not Change.objects.exists()
    event = Event.objects.get(direction="out")
    assert (event.operation, event.result, event.message) == ("create", "success", "Created anna.berg in CREW.")
    assert event.changes["EMAIL_ADDRESS"] == [None, "anna.berg@example.org"]
    assert (event.user_id, event.account_id) == (user.pk, account.pk)
    assert "defaultPassword" not in str(Event.objects.values_list())


def test_a_change_is_an_update_with_its_differences(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    user.last_name, user.email = "Bergström", "anna@example.org"
    user.save()
    run(directory)
    assert crews["CREW"].rows["anna.berg"]["LASTNAME"] == "Bergström"
    event = Event.objects.filter(direction="out").latest("pk")
    assert event.message == "Updated anna.berg in CREW: last name, e-mail."
    assert event.changes == {
        "LASTNAME": ["Berg", "Bergström"],
        "EMAIL_ADDRESS": ["anna.berg@example.org", "anna@example.org"],
    }


def test_what_no_directory_sees_asks_no_directory(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    crews["CREW"].calls.clear()
    user.phone = "+49 30 1"  # not mapped
    user.save()
    assert Change.objects.count() == 1
    run(directory)
    assert crews["CREW"].calls == []
    assert not Change.objects.exists()
    assert len(events()) == 1


def test_signing_in_and_a_portal_password_enqueue_nothing() -> None:
    save_crew_directory()
    user = make_user()
    Change.objects.all().delete()
    user.save(update_fields=["last_login"])
    user.save(update_fields=["password"])
    user.save_base(raw=True)
    assert not Change.objects.exists()


def test_an_account_that_is_there_is_adopted_not_duplicated(crews: Crews) -> None:
    directory = save_crew_directory()
    crews["CREW"].rows["anna.berg"] = {"FIRSTNAME": "Anna", "LASTNAME": "Old", "EMAIL_ADDRESS": None}
    make_user()
    run(directory)
    assert crews["CREW"].done() == [("update", "anna.berg")]
    assert [event[0] for event in events()] == ["link", "update"]
    assert events()[0][2] == "Linked anna.berg: CREW had this account already."


def test_an_account_of_somebody_else_is_not_taken_over(crews: Crews) -> None:
    directory = save_crew_directory(create_users=False)
    other = make_user("other")
    owned = Account.objects.create(user=other, directory=directory, key="other", remote_id="anna.berg", state="active")
    directory.provisioning.create_users = True
    directory.provisioning.save()
    crews["CREW"].rows["anna.berg"] = {"FIRSTNAME": "Other", "LASTNAME": None, "EMAIL_ADDRESS": None}
    make_user()
    Change.objects.filter(account=owned).delete()
    run(directory)
    assert crews["CREW"].done() == []
    assert events()[-1][1] == "failed"
    assert "belongs to other in the portal" in events()[-1][2]


def test_a_deactivated_user_is_disabled_and_enabled_again(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    services.set_active([user.pk], False, "admin")
    run(directory)
    assert crews["CREW"].disabled == {"anna.berg"}
    services.set_active([user.pk], True, "admin")
    run(directory)
    assert crews["CREW"].disabled == set()
    assert [event[2] for event in events()][1:] == ["Disabled anna.berg in CREW.", "Enabled anna.berg in CREW."]
    assert Event.objects.filter(direction="portal", actor="admin", identifier="anna.berg").count() == 2


def test_a_directory_without_a_disable_query_says_so_once(crews: Crews) -> None:
    crews["CREW"].capabilities = frozenset(Capability) - {Capability.DISABLE, Capability.ENABLE}
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    user.is_active = False
    for _ in range(3):
        user.save()
        run(directory)
    skipped = events(result="skipped")
    assert len(skipped) == 1
    assert "There is no disable query. Or choose something else" in skipped[0][2]
    assert "cannot disable users" in Account.objects.get().last_message


def test_an_inactive_user_is_never_created(crews: Crews) -> None:
    directory = save_crew_directory()
    make_user(is_active=False)
    make_user("service", provisioned=False)
    run(directory)
    assert not Account.objects.exists()
    assert crews["CREW"].calls == []


def test_a_deleted_user_is_deprovisioned_and_then_forgotten(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    user.delete()
    account = Account.objects.get()
    assert account.user is None
    assert account.person["profile"]["last_name"] == "Berg"
    run(directory)
    assert crews["CREW"].rows == {}
    assert not Account.objects.exists()
    assert events()[-1] == ("delete", "success", "Deleted anna.berg from CREW.")


def test_deleting_what_is_absent_succeeds(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()
    run(directory)
    crews["CREW"].rows.clear()
    user.delete()
    run(directory)
    assert events()[-1] == ("delete", "success", "Deleted anna.berg from CREW: the account was gone already.")


@pytest.mark.heavy
def test_bulk_deletion_tells_every_directory_and_the_people_who_lose_their_manager(
    crews: Crews, django_assert_max_num_queries: Any
) -> None:
    directory = save_crew_directory()
    users = make_users(300)
    left = make_user("left", manager=users[0])
    run(directory)
    Change.objects.all().delete()
    with django_assert_max_num_queries(74):
        assert services.delete_users([user.pk for user in users], "admin") == 300
    assert Change.objects.filter(account__user=left).count() == 1
    assert Change.objects.filter(account__user=None).count() == 300
    run(directory)
    assert set(crews["CREW"].rows) == {"left"}
    assert Account.objects.count() == 1
    assert Event.objects.filter(direction="portal", operation="delete", actor="admin").count() == 300


# --- What goes wrong -------------------------------------------------------------------------------------------------


def test_a_refused_row_parks_with_its_reason_and_a_retry_brings_it_through(crews: Crews) -> None:
    directory = save_crew_directory()
    crews["CREW"].fail = always(ConnectorError("The e-mail is too long. Shorten it.", code="too_long"))
    user = make_user()
    user.save()
    run(directory)
    change = Change.objects.get()  # one row to see to, however many changes asked for it
    assert (change.parked_code, change.parked_message) == ("too_long", "The e-mail is too long. Shorten it.")
    assert Account.objects.get().last_result == "parked"
    assert events() == [
        ("create", "failed", "anna.berg was not created in CREW: The e-mail is too long. Shorten it."),
    ]
    run(directory)
    assert len(events()) == 1  # parked is left alone
    crews["CREW"].fail = lambda call, key: None
    assert services.retry(Change.objects.all(), "helpdesk") == 1
    run(directory)
    assert not Change.objects.exists()
    assert Event.objects.latest("pk").actor == "helpdesk"


def test_everything_of_one_cause_is_retried_together(crews: Crews, django_assert_max_num_queries: Any) -> None:
    directory = save_crew_directory()

    def fail(call: str, key: str) -> None:
        code = "too_long" if key.endswith("1") else "missing"
        raise ConnectorError("No.", code=code)

    crews["CREW"].fail = fail
    make_users(50)
    run(directory)
    assert Change.objects.filter(parked_code="too_long").count() == 5
    with django_assert_max_num_queries(20):
        assert services.retry_cause(Change, directory.pk, "too_long", "admin") == 5
    assert Change.objects.filter(parked=None).count() == 5
    assert Change.objects.filter(parked_code="missing").count() == 45


def test_a_success_clears_what_was_parked_before(crews: Crews) -> None:
    directory = save_crew_directory()
    crews["CREW"].fail = always(Conflict("The e-mail is taken."))
    user = make_user()
    run(directory)
    assert Change.objects.get().parked
    crews["CREW"].fail = lambda call, key: None
    user.save()
    run(directory)
    assert not Change.objects.exists()


def test_a_bug_parks_without_showing_any_value(crews: Crews, caplog: pytest.LogCaptureFixture) -> None:
    directory = save_crew_directory()
    crews["CREW"].fail = always(RuntimeError("INSERT ... 'top secret value'"))
    make_user()
    with caplog.at_level(logging.ERROR):
        run(directory)
    assert Change.objects.get().parked_code == "internal"
    told = caplog.text + str(Event.objects.values_list()) + str(Change.objects.values_list())
    assert "RuntimeError" in caplog.text
    assert "top secret" not in told


def test_a_busy_account_waits_alone_with_growing_pauses(crews: Crews) -> None:
    directory = save_crew_directory()

    def fail(call: str, key: str) -> None:
        if key == "anna.berg":
            raise Unavailable("The row is locked.", whole_directory=False)

    crews["CREW"].fail = fail
    make_user()
    make_user("carl")
    pauses = []
    for _ in range(3):
        run(directory)
        account = Account.objects.get(key="anna.berg")
        pauses.append((account.not_before - timezone.now()).total_seconds())
        assert run(directory).claimed == 0
        Account.objects.update(not_before=timezone.now())
    assert set(crews["CREW"].rows) == {"carl"}
    assert pauses == sorted(pauses)
    assert pauses[0] > 5
    assert len(events(identifier="anna.berg")) == 1  # one line when it begins to wait
    assert not health.blocked(directory.pk)


@pytest.mark.heavy
def test_a_directory_that_is_down_is_asked_once_and_holds_up_no_other(crews: Crews) -> None:
    down, other = save_crew_directory("DOWN"), save_crew_directory("OTHER")
    crews["DOWN"].fail = always(Unavailable("DOWN does not answer."))
    make_users(40)
    result = run(down)
    assert len(crews["DOWN"].calls) == 1
    assert result.retry_in is not None
    assert health.blocked(down.pk)
    down.refresh_from_db()
    assert down.unreachable_since is not None
    assert down.last_error == "DOWN does not answer."
    assert run(down).claimed == 0
    assert len(crews["DOWN"].calls) == 1
    run(other)
    assert len(crews["OTHER"].rows) == 40
    assert len(events(application="DOWN", result="waiting")) == 40
    assert Account.objects.filter(directory=down, last_result="waiting", leased_until=None).count() == 40


@pytest.mark.parametrize(("code", "longest"), [("unreachable", 60), ("login", 600)])
def test_the_pauses_of_a_directory_grow_and_honour_what_it_asks_for(code: str, longest: int) -> None:
    """A directory that is back is found within a minute; one that refuses the login is not asked until it locks it."""
    error = Unavailable("Gone.")
    error.code = code
    pauses = [health.pause_after(failures, error) for failures in range(20)]
    assert pauses[:3] == sorted(pauses[:3])
    assert longest / 2 < max(pauses) <= longest
    error.retry_after = 1200
    assert health.pause_after(0, error) == 1200


def test_one_worker_counts_of_many_that_fail_together() -> None:
    directory = save_crew_directory()
    for _ in range(8):
        health.record_failure(directory.pk, Unavailable("Gone."))
    directory.refresh_from_db()
    assert directory.failures == 1


@pytest.mark.heavy
def test_what_waited_goes_in_order_when_the_directory_is_back(crews: Crews) -> None:
    directory = save_crew_directory()
    crews["CREW"].fail = always(Unavailable("Down."))
    users = make_users(30)
    run(directory)
    make_user("late")
    assert run(directory).claimed == 0  # marks the newcomer as waiting, asks nobody
    assert Account.objects.get(key="late").last_result == "waiting"
    calls = len(crews["CREW"].calls)
    Directory.objects.update(retry_at=timezone.now() - dt.timedelta(seconds=1))
    assert run(directory).claimed == 1  # one account tries whether it is back
    assert len(crews["CREW"].calls) == calls + 1
    directory.refresh_from_db()
    assert directory.failures == 2
    crews["CREW"].fail = lambda call, key: None
    crews["CREW"].calls.clear()
    Directory.objects.update(retry_at=timezone.now() - dt.timedelta(seconds=1))
    assert run(directory).resumed
    directory.refresh_from_db()
    assert (directory.unreachable_since, directory.retry_at, directory.failures) == (None, None, 0)
    run(directory)
    assert [key for _, key in crews["CREW"].done()] == [*(user.username for user in users), "late"]
    assert len(events(result="waiting")) == 31


def test_a_directory_that_nothing_waits_for_is_tried_too(crews: Crews) -> None:
    directory = save_crew_directory()
    health.record_failure(directory.pk, Unavailable("Down."))
    assert health.to_try() == []
    Directory.objects.update(retry_at=timezone.now() - dt.timedelta(seconds=1))
    assert health.to_try() == [directory.pk]
    crews["CREW"].broken = "Still down."
    assert not run(directory).resumed
    directory.refresh_from_db()
    assert (directory.failures, directory.last_error) == (2, "Still down.")
    crews["CREW"].broken = ""
    services.try_directory(directory)
    assert run(directory).resumed
    directory.refresh_from_db()
    assert directory.unreachable_since is None


def test_credentials_that_cannot_be_decrypted_park_with_what_to_do(crews: Crews, settings: Any) -> None:
    directory = save_crew_directory()
    Directory.objects.filter(pk=directory.pk).update(secrets={"password": "x"})
    make_user()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    run(directory)
    change = Change.objects.get()
    assert change.parked_code == "secrets"
    assert "ENCRYPTION_KEYS" in change.parked_message


def test_a_switched_off_directory_collects_changes_that_wait(crews: Crews) -> None:
    directory = save_crew_directory()
    Directory.objects.update(enabled=False)
    make_user()
    assert run(directory).claimed == 0
    assert Change.objects.count() == 1
    assert outbox.LEASES.backlog() == []
    Directory.objects.update(enabled=True)
    assert outbox.LEASES.backlog() == [(directory.pk, 1)]
    run(directory)
    assert list(crews["CREW"].rows) == ["anna.berg"]


# --- Batches, leases, queries ----------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_hundred_accounts_cost_as_many_queries_as_one_but_for_the_writes(
    crews: Crews, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save_crew_directory()
    monkeypatch.setattr(batch, "FLUSH_ITEMS", 1000)
    monkeypatch.setattr(batch, "FLUSH_SECONDS", 1000.0)
    make_users(1)
    with django_assert_max_num_queries(25) as one:
        run(directory)
    User.objects.all().delete()
    run(directory)
    make_users(100)
    with django_assert_max_num_queries(25) as hundred:
        run(directory)
    assert len(crews["CREW"].rows) == 100
    assert crews["CREW"].opened == 3
    assert len(statements(hundred)) == len(statements(one))


@pytest.mark.heavy
def test_enqueuing_a_thousand_users_costs_as_many_queries_as_one(django_assert_max_num_queries: Any) -> None:
    save_crew_directory()
    users = User.objects.bulk_create([User(username=f"user{n}") for n in range(1000)])
    with django_assert_max_num_queries(9) as one:
        services.provision_many([users[0].pk], "test")
    with django_assert_max_num_queries(9) as many:
        services.provision_many([user.pk for user in users[1:]], "test")
    assert len(many) <= len(one) + 3  # one user's accounts are found in one query in place of three
    assert Change.objects.count() == Account.objects.count() == 1000


def test_one_directory_can_be_left_out() -> None:
    source, target = save_crew_directory("SOURCE"), save_crew_directory("TARGET")
    users = User.objects.bulk_create([User(username="anna")])
    services.provision_many([users[0].pk], "imported", exclude=source.pk)
    assert list(Account.objects.values_list("directory", flat=True)) == [target.pk]


def test_a_saved_user_is_enqueued_by_as_many_queries_for_three_directories_as_for_one(
    django_assert_num_queries: Any,
) -> None:
    save_crew_directory("ONE")
    user = make_user()
    for name in ("ONE", "TWO", "THREE"):
        if name != "ONE":
            save_crew_directory(name)
        services.provision(user, "first")  # makes the account
        with django_assert_num_queries(2):  # the accounts with who creates accounts, and the changes
            services.provision(user, "again")
    assert Change.objects.filter(reason="again").count() == 1 + 2 + 3


def test_a_change_that_comes_while_an_account_is_worked_on_is_not_lost(crews: Crews) -> None:
    directory = save_crew_directory()
    user = make_user()

    def fail(call: str, key: str) -> None:
        if call == "create":
            User.objects.get(pk=user.pk).save()

    crews["CREW"].fail = fail
    result = run(directory)
    assert result.again == [Account.objects.get().pk]
    assert Change.objects.count() == 1


def test_a_worker_that_lost_its_lease_writes_nothing(crews: Crews) -> None:
    directory = save_crew_directory()
    make_user()
    stolen = timezone.now() + dt.timedelta(hours=1)

    def fail(call: str, key: str) -> None:
        if call == "create":
            Account.objects.update(leased_until=stolen)

    crews["CREW"].fail = fail
    run(directory)
    account = Account.objects.get()
    assert (account.state, account.leased_until) == ("pending", stolen)
    assert Change.objects.count() == 1
    assert events() == []


def test_a_dead_workers_accounts_are_taken_over_after_its_lease(crews: Crews) -> None:
    directory = save_crew_directory()
    make_user()
    held = outbox.LEASES.claim(outbox.LEASES.due(directory.pk, 10))
    assert len(held.changes) == 1
    assert run(directory).claimed == 0
    Account.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    assert outbox.LEASES.backlog() == [(directory.pk, 1)]
    run(directory)
    assert list(crews["CREW"].rows) == ["anna.berg"]
    with transaction.atomic():
        assert outbox.LEASES.lock(held, held.changes) == set()


@pytest.mark.heavy
def test_the_lease_is_renewed_before_half_of_it_is_left(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory()
    make_users(3)
    monkeypatch.setattr(leases, "LEASE", 0.2)
    seen = []

    def fail(call: str, key: str) -> None:
        if call == "find":
            left = Account.objects.get(key=key).leased_until - timezone.now()  # type: ignore[operator]
            seen.append(left.total_seconds())
            time.sleep(0.15)

    crews["CREW"].fail = fail
    run(directory)
    assert len(crews["CREW"].rows) == 3
    assert min(seen) >= 0.1


def test_a_lease_outlasts_a_slow_directory() -> None:
    assert batch.lease_for(30) == leases.LEASE
    assert batch.lease_for(70) == 140


def test_push_sends_everyone_in_pages(crews: Crews, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory(create_users=False)
    User.objects.bulk_create([User(username=f"user{n}", is_active=n % 2 == 0) for n in range(25)])
    directory.provisioning.create_users = True
    directory.provisioning.save()
    monkeypatch.setattr("provisioning.outbound.full_sync.PAGE", 10)
    services.provision_directory(directory, "admin")
    directory.refresh_from_db()
    assert directory.push_cursor is None
    run(directory)
    assert len(crews["CREW"].rows) == 13


def test_a_push_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_crew_directory()
    User.objects.bulk_create([User(username=f"user{n}") for n in range(25)])
    monkeypatch.setattr("provisioning.outbound.full_sync.PAGE", 10)
    monkeypatch.setattr("provisioning.outbound.full_sync.BUDGET", -1.0)
    services.provision_directory(directory, "admin")
    assert Change.objects.count() == 10
    from provisioning import tasks
    from provisioning.outbound import full_sync

    assert full_sync.unfinished() == [directory.pk]
    tasks.continue_push(directory.pk)
    tasks.continue_push(directory.pk)
    assert full_sync.unfinished() == []
    assert Change.objects.count() == 25


def test_a_preview_says_what_would_be_done_and_why_not_more(crews: Crews) -> None:
    directory = save_crew_directory(update_users=False)
    user = make_user()
    assert services.preview(user, directory).steps == ("create",)
    run(directory)
    user.email = "new@example.org"
    user.save()
    crews["CREW"].calls.clear()
    assert services.preview(user, directory).reason == "Updating users is switched off for CREW."
    directory.provisioning.update_users = True
    directory.provisioning.save()
    preview = services.preview(user, directory)
    assert preview.steps == ("update",)
    assert preview.changes == {"EMAIL_ADDRESS": ("anna.berg@example.org", "new@example.org")}
    assert crews["CREW"].calls == []
    inactive = make_user("idle", is_active=False)
    assert "inactive" in services.preview(inactive, directory).reason

"""What an import makes of a directory's rows."""

from collections.abc import Callable

import pytest
from django.contrib.auth.hashers import check_password
from django.db import connection

from directories import config
from directories.connectors import connector_class
from directories.connectors.base import ConnectorConfig, Page, RemoteAccount, Unavailable
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.imports.users.crawl import Crawler
from provisioning.models import Account, AttributeDefinition, Change, PlannedChange, User
from provisioning.models.imports import RunStatus
from provisioning.outbound.accounts.plan import without_looking
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.profile.person import catalogue
from reports.models import Event
from tests.provisioning.imports.conftest import Source, errors, planned, user

pytestmark = pytest.mark.django_db


@pytest.mark.heavy
def test_first_unchanged_and_changed(source: Source) -> None:
    source.put("anna", "Anna", "Ärmel", "anna@example.org")
    source.put("bob", "Bob", "Berg", "bob@example.org")
    run = source.run()
    assert run.message == "Imported 2 users from HR: 2 created, 0 updated, 0 deactivated, 0 errors"
    anna = user("anna")
    assert (anna.first_name, anna.last_name, anna.email) == ("Anna", "Ärmel", "anna@example.org")
    assert (anna.username_key, anna.last_name_key, anna.email_key) == ("anna", "ärmel", "anna@example.org")
    assert not anna.has_usable_password()
    assert not anna.is_staff
    account = Account.objects.get(user=anna)
    assert (account.remote_id, account.state, account.key_folded) == ("anna", "active", "anna")
    assert account.attributes["LASTNAME"] == "Ärmel"

    again = source.run()
    assert (again.unchanged, again.planned, again.seen) == (2, 0, 2)
    assert again.message == "Read 2 users from HR: 2 unchanged, 0 errors"

    source.put("bob", "Bob", "Burg", "bob@example.org")
    changed = source.run()
    assert changed.message == "Imported 1 user from HR: 0 created, 1 updated, 0 deactivated, 0 errors"
    (change,) = planned(changed)
    assert (change.before, change.after) == ({"profile.last_name": "Berg"}, {"profile.last_name": "Burg"})
    bob = user("bob")
    assert (bob.last_name, bob.last_name_key) == ("Burg", "burg")


@pytest.mark.heavy
def test_the_database_looks_at_a_long_plan_before_it_is_read(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take a page of a table that was filled just now for a handful, and sort all that is left each time."""

    def known_of_plans() -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT attname FROM pg_stats WHERE tablename = %s", [PlannedChange._meta.db_table])
            return {name for (name,) in cursor.fetchall()}

    # Pages that earlier tests left behind would hide four lines from a look at a few.
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {connection.ops.quote_name(PlannedChange._meta.db_table)} CASCADE")
    for number in range(3):
        source.put(f"user{number}", "Anna", "A")
    monkeypatch.setattr(engine, "MANY", 3)
    source.run()
    assert known_of_plans() == set()
    for number in range(4):
        source.put(f"user{number}", "Anna", "B")
    source.run()
    assert known_of_plans() == {"id", "run_id", "action", "verdict", "held"}


@pytest.mark.heavy
def test_the_report_reads_like_sentences(source: Source) -> None:
    source.put("anna", "Anna", "A")
    source.run()
    source.put("anna", "Anna", "B")
    source.put("bad", "x" * 151)
    source.run()
    source.remove("anna")
    source.run()
    lines = Event.objects.exclude(identifier="").order_by("pk").values_list("message", flat=True)
    assert list(lines) == [
        "anna was created from HR.",
        "anna was updated from HR: Last name.",
        "bad was not imported from HR: First name is longer than 150 characters.",
        "bad was not imported from HR: First name is longer than 150 characters.",
        "anna was deactivated, because HR no longer has this account.",
    ]
    update = Event.objects.get(operation="update")
    assert update.changes == {"Last name": ["A", "B"]}
    assert (update.user_id, update.application) == (user("anna").pk, "HR")
    assert update.actor == "HR (import started by tester)"
    assert Event.objects.filter(identifier="", run_id__isnull=False).count() == 3


@pytest.mark.heavy
def test_a_preview_changes_nothing_and_can_be_applied_later(source: Source) -> None:
    source.put_many(3)
    run = source.run(preview=True)
    assert (run.status, run.created, run.applied) == (RunStatus.PLANNED, 3, 0)
    assert not User.objects.exists()
    assert not Account.objects.exists()
    assert not Event.objects.exists()
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    source.put("later", "L")  # not part of the plan that was shown
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.message == "Imported 3 users from HR: 3 created, 0 updated, 0 deactivated, 0 errors"
    assert not User.objects.filter(username="later").exists()


@pytest.mark.heavy
def test_a_newer_run_replaces_a_preview(source: Source) -> None:
    source.put_many(2)
    preview = source.run(preview=True)
    source.run()
    preview.refresh_from_db()
    assert (preview.status, preview.message) == (RunStatus.CANCELLED, "Replaced by a newer run.")
    assert not planned(preview)
    with pytest.raises(services.ImportRefused):
        services.approve_import(preview, "boss", plan_hash=preview.plan_hash)


@pytest.mark.heavy
def test_existing_users_are_linked_and_not_duplicated(source: Source) -> None:
    there = User.objects.create_user("Anna", None, first_name="Anna", last_name="A", phone="1")
    source.put("anna", "Anna", "A")
    run = source.run()
    assert (run.created, run.updated, run.unchanged) == (0, 0, 1)
    assert planned(run)[0].action == "link"
    assert Account.objects.get(user=there).remote_id == "anna"
    assert Event.objects.get(operation="link").message == "Anna was linked to the account in HR; nothing differed."
    assert source.run().planned == 0
    assert User.objects.count() == 1


@pytest.mark.heavy
def test_leavers_are_deactivated_and_come_back(source: Source) -> None:
    source.put_many(3)
    source.run()
    source.remove("user1")
    run = source.run()
    assert run.message == "Imported 1 user from HR: 0 created, 0 updated, 1 deactivated, 0 errors"
    assert not user("user1").is_active
    account = Account.objects.get(user__username="user1")
    assert (account.state, account.seen_digest) == ("absent", "")
    assert source.run().deactivated == 0

    source.put("user1", "First1", "L", "1@x.org")
    back = source.run()
    assert back.updated == 1
    assert planned(back)[0].after == {"profile.active": True}
    assert user("user1").is_active
    assert Event.objects.filter(operation="enable").exists()


@pytest.mark.heavy
def test_a_leaver_whose_account_lost_its_remote_id_comes_back_too(source: Source) -> None:
    source.put_many(2)
    source.run()
    source.remove("user1")
    source.run()
    Account.objects.filter(user__username="user1").update(remote_id="")  # as delivery leaves an absent account
    source.put("user1", "First1", "L", "1@x.org")
    source.run()
    assert user("user1").is_active
    assert Account.objects.get(user__username="user1").remote_id == "user1"


@pytest.mark.heavy
def test_only_people_who_came_from_the_directory_leave(source: Source) -> None:
    User.objects.create_user("portal")
    pushed = User.objects.create_user("pushed")
    Account.objects.create(user=pushed, directory=source.directory, key="pushed", remote_id="pushed", state="active")
    source.put_many(2)
    source.run()
    source.set(deactivate_missing=False)
    source.remove("user0")
    assert source.run().deactivated == 0
    source.set(deactivate_missing=True)
    assert source.run().deactivated == 1
    assert user("portal").is_active
    assert user("pushed").is_active


@pytest.mark.heavy
def test_a_bad_row_is_not_an_absence(source: Source) -> None:
    source.put_many(3)
    source.run()
    source.put("user1", "x" * 200)
    source.remove("user2")
    source.rows.append(RemoteAccount("user2", "user2", problem="LASTNAME holds bytes that are not text (UTF-8)."))
    run = source.run()
    assert (run.errors, run.deactivated) == (2, 0)


@pytest.mark.heavy
def test_rows_that_cannot_be_told_apart_stop_leavers(source: Source) -> None:
    source.put_many(3)
    source.run()
    source.remove("user1")
    source.rows.append(RemoteAccount("us\ufffdr", "us\ufffdr", problem="The user name holds bytes that are not text."))
    run = source.run()
    assert run.deactivated == 0
    assert "not known who is missing" in errors(run)[""]


@pytest.mark.heavy
@pytest.mark.parametrize("complete", [True, False])
def test_an_incomplete_crawl_changes_nothing(source: Source, complete: bool) -> None:
    source.put_many(6)
    source.page_size = 2
    source.run()
    source.put("user5", "Changed")
    source.remove("user0")
    source.complete = complete

    def stop(number: int) -> None:
        if complete and number == 2:
            raise Unavailable("HR cannot be reached. Check that it runs, then import again.")

    source.before_page = stop
    run = source.run()
    assert run.status == RunStatus.FAILED
    assert ("cannot be reached" if complete else "before its last user") in run.message
    assert user("user0").is_active
    assert user("user5").first_name == "First5"
    assert Event.objects.filter(identifier="", result="failed", run_id=run.pk).exists()


def test_an_unexpected_fault_shows_no_exception_text(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    def stop(number: int) -> None:
        raise RuntimeError("".join(["password=", "hun", "ter2"]))

    source.before_page = stop
    run = source.run()
    assert run.status == RunStatus.FAILED
    assert "hunter2" not in run.message
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.heavy
def test_too_many_leavers_wait_for_approval(source: Source) -> None:
    source.set(max_leavers=1, max_leavers_percent=100)
    source.put_many(4)
    source.run()
    source.remove("user0", "user1")
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    words = "2 people of 4 would be deactivated because they are missing from HR; the limit is 1."
    assert run.message == f"{words} {engine.DECIDE}"
    assert user("user0").is_active
    with pytest.raises(services.ImportRefused, match="waiting for approval"):
        source.start()
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.deactivated) == (RunStatus.FINISHED, 2)
    assert not user("user0").is_active
    assert Event.objects.filter(message=f"boss approved the import from HR, plan {run.plan_hash[:12]}.").exists()


@pytest.mark.heavy
def test_people_whom_the_directory_switches_off_count_as_leavers(source: Source) -> None:
    source.set(max_leavers=2, max_leavers_percent=100)
    source.map(ACTIVE="profile.active")
    for name in ("ann", "bob", "eve", "zoe"):
        source.put(name, also={"ACTIVE": "Y"})
    source.run()
    for name in ("ann", "bob"):
        source.put(name, also={"ACTIVE": "N"})
    source.remove("zoe")
    source.put("new", also={"ACTIVE": "N"})  # was never active here
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    words = "3 people of 4 would be deactivated because they are missing from HR or inactive there; the limit is 2."
    assert run.message.startswith(words)
    assert user("ann").is_active


@pytest.mark.heavy
def test_too_many_blanked_values_wait_for_approval(source: Source) -> None:
    source.set(max_blanked=1, max_blanked_percent=100)
    source.put_many(3)
    source.run()
    for n in range(2):
        source.put(f"user{n}", "", "L", f"{n}@x.org")
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    assert "2 people of 3 would lose a value" in run.message


@pytest.mark.heavy
def test_an_empty_directory_is_never_believed(source: Source) -> None:
    source.put_many(3)
    source.run()
    source.rows = []
    for missing in (True, False):
        source.set(deactivate_missing=missing)
        failed = source.run()
        assert failed.status == RunStatus.FAILED
        assert "HR gave no users, although 3 came from it before. Nothing was changed." in failed.message
        assert not PlannedChange.objects.filter(run=failed).exists()
    assert User.objects.filter(is_active=True).count() == 3


@pytest.mark.heavy
def test_staff_are_never_touched(source: Source) -> None:
    for name in ("boss", "later", "gone"):
        User.objects.create_user(name, None, first_name="Old", is_staff=name == "boss")
    source.put_many(1)
    for name in ("boss", "later", "gone"):
        source.put(name, "New")
    preview = source.run(preview=True)
    (boss,) = planned(preview, "leave")
    assert (
        boss.message
        == "boss may sign in to the portal, and an import never changes such people. Manage them in the portal."
    )
    User.objects.filter(username="later").update(is_superuser=True)
    User.objects.filter(username="gone").delete()
    services.approve_import(preview, "x", plan_hash=preview.plan_hash)
    engine.execute(preview.pk)
    preview.refresh_from_db()
    assert preview.message == "Imported 1 user from HR: 1 created, 0 updated, 0 deactivated, 2 left alone, 1 error"
    assert {change.key for change in planned(preview, "leave")} == {"boss", "later"}
    assert "deleted" in errors(preview)["gone"]
    assert {user(name).first_name for name in ("boss", "later")} == {"Old"}
    assert not User.objects.filter(username="gone").exists()


@pytest.mark.heavy
def test_staff_who_are_missing_stay(source: Source) -> None:
    source.put_many(2)
    source.run()
    User.objects.filter(username="user0").update(is_staff=True)
    source.remove("user0")
    run = source.run()
    assert (run.status, run.deactivated, run.left_alone, run.errors) == (RunStatus.FINISHED, 0, 1, 0)
    assert user("user0").is_active


@pytest.mark.heavy
def test_names_taken_between_plan_and_apply(source: Source) -> None:
    source.put_many(3)
    run = source.run(preview=True)
    User.objects.create_user("USER1")
    other = Directory.objects.create(name="Other", kind="memory")
    assert other
    services.approve_import(run, "x", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.message == "Imported 2 users from HR: 2 created, 0 updated, 0 deactivated, 1 error"
    assert "exists by now" in errors(run)["user1"]


@pytest.mark.heavy
@pytest.mark.parametrize("rows", [3, 60], ids=["insert", "copy"])
def test_a_page_that_the_database_refuses_is_written_row_by_row(source: Source, rows: int) -> None:
    source.put_many(rows)
    run = source.run(preview=True)
    someone = User.objects.create_user("someone")
    Account.objects.create(user=someone, directory=source.directory, key="x", remote_id="user1", state="active")
    services.approve_import(run, "x", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.created, run.errors, run.applied) == (rows - 1, 1, rows)
    assert "could not be written" in errors(run)["user1"]
    lines = Event.objects.filter(run_id=run.pk).exclude(identifier="")
    assert dict(lines.values_list("identifier", "result"))["user1"] == "failed"
    assert lines.count() == rows


@pytest.mark.heavy
def test_match_by_email(source: Source) -> None:
    source.set(match_attribute="profile.email")
    there = User.objects.create_user("a.smith", None, email="Anna@Example.org")
    for _ in range(2):
        User.objects.create_user(f"twin{User.objects.count()}", None, email="twin@example.org")
    source.put("1001", "Anna", mail="anna@example.ORG")
    source.put("1002", "Twin", mail="twin@example.org")
    source.put("1003", "C", mail="c@x.org")
    source.put("1004", "D", mail="c@x.org")
    source.put("a.smith", "E", mail="other@x.org")
    run = source.run()
    there.refresh_from_db()
    assert (there.username, there.first_name) == ("a.smith", "Anna")
    assert set(errors(run)) == {"1002", "1003", "1004", "a.smith"}
    assert "Several users" in errors(run)["1002"]
    assert "match the same person" in errors(run)["1004"]
    source.remove("1004")
    source.run()
    assert user("1003").first_name == "C"
    # The row got another key in the directory: the same person, found again by e-mail.
    source.remove("1003", "1002", "a.smith")
    source.put("2003", "C2", mail="c@x.org")
    renamed = source.run()
    assert (renamed.created, renamed.updated, renamed.deactivated) == (0, 1, 0)
    assert Account.objects.get(user__username="1003").remote_id == "2003"


def test_match_by_a_custom_attribute(source: Source) -> None:
    AttributeDefinition.objects.create(name="badge", label="Badge")
    source.map(BADGE="custom_profile.badge")
    source.set(match_attribute="custom_profile.badge")
    there = User.objects.create_user("anna", None, custom_profile={"badge": "B7", "other": "kept"})
    source.put("x1", "Anna", also={"BADGE": "B7"})
    source.run()
    there.refresh_from_db()
    assert there.first_name == "Anna"
    assert there.custom_profile == {"badge": "B7", "other": "kept"}


@pytest.mark.heavy
def test_match_by_several_attributes_in_their_order(source: Source) -> None:
    AttributeDefinition.objects.create(name="badge", label="Badge")
    source.map(NUMBER="profile.employee_number", BADGE="custom_profile.badge")
    keys = ("profile.employee_number", "custom_profile.badge", "profile.email")
    source.set(match_attribute=keys[0], match_second=keys[1], match_third=keys[2])
    User.objects.create_user("by.number", None, employee_number="7", email="other@x.org")
    User.objects.create_user("by.badge", None, custom_profile={"badge": "B1"}, email="one@x.org")
    User.objects.create_user("by.mail", None, email="Two@x.org")
    User.objects.create_user("stranger", None, employee_number="9", email="three@x.org")
    for n in (1, 2):
        User.objects.create_user(f"twin{n}", None, email="twin@x.org")
    source.put("1", "Number", mail="one@x.org", also={"NUMBER": "7", "BADGE": "B1"})  # the first that finds somebody
    source.put("2", "Badge", mail="two@x.org", also={"NUMBER": "8", "BADGE": "B1"})
    source.put("3", "Mail", mail="two@x.org")
    source.put("4", "Nobody", mail="three@x.org", also={"NUMBER": "10"})  # the number says that it is another person
    source.put("5", "Twin", mail="twin@x.org")
    source.put("6", "New", mail="new@x.org")
    source.put("7", "New", mail="NEW@x.org")
    run = source.run()
    names = dict(User.objects.exclude(first_name="").values_list("username", "first_name"))
    assert names == {"by.number": "Number", "by.badge": "Badge", "by.mail": "Mail", "4": "Nobody"}
    assert {key: words.partition(",")[0].partition(":")[0] for key, words in errors(run).items()} == {
        "5": "Several users have the value by which this row is matched",
        **dict.fromkeys("67", "Other rows of this import match the same person"),
    }
    assert not planned(source.run(), "create")


def test_rows_that_find_one_person_by_different_attributes_are_none_of_theirs(source: Source) -> None:
    source.map(NUMBER="profile.employee_number")
    source.set(match_attribute="profile.employee_number", match_second="profile.email")
    User.objects.create_user("kay", None, employee_number="7", email="kay@x.org", first_name="Kay")
    source.put("1", "Kaye", mail="other@x.org", also={"NUMBER": "7"})
    source.put("2", "Katy", mail="kay@x.org")
    run = source.run()
    assert set(errors(run)) == {"kay", "2"}
    assert user("kay").first_name == "Kay"


def test_a_user_name_that_is_taken_by_somebody_else_is_no_match(source: Source) -> None:
    source.map(NUMBER="profile.employee_number")
    source.set(match_attribute="profile.employee_number", match_second="profile.username")
    User.objects.create_user("anna", None, employee_number="7")
    User.objects.create_user("bob", None)
    source.put("anna", "Stranger", also={"NUMBER": "8"})
    source.put("bob", "Bob", also={"NUMBER": "9"})
    run = source.run()
    assert "belongs to someone" in errors(run)["anna"]
    assert (user("bob").first_name, user("bob").employee_number) == ("Bob", "9")


@pytest.mark.heavy
def test_custom_attributes(source: Source) -> None:
    AttributeDefinition.objects.create(name="level", label="Level", type="number")
    AttributeDefinition.objects.create(name="since", label="Since", type="date")
    source.map(LEVEL="custom_profile.level", SINCE="custom_profile.since", SHOE="custom.shoe")
    source.put("anna", also={"LEVEL": "7", "SINCE": "2024-02-29", "SHOE": "42"})
    source.put("bob", also={"LEVEL": "high"})
    run = source.run()
    assert user("anna").custom_profile == {"level": 7, "since": "2024-02-29"}
    assert user("anna").custom_attributes == {"shoe": "42"}
    assert errors(run) == {"bob": "Level is not a number."}
    source.put("anna", also={"LEVEL": "7", "SINCE": "", "SHOE": "42"})
    source.run()
    assert user("anna").custom_profile == {"level": 7}


@pytest.mark.heavy
def test_managers_may_come_later_in_the_directory(source: Source) -> None:
    source.map(BOSS="profile.manager")
    source.put("anna", also={"BOSS": "Zoe"})
    source.put("bob", also={"BOSS": "nobody"})
    source.put("zoe")
    source.run()
    assert user("anna").manager == user("zoe")
    assert user("bob").manager is None
    assert source.run().planned == 0
    source.put("anna", also={"BOSS": "bob"})
    source.run()
    assert user("anna").manager == user("bob")


@pytest.mark.heavy
def test_state_follows_the_directory_only_when_it_changes_there(source: Source) -> None:
    source.put("anna", enabled=True)
    source.put("bob", enabled=False)
    source.run()
    assert user("anna").is_active
    assert not user("bob").is_active
    User.objects.filter(username="anna").update(is_active=False)  # the helpdesk
    source.put("anna", "New", enabled=True)
    source.run()
    assert not user("anna").is_active
    source.put("bob", enabled=True)
    source.run()
    assert user("bob").is_active


@pytest.mark.heavy
def test_passwords_only_when_switched_on(source: Source) -> None:
    source.put("anna", password="secret-1")
    source.run()
    assert not user("anna").has_usable_password()
    source.set(import_passwords=True)
    run = source.run()
    assert check_password("secret-1", user("anna").password)
    assert "secret-1" not in str(PlannedChange.objects.values_list("row", "after", "before"))
    assert not PlannedChange.objects.filter(row__has_key="password").exists()
    assert run.errors == 0
    source.put("anna", password="secret-2")
    preview = source.run(preview=True)
    assert PlannedChange.objects.filter(run=preview, row__has_key="password").exists()
    assert "secret-2" not in str(PlannedChange.objects.values_list("row"))
    services.cancel_import(preview, "x")
    assert not PlannedChange.objects.filter(row__has_key="password").exists()
    source.run()
    assert check_password("secret-2", user("anna").password)
    source.put("anna", "New name", password="secret-2")
    User.objects.filter(username="anna").update(password="kept")
    source.run()
    assert user("anna").password == "kept"


def test_people_flow_on_and_nothing_echoes_back(source: Source) -> None:
    for directory in (source.directory, Directory.objects.create(name="Other", kind="memory")):
        ProvisioningSettings.objects.update_or_create(
            directory=directory, defaults={"create_users": True, "update_users": True, "deactivate_users": True}
        )
    source.put_many(3)
    source.run()
    assert set(Change.objects.values_list("directory__name", flat=True)) == {"Other"}
    assert Change.objects.count() == 3
    accounts = Account.objects.filter(directory=source.directory)
    assert all(account.pushed_digest for account in accounts)
    loaded = config.load(source.directory.pk)
    reconciler = AccountReconciler(
        loaded, catalogue(), connector_class("memory")(ConnectorConfig({})), Owners(source.directory.pk, ())
    )
    for account in accounts:
        plan = without_looking(reconciler.situation(account)[0])
        assert plan is not None
        assert plan.steps == ()


def test_an_import_may_not_be_on(source: Source) -> None:
    source.set(import_users=False)
    with pytest.raises(services.ImportRefused, match="switched off"):
        source.start()
    source.set(import_users=True)
    Directory.objects.update(enabled=False)
    with pytest.raises(services.ImportRefused, match="switched off"):
        source.start()


def other_case(key: str, source: Source, **row: object) -> None:
    """Give the account another key, as if the directory compared keys without case."""
    source.remove(key)
    source.put(key.upper(), **row)  # type: ignore[arg-type]


@pytest.mark.heavy
def test_an_error_is_never_an_absence(source: Source) -> None:
    source.set(match_attribute="profile.email")
    for name in ("anna", "bob", "cleo", "dan", "eve", "fay", "gone"):
        source.put(name, mail=f"{name}@x.org")
    source.run()
    other_case("anna", source, mail="new@x.org")  # a taken name with another match value
    other_case("bob", source, mail="bob@x.org", first="x" * 151)
    User.objects.filter(username="cleo").update(email="dan@x.org", email_key="dan@x.org")
    source.remove("cleo", "dan")
    source.put("one-of-them", mail="dan@x.org")
    other_case("eve", source, mail="other@x.org", problem="LASTNAME holds bytes that are not text (UTF-8).")
    source.remove("fay", "gone")
    source.rows.append(RemoteAccount("", "", {"MAIL": "fay@x.org"}))
    source.rows.append(RemoteAccount("b\x00d", "b\x00d", {"MAIL": "b\x00d"}))
    run = source.run()
    assert {change.key for change in planned(run, "deactivate")} == {"gone"}
    assert run.errors == 6
    assert set(User.objects.filter(is_active=False).values_list("username", flat=True)) == {"gone"}


@pytest.mark.heavy
def test_a_row_in_error_does_not_take_the_place_of_the_true_one(source: Source) -> None:
    source.set(match_attribute="profile.email")
    source.put("anna", mail="twin@x.org")
    source.put("bob", mail="bob@x.org")
    source.run()
    User.objects.filter(username="bob").update(email="twin@x.org", email_key="twin@x.org")
    source.rows = []
    source.put("new", mail="twin@x.org")
    source.put("anna", "Changed", mail="twin@x.org")
    source.put("bob", mail="bob@x.org")
    run = source.run()
    assert set(errors(run)) == {"new"}
    assert user("anna").first_name == "Changed"


def test_rows_in_error_cost_one_query_a_page(
    source: Source, django_assert_max_num_queries: Callable[..., object]
) -> None:
    source.set(match_attribute="profile.email")
    crawler = Crawler(config.load(source.directory.pk))
    for n in range(200):
        source.put(f"user{n}", "x" * 151, mail=f"{n}@x.org")
    with django_assert_max_num_queries(5):  # type: ignore[attr-defined]
        crawler.page(crawler.digested(Page(source.rows, last=True)), keep=lambda planned: None)


@pytest.mark.heavy
def test_a_person_of_two_sources_leaves_with_either(source: Source) -> None:
    """As docs/imports.md says: only the directory that decides should have the switch on."""
    source.put_many(2)
    source.run()
    other = Directory.objects.create(name="Other", kind="memory")
    there = {"state": "active", "seen_digest": "d", "key": "user0", "remote_id": "user0"}
    Account.objects.create(user=user("user0"), directory=other, **there)
    source.remove("user0")
    assert source.run().deactivated == 1
    assert not user("user0").is_active
    assert Account.objects.get(directory=other).state == "active"
    source.put("user0", "Back")
    source.run()
    assert user("user0").is_active

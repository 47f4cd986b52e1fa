"""Users who are renamed in a directory that knows them by a lasting id."""

from typing import Any

import pytest

from directories.connectors.base import RemoteAccount
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine, incremental
from provisioning.imports.users.listing import listing
from provisioning.models import Account, ImportRun, PlannedChange, User
from provisioning.models.imports import RunStatus
from reports.models import Event
from scim.models import Client, UserLink
from tests.provisioning.imports.conftest import Source, SourceConnector, errors, planned, user

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def put(source: Source, ref: str, key: str, **more: Any) -> None:
    """Put a row with a lasting id of its own."""
    values = {"FIRSTNAME": "Ann", "LASTNAME": "Berg", "MAIL": "", **more}
    row = RemoteAccount(ref, key, values)
    source.rows = [*(one for one in source.rows if one.ref != ref), row]


@pytest.fixture
def follows(source: Source) -> Source:
    """A source that follows renames, with ann in it."""
    source.set(follow_renames=True)
    put(source, "id1", "ann")
    source.run()
    return source


def test_a_name_stays_unless_renames_are_followed(source: Source) -> None:
    put(source, "id1", "ann")
    source.run()
    put(source, "id1", "ann.miller")
    source.run()
    assert user("ann").username_key == "ann"
    source.set(follow_renames=True)
    source.run()
    assert user("ann.miller").first_name == "Ann"


def test_a_renamed_user_is_renamed_everywhere(follows: Source) -> None:
    other = Directory.objects.create(name="Other", kind="memory", enabled=False)
    ProvisioningSettings.objects.create(directory=other, create_users=True)
    ann = user("ann")
    unmade = Account.objects.create(user=ann, directory=other, key="ann")
    link = UserLink.objects.create(client=Client.objects.create(name="Okta", slug="okta"), user=ann)
    put(follows, "id1", "Ann.Miller")
    run = follows.run()
    ann.refresh_from_db()
    assert (ann.username, ann.username_key) == ("Ann.Miller", "ann.miller")
    unmade.refresh_from_db()
    assert (unmade.key, unmade.key_folded) == ("Ann.Miller", "ann.miller")
    link.refresh_from_db()
    assert (link.user_name, link.user_name_key) == ("ann", "ann")  # what Okta calls her
    assert unmade.changes.exists()
    assert Event.objects.get(run_id=run.pk, identifier="ann").changes == {"User name": ["ann", "Ann.Miller"]}
    [shown] = listing(PlannedChange.objects.filter(run=run)).rows
    assert [(one.label, one.before, one.after) for one in shown.differences] == [("User name", "ann", "Ann.Miller")]
    assert not planned(follows.run())


@pytest.mark.parametrize(
    ("name", "why"),
    [("Bob", "somebody else has that user name in the portal"), ("ann\tmiller", "an invisible character")],
)
def test_a_name_that_cannot_be_given_keeps_nothing_else_back(follows: Source, name: str, why: str) -> None:
    bob = User.objects.create_user("bob")
    follows.map(ACTIVE="profile.active")
    put(follows, "id2", "eve")
    follows.run()
    put(follows, "id1", name, LASTNAME="Miller", ACTIVE="no")
    for action in ("update", "link"):  # the row is looked at again, until its name can be given
        run = follows.run()
        [change] = planned(run)
        assert (run.errors, run.status, change.action) == (0, RunStatus.FINISHED, action)
        assert change.message.startswith("The user name stays ann.")
        assert why in change.message
        assert why in Event.objects.get(run_id=run.pk, identifier="ann").message
    assert (user("ann").last_name, user("ann").is_active) == ("Miller", False)
    bob.delete()
    put(follows, "id1", "Bob", LASTNAME="Miller", ACTIVE="no")
    follows.run()
    assert user("Bob").last_name == "Miller"


def test_a_name_that_is_taken_while_a_plan_waits_keeps_nothing_else_back(follows: Source) -> None:
    put(follows, "id1", "bob", LASTNAME="Miller")
    run = follows.run(preview=True)
    User.objects.create_user("bob")
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    run.refresh_from_db()
    [change] = planned(run)
    assert (run.status, run.errors, run.updated, change.after) == (
        *(RunStatus.FINISHED, 0, 1, {"profile.last_name": "Miller"}),
    )
    assert change.message.startswith("The user name stays ann.")
    assert user("ann").last_name == "Miller"
    User.objects.filter(username="bob").delete()
    follows.run()
    assert user("bob").last_name == "Miller"


@pytest.mark.parametrize("page_size", [1, 10])
def test_two_who_take_one_name_in_one_import(follows: Source, page_size: int) -> None:
    """Nobody gets it, whichever comes first, and all else of both is applied."""
    follows.page_size = page_size
    put(follows, "id2", "eve")
    follows.run()
    put(follows, "id1", "zoe", LASTNAME="Miller")
    put(follows, "id2", "Zoe")
    run = follows.run()
    assert dict(User.objects.values_list("username", "last_name")) == {"ann": "Miller", "eve": "Berg"}
    assert (run.updated, run.unchanged, run.errors) == (1, 1, 0)
    assert all("claim the user name" in change.message for change in planned(run))
    follows.rows.pop()
    follows.set(deactivate_missing=False)
    follows.run()
    assert user("zoe").last_name == "Miller"


@pytest.mark.parametrize("turned", [False, True])
def test_a_name_that_somebody_new_has_as_well(follows: Source, turned: bool) -> None:
    follows.page_size = 1
    put(follows, "id1", "zoe", LASTNAME="Miller")
    put(follows, "id2", "Zoe", FIRSTNAME="Zoe")
    if turned:
        follows.rows.reverse()
    run = follows.run()
    assert dict(User.objects.values_list("username", "last_name")) == {"ann": "Miller"}
    assert (run.updated, run.created, run.errors) == (1, 0, 1)
    assert errors(run)["Zoe"].startswith("Other rows of this import have the same user name")


@pytest.mark.parametrize("turned", [False, True])
def test_the_next_owner_of_a_name_comes_with_the_next_import(follows: Source, turned: bool) -> None:
    """What an LDAP server shows after modrdn, and a new entry of the old name."""
    put(follows, "id1", "ann.miller")
    put(follows, "id2", "ann", FIRSTNAME="Anna")
    if turned:
        follows.rows.reverse()
    run = follows.run()
    assert user("ann.miller").first_name == "Ann"
    assert errors(run)["ann"].startswith("Ann Berg (ann) has this user name until this import has renamed them.")
    assert follows.run().created == 1
    assert user("ann").first_name == "Anna"


def test_a_row_that_is_found_by_another_attribute_brings_its_name(source: Source) -> None:
    """As in SQL, where the user name is the only lasting id, and people are found by a number."""
    source.map(NUMBER="profile.employee_number")
    source.set(follow_renames=True, match_attribute="profile.employee_number")
    put(source, "ann", "ann", NUMBER="7")
    source.run()
    source.rows = []
    put(source, "ann.miller", "ann.miller", NUMBER="7")
    run = source.run()
    assert (run.errors, User.objects.get().username) == (0, "ann.miller")
    assert Account.objects.get().remote_id == "ann.miller"


@pytest.mark.parametrize("holder", ["as before", "staff", "refused"])
@pytest.mark.parametrize("turned", [False, True])
def test_nobody_is_said_to_be_renamed_who_is_not(follows: Source, holder: str, turned: bool) -> None:
    if holder == "staff":
        User.objects.update(is_staff=True)
    if holder == "refused":
        User.objects.create_user("bob")
    put(follows, "id1", {"as before": "ann", "staff": "ann.miller", "refused": "bob"}[holder])
    put(follows, "id2", "ann", FIRSTNAME="Anna")
    if turned:
        follows.rows.reverse()
    words = "Ann Berg (ann) has this user name in the portal, and another row of HR is theirs."
    assert errors(follows.run())["ann"].startswith(words)


def test_many_renames_wait_for_approval(follows: Source) -> None:
    for n in range(4):
        put(follows, f"n{n}", f"user{n}")
    follows.run()
    follows.set(max_leavers=2)
    for n in range(3):
        put(follows, f"n{n}", f"user{n}@example.org")
    run = follows.run()
    words = "3 people of 5 would be renamed because HR names them otherwise; the limit is 2."
    assert run.message.startswith(words)
    assert user("user0").is_active


def test_a_rename_where_everybody_is_inactive_waits_for_nobody(follows: Source) -> None:
    for n in range(19):
        put(follows, f"n{n}", f"user{n}")
    follows.run()
    User.objects.update(is_active=False)
    put(follows, "n1", "user1@example.org")
    run = follows.run()
    assert (run.status, run.renamed) == (RunStatus.FINISHED, 1), run.message
    assert not user("user1@example.org").is_active


def test_many_small_imports_rename_no_more_than_a_whole_one_may(
    follows: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        put(follows, f"n{n}", f"user{n}")
    follows.run()
    follows.set(max_leavers=2, import_cursor={})
    monkeypatch.setattr(incremental, "begin", lambda *_, **__: {"at": "1"})
    monkeypatch.setattr(SourceConnector, "changes", lambda self, _, size: self.accounts(size), raising=False)

    def renamed(number: int) -> ImportRun:
        put(follows, f"n{number}", f"user{number}@example.org")
        run = follows.start()
        ImportRun.objects.filter(pk=run.pk).update(incremental=True)
        engine.execute(run.pk)
        run.refresh_from_db()
        return run

    assert [(renamed(n).status, ImportRun.objects.latest("pk").renamed) for n in range(2)] == [("finished", 1)] * 2
    run = renamed(2)
    assert run.status == RunStatus.APPROVAL
    assert "1 person of 5 would be renamed" in run.message
    assert "after 2 in the last 24 hours; the limit is 2." in run.message


def test_staff_are_not_renamed(follows: Source) -> None:
    User.objects.update(is_staff=True)
    put(follows, "id1", "ann.miller")
    follows.run()
    assert User.objects.get().username == "ann"

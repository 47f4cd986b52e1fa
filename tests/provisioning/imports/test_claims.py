"""Rows that claim one person, rows of the deleted, and names that are given to somebody else."""

import pytest

from directories.connectors.base import RemoteAccount
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports.users.identity import another_person
from provisioning.models import Account, Change, User
from tests.provisioning.imports.conftest import Source, errors, planned, user

pytestmark = pytest.mark.django_db


def row(ref: str, key: str, first: str = "F", **also: str) -> RemoteAccount:
    """Return a row whose lasting id is not its name."""
    return RemoteAccount(ref, key, {"FIRSTNAME": first, "LASTNAME": "L", **also})


@pytest.mark.heavy
@pytest.mark.parametrize("page_size", [1, 10])
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_rows_with_one_key_none_is_applied(source: Source, page_size: int, turned: bool) -> None:
    """New, known and unchanged; whichever comes first, in one page or in several."""
    source.page_size = page_size
    source.put_many(2)
    source.put("known", "Before")
    source.run()
    for key in ("new", "known", "user0"):
        twins = [row(key, key, "First"), row(key, key, "Second")]
        same = [one for one in source.rows if one.ref == key and key == "user0"]
        source.rows = [one for one in source.rows if one.ref != key]
        source.rows += (same + twins[1:] if same else twins)[:: -1 if turned else 1]
    run = source.run()
    assert (run.created, run.updated, run.deactivated, run.errors, run.unchanged) == (0, 0, 0, 6, 1)
    assert sorted(change.key for change in planned(run, "error")) == ["known", "known", "new", "new", "user0", "user0"]
    assert user("known").first_name == "Before"
    assert user("user0").first_name == "First0"
    assert not User.objects.filter(username="new").exists()
    assert all("none of them is applied" in words for words in errors(run).values())


@pytest.mark.parametrize("page_size", [1, 10])
@pytest.mark.parametrize("turned", [False, True])
def test_of_two_rows_that_match_one_person_none_is_applied(source: Source, page_size: int, turned: bool) -> None:
    source.page_size = page_size
    source.set(match_attribute="profile.email")
    User.objects.create_user("kay", None, email="kay@x.org", first_name="Kay")
    source.put("adm.kay", "Admin", mail="kay@x.org")
    source.put("kay", "Kaye", mail="KAY@x.org")
    source.put("new1", "A", mail="new@x.org")
    source.put("new2", "B", mail="New@x.org")
    if turned:
        source.rows.reverse()
    run = source.run()
    assert (run.errors, run.created, run.updated) == (4, 0, 0)
    assert user("kay").first_name == "Kay"
    assert User.objects.count() == 1


def test_a_row_that_is_an_error_by_itself_may_be_the_right_one(source: Source) -> None:
    source.rows = [row("1", "anna", "x" * 151), row("2", "anna")]
    assert source.run().errors == 2
    assert not User.objects.exists()


@pytest.mark.heavy
@pytest.mark.parametrize("page_size", [1, 10])
@pytest.mark.parametrize("turned", [False, True])
def test_the_next_owner_of_a_name_hears_who_has_it(source: Source, page_size: int, turned: bool) -> None:
    """ann is ann.miller there now, by her lasting id, and somebody new is called ann."""
    source.page_size = page_size
    source.rows = [row("id-1", "ann", "Ann"), row("id-2", "bob")]
    source.run()
    person = user("ann")
    source.rows = [row("id-1", "ann.miller", "Ann"), row("id-3", "ann", "Anton"), row("id-2", "bob")]
    if turned:
        source.rows.reverse()
    for _ in range(2):
        run = source.run()
        assert (run.errors, run.created, run.deactivated) == (1, 0, 0)
        words = "Ann L (ann) has this user name in the portal, and another row of HR is theirs."
        assert errors(run)["ann"].startswith(words)
    person.refresh_from_db()
    assert (person.username, person.first_name) == ("ann", "Ann")
    assert Account.objects.get(user=person).remote_id == "id-1"


@pytest.mark.heavy
def test_a_row_that_was_made_anew_there_is_still_the_same_person(source: Source) -> None:
    source.rows = [row("id-1", "ann", "Ann"), row("id-2", "bob")]
    source.run()
    source.rows = [row("id-9", "ann", "Anna"), row("id-2", "bob")]
    run = source.run()
    assert (run.errors, run.updated, run.deactivated) == (0, 1, 0)
    assert Account.objects.get(user=user("ann")).remote_id == "id-9"


@pytest.mark.heavy
def test_the_deleted_are_left_alone_on_every_import(source: Source) -> None:
    source.put_many(2)
    source.run()
    services.delete_users([user("user0").pk], "admin")
    for _ in range(2):
        run = source.run()
        assert (run.left_alone, run.unchanged, run.errors, run.created) == (1, 1, 0, 0)
        assert run.message == "Read 2 users from HR: 1 unchanged, 1 left alone, 0 errors"
        (change,) = planned(run, "leave")
        assert change.message.startswith("user0 was deleted here on 20")
        assert "HR still has the row" in change.message
    assert not User.objects.filter(username="user0").exists()


@pytest.mark.heavy
def test_no_other_source_makes_the_deleted_again(source: Source) -> None:
    """And each remembers by itself, until it does not show the person any more."""
    source.put_many(2)
    source.run()
    first = source.directory
    services.delete_users([user("user0").pk], "admin")
    other = Directory.objects.create(name="HR2", kind="memory")
    ProvisioningSettings.objects.create(directory=other, import_users=True, deactivate_missing=True)
    source.directory = other
    assert source.run().left_alone == 1
    Change.objects.all().delete()  # as when they are delivered
    rows, source.rows = source.rows, [one for one in source.rows if one.key != "user0"]
    source.directory = first
    source.run()
    assert not Account.objects.filter(user=None, directory=first).exists()
    source.directory, source.rows = other, rows
    assert source.run().left_alone == 1
    source.remove("user0")
    source.run()
    assert not Account.objects.filter(user=None).exists()
    source.put("user0", "Back")
    assert source.run().created == 1


@pytest.mark.heavy
def test_a_person_says_that_the_deleted_come_back(source: Source) -> None:
    source.put_many(1)
    source.run()
    services.delete_users([user("user0").pk], "admin")
    User.objects.create_user("user0")
    run = source.run()
    assert (run.left_alone, run.errors) == (0, 0)
    assert user("user0").first_name == "First0"
    account = Account.objects.get(user=user("user0"))
    assert (account.remote_id, account.deleted_at) == ("user0", None)


@pytest.mark.heavy
def test_a_preview_forgets_nobody(source: Source) -> None:
    source.put_many(2)
    source.run()
    services.delete_users([user("user0").pk], "admin")
    source.remove("user0")
    source.run(preview=True)
    assert Account.objects.filter(user=None).exists()


@pytest.mark.heavy
def test_a_name_that_was_given_to_somebody_else(source: Source) -> None:
    source.put("p101", "Paul", "One", "paul@x.org")
    source.put_many(1)
    source.run()
    source.remove("p101")
    source.run()
    source.put("p101", "Petra", "Two", "petra@x.org")
    run = source.run()
    person = user("p101")
    assert (person.first_name, person.is_active) == ("Paul", False)
    assert "looks like another person: other names and another e-mail address" in errors(run)["p101"]
    services.set_active([person.pk], True, "helpdesk")  # it is the same one, says a person
    source.run()
    assert user("p101").first_name == "Petra"


@pytest.mark.heavy
def test_a_deleted_name_that_was_given_to_somebody_else(source: Source) -> None:
    source.put("p101", "Paul", "One", "paul@x.org")
    source.run()
    services.delete_users([user("p101").pk], "admin")
    source.put("p101", "Petra", "Two", "petra@x.org")
    assert "looks like another person" in errors(source.run())["p101"]
    assert not User.objects.exists()


@pytest.mark.heavy
def test_a_rename_that_looks_like_a_leaver_and_somebody_new_is_hinted_at(source: Source) -> None:
    source.put("p103", "Pia", "Three", "Pia@x.org")
    source.put_many(1)
    source.run()
    source.remove("p103")
    source.put("q103", "Pia", "Three", "pia@X.org")
    run = source.run(preview=True)
    (new,) = planned(run, "create")
    (gone,) = planned(run, "deactivate")
    assert new.message.startswith("Perhaps Pia Three (p103) under another name: the e-mail address is the same")
    assert gone.message.startswith("Missing from HR; perhaps renamed to q103")


PAUL = {"profile.first_name": "Paul", "profile.last_name": "One", "profile.email": "paul@x.org"}


@pytest.mark.parametrize(
    ("held", "given", "why"),
    [
        ({}, {}, ""),
        ({}, {"profile.last_name": "Two", "profile.email": "two@x.org"}, ""),  # who married
        ({}, {"profile.first_name": "Petra", "profile.last_name": "Two"}, ""),  # the same address
        (
            {},
            {"profile.first_name": "Petra", "profile.last_name": "Two", "profile.email": "two@x.org"},
            "other names and another e-mail address",
        ),
        ({"profile.email": None}, {"profile.first_name": "Petra", "profile.last_name": "Two"}, "other names"),
        ({"profile.employee_number": "1"}, {"profile.employee_number": "2"}, "another employee number"),
        (
            {"profile.employee_number": "1"},
            {
                "profile.employee_number": "1",
                "profile.first_name": "Petra",
                "profile.last_name": "Two",
                "profile.email": "two@x.org",
            },
            "",
        ),
        ({}, {"profile.first_name": None, "profile.last_name": None, "profile.email": "two@x.org"}, ""),
        ({}, {"profile.first_name": " PAUL", "profile.last_name": "Two", "profile.email": "two@x.org"}, ""),
    ],
)
def test_who_is_another_person(held: dict[str, object], given: dict[str, object], why: str) -> None:
    assert another_person({**PAUL, **held}, {**PAUL, **given}) == why

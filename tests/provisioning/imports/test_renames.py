"""Users who are renamed in a directory that knows them by a lasting id."""

from typing import Any

import pytest

from directories.connectors.base import RemoteAccount
from directories.models import Directory, ProvisioningSettings
from provisioning.imports.users.listing import listing
from provisioning.models import Account, User
from reports.models import Event
from scim.models import Client, UserLink
from tests.provisioning.imports.conftest import Source, errors, planned, user

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
    [shown] = listing(run, "", "").rows
    assert [(one.label, one.before, one.after) for one in shown.differences] == [("User name", "ann", "Ann.Miller")]
    assert not planned(follows.run())


def test_a_name_that_somebody_else_has_is_an_error_until_it_is_free(follows: Source) -> None:
    bob = User.objects.create_user("bob")
    put(follows, "id1", "Bob")
    run = follows.run()
    assert "somebody else has that user name in the portal" in errors(run)["Bob"]
    assert user("ann").is_active
    bob.delete()
    follows.run()
    assert user("Bob").first_name == "Ann"


def test_two_who_take_one_name_in_one_import(follows: Source) -> None:
    put(follows, "id2", "eve")
    follows.run()
    put(follows, "id1", "zoe")
    put(follows, "id2", "zoe")
    run = follows.run()
    run.refresh_from_db()
    assert sorted(User.objects.values_list("username", flat=True)) in (["ann", "zoe"], ["eve", "zoe"])
    assert run.errors == 1


def test_a_name_that_no_user_can_have(follows: Source) -> None:
    put(follows, "id1", "ann\tmiller")
    assert follows.run().errors == 1
    assert user("ann").is_active


def test_the_next_owner_of_a_name_comes_with_the_next_import(follows: Source) -> None:
    """What an LDAP server shows after modrdn, and a new entry of the old name."""
    put(follows, "id1", "ann.miller")
    put(follows, "id2", "ann", FIRSTNAME="Anna")
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


def test_staff_are_not_renamed(follows: Source) -> None:
    User.objects.update(is_staff=True)
    put(follows, "id1", "ann.miller")
    follows.run()
    assert User.objects.get().username == "ann"

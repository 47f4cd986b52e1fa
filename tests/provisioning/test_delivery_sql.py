"""Deliveries to a real database whose rows are not as its templates mean them to be."""

from collections.abc import Callable

import pytest

from directories.models import Directory, QueryTemplate, TemplateOperation
from provisioning import services
from provisioning.models import Account, Change, User
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from tests.fixtures.directories import AppsDb

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


def test_a_create_query_that_writes_one_name_twice_holds_up_nobody_else(
    pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, create_users=True)
    QueryTemplate.objects.filter(directory=directory, operation=TemplateOperation.CREATE).update(
        sql="INSERT INTO USERS (USERNAME) VALUES ('##EMAIL_ADDRESS##')"
    )
    for name, email in (("ann", "info@example.org"), ("bob", "info@example.org"), ("zoe", "zoe@example.org")):
        User.objects.create(username=name, email=email)

    for _ in range(2):  # nothing is left to do the second time: no row is written again
        deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))

    rows = sorted(str(name) for (name,) in pg_appsdb.rows("SELECT USERNAME FROM USERS"))
    assert rows == ["info@example.org", "info@example.org", "zoe@example.org"]
    found = Account.objects.order_by("key").values_list("key", "remote_id", "state", "last_result", "leased_until")
    assert list(found) == [
        ("ann", "info@example.org", "active", "parked", None),
        ("bob", "", "pending", "parked", None),
        ("zoe", "zoe@example.org", "active", "parked", None),
    ]
    # Nor does the Check query find what was written under another name than the user's own.
    assert {account.changes.get().parked_code for account in Account.objects.exclude(key="bob")} == {"unseen"}
    parked = Account.objects.get(key="bob").changes.get()
    assert parked.parked_code == "other_account"
    assert "another account" in parked.parked_message


def test_the_same_person_gets_the_row_that_was_kept(appsdb: AppsDb, make_directory: Callable[..., Directory]) -> None:
    directory = make_directory(appsdb, create_users=True, update_users=True)
    ann = User.objects.create(username="ann", first_name="Ann")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    services.delete_users([ann.pk], "admin")  # deleting is off in the directory, which keeps the row
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    again = User.objects.create(username="ann", first_name="Änne")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert Account.objects.get(user=again).changes.get().parked_code == "other_account"
    assert services.give_back(again, services.lost_to(again).get().pk, "admin")
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    assert appsdb.people()["ann"][0] == "Änne"
    assert (Account.objects.get().user, Change.objects.count()) == (again, 0)

"""Deliveries to a real database whose rows are not as its templates mean them to be."""

from collections.abc import Callable

import pytest

from directories.models import Directory, QueryTemplate, TemplateOperation
from provisioning.models import Account, User
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

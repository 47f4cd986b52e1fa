"""Who is missing from one source, and has a contract at another one that holds, is no leaver."""

import pytest
from django.utils import timezone

from directories.models import Directory
from provisioning.imports.doors.contracts import settle
from provisioning.models import Account, PlannedChange, User
from provisioning.models.accounts import AccountState
from tests.provisioning.contracts.conftest import account, active, give
from tests.provisioning.imports.conftest import Source, source

__all__ = ["source"]

pytestmark = pytest.mark.django_db


def test_the_first_source_that_drops_somebody_does_not_deactivate_them(source: Source, payroll: Directory) -> None:
    source.put_many(30)
    source.put("ada", "Ada")
    source.put("bob", "Bob")
    source.run()
    ada, bob = User.objects.get(username="ada"), User.objects.get(username="bob")
    here = Account.objects.get(user=ada, directory=source.directory)
    give(here, "1", "2020-01-01")
    elsewhere = account(ada, payroll, "P-1")
    give(elsewhere, "77", "2020-01-01")
    give(Account.objects.get(user=bob, directory=source.directory), "1", "2020-01-01")
    settle()

    source.remove("ada", "bob")
    run = source.run()
    assert (active(ada), active(bob)) == (True, False)
    assert run.deactivated == 1
    row = PlannedChange.objects.get(run=run, user_id=ada.pk)
    assert row.message == "Missing from HR, and still active: contract 77 (Payroll) holds."
    here.refresh_from_db()
    assert here.state == AccountState.ABSENT
    assert not PlannedChange.objects.filter(run=source.run(), user_id=ada.pk).exists(), "it is said once"

    give(elsewhere, "77", "2020-01-01", str(timezone.now().date().replace(year=2025)))
    settle()
    assert not active(ada), "what HR said before does not hold: it does not show the person any more"

    source.put("ada", "Ada")
    source.run()
    settle()
    assert active(ada), "HR shows the person again, with the contract that it gave"

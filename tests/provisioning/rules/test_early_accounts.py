"""Accounts that a rule gives before a contract begins: disabled until then, and enabled by the tick."""

import datetime as dt

import pytest

from directories.connectors.memory import STORES, StoredAccount
from directories.models import AccountsFor, AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.contracts.models import Location
from provisioning.history import why
from provisioning.imports.doors import rules as doors
from provisioning.imports.doors.contracts import settle
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.outbound import batch
from provisioning.outbound.kinds import KINDS
from provisioning.receipts.models import Receipt
from provisioning.rules.models import Granted
from reports.models import Event
from tests.provisioning.contracts.conftest import Clock
from tests.provisioning.rules.conftest import account, give, others, person, rule

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
ON = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)


@pytest.fixture
def crm() -> Directory:
    others(100)
    directory = Directory.objects.create(name="CRM", kind="memory", settings={"name": "early"})
    ProvisioningSettings.objects.create(directory=directory, accounts_for=AccountsFor.RULES, **ON)
    AttributeMapping.objects.create(directory=directory, directory_attribute="TITLE", portal_attribute="title")
    STORES["early"].clear()
    return directory


def starter(hr: Directory, name: str = "ada", begins: str = "2026-12-10", ends: str = "") -> Account:
    """Add somebody who is inactive until their contract in Amsterdam begins; it is 30 November 2026."""
    known = account(person(name, is_active=False, title="Nurse"), hr)
    here, _ = Location.objects.get_or_create(
        source=hr, external_id="AMS", defaults={"name": "Amsterdam", "time_zone": "Europe/Amsterdam"}
    )
    give(known, "1", begins, ends, title="Nurse", location=here)
    settle()
    return known


def pass_time(clock: Clock, moment: str, directory: Directory) -> None:
    """Let it be a moment of UTC: what is due is looked at, and workers do what follows."""
    clock.at(moment)
    doors.evaluate_due()
    for kind in KINDS:
        while batch.deliver(kind.work, directory.pk, kind.leases.due(directory.pk, 1000)).claimed:
            pass


def states(directory: Directory) -> dict[str, tuple[str, bool]]:
    rows = Account.objects.filter(directory=directory).order_by("key")
    return {one.key: (str(one.state), STORES["early"][one.key].enabled) for one in rows if one.key in STORES["early"]}


def test_the_account_is_made_disabled_and_enabled_when_the_first_day_begins_there(
    clock: Clock, hr: Directory, crm: Directory
) -> None:
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    starter(hr)
    pass_time(clock, "2026-12-02 22:59", crm)
    assert states(crm) == {}, "the seventh day before begins at 23:00 UTC"
    pass_time(clock, "2026-12-02 23:00", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    (line,) = Event.objects.filter(application="CRM", identifier="ada")
    assert line.message == "Created ada in CRM, disabled until the first day."
    assert not Receipt.objects.exists(), "nobody has left"
    pass_time(clock, "2026-12-09 22:59", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    assert not User.objects.get(username="ada").is_active
    pass_time(clock, "2026-12-09 23:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}
    assert User.objects.get(username="ada").is_active
    words = Event.objects.filter(application="CRM", identifier="ada").order_by("pk").values_list("message", flat=True)
    assert list(words)[1] == "Enabled ada in CRM."


def test_without_days_before_nothing_is_there_until_the_first_day(clock: Clock, hr: Directory, crm: Directory) -> None:
    rule("Nurses", 'contract.title eq "Nurse"', crm)
    starter(hr)
    pass_time(clock, "2026-12-09 22:59", crm)
    assert states(crm) == {}
    pass_time(clock, "2026-12-09 23:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}


def test_who_comes_back_waits_disabled_and_is_not_deleted(clock: Clock, hr: Directory, crm: Directory) -> None:
    ProvisioningSettings.objects.update(on_deactivate="delete", delete_after_days=30)
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    starter(hr, begins="2026-12-01", ends="2026-12-05")
    pass_time(clock, "2026-12-01 12:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}
    pass_time(clock, "2026-12-06 12:00", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    assert Account.objects.get(directory=crm).delete_at
    give(Account.objects.get(directory=hr), "2", "2026-12-20", title="Nurse")
    pass_time(clock, "2026-12-14 12:00", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    assert Account.objects.get(directory=crm).delete_at is None
    pass_time(clock, "2026-12-20 12:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}


def test_a_beginning_that_is_put_off_closes_the_account_again(clock: Clock, hr: Directory, crm: Directory) -> None:
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    known = starter(hr, begins="2026-12-01")
    pass_time(clock, "2026-12-01 12:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}
    ProvisioningSettings.objects.update(on_deactivate="delete")
    give(known, "1", "2026-12-05", title="Nurse", location=Location.objects.get())
    pass_time(clock, "2026-12-01 13:00", crm)
    pass_time(clock, "2026-12-01 13:01", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    give(known, "1", "2027-03-01", title="Nurse", location=Location.objects.get())
    pass_time(clock, "2026-12-01 14:00", crm)
    assert states(crm) == {}, "there is no rule any more that gives it"
    assert not Granted.objects.exists()


def test_an_account_that_is_there_already_is_taken_over_and_disabled(
    clock: Clock, hr: Directory, crm: Directory
) -> None:
    STORES["early"]["ada"] = StoredAccount({"TITLE": "Aide"})
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    starter(hr)
    pass_time(clock, "2026-12-05 12:00", crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    assert STORES["early"]["ada"].attributes["TITLE"] == "Nurse"


def test_where_accounts_cannot_be_disabled_it_is_said_and_made_on_the_first_day(
    clock: Clock, hr: Directory, crm: Directory
) -> None:
    ProvisioningSettings.objects.update(deactivate_users=False)
    words = "Deactivating users is switched off for CRM, so the account is made on the first day."
    assert services.why_not_early([crm.pk]) == {crm.pk: words}
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    starter(hr)
    pass_time(clock, "2026-12-05 12:00", crm)
    assert states(crm) == {}
    ada = User.objects.get(username="ada")
    assert words in next(one.words for one in why.explain(ada).not_in if one.what == "CRM")
    pass_time(clock, "2026-12-10 12:00", crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}


def test_what_is_asked_about_one_person_says_that_the_account_comes_early(
    clock: Clock, hr: Directory, crm: Directory
) -> None:
    rule("Nurses", 'contract.title eq "Nurse"', crm, days_before=7)
    starter(hr)
    clock.set(dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC))
    doors.evaluate_due()
    ada = User.objects.get(username="ada")
    Account.objects.filter(directory=crm).delete()
    assert services.preview(ada, crm).steps == ("create", "disable")

"""Who switches somebody on or off: the source by a change of its own state, else only a person."""

import datetime as dt

import pytest
from django.utils import timezone

from directories.connectors.memory import STORES, StoredAccount
from directories.models import AttributeMapping
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, User
from provisioning.models.imports import RunStatus
from provisioning.outbound.accounts.delivery import AccountWork, deliver
from provisioning.outbound.accounts.outcome import AccountOutcome
from reports.models import Event
from tests.provisioning.imports.conftest import Source, planned, user

pytestmark = pytest.mark.django_db


STATES = {
    "column": {"ENABLED": "profile.active"},
    "expression": {"STATUS": "profile.active"},
    "account": {},
}


def put_state(source: Source, how: str, key: str, active: bool, first: str = "F") -> None:
    """Put a row whose state is in a column, behind an expression, or the account's own."""
    also = {"ENABLED": "1" if active else "0", "STATUS": "working" if active else "left"}
    source.put(key, first, also=also, enabled=active if how == "account" else None)


@pytest.fixture(params=STATES)
def stated(request: pytest.FixtureRequest, source: Source) -> tuple[Source, str]:
    """A source whose rows have a state, and where that is."""
    source.map(**STATES[request.param])
    AttributeMapping.objects.filter(directory_attribute="STATUS").update(
        expression="{{ value == 'working' }}", direction="in"
    )
    return source, request.param


@pytest.mark.heavy
def test_only_the_sources_own_state_switches_somebody_on(stated: tuple[Source, str]) -> None:
    source, how = stated
    for name in ("anna", "bob"):
        put_state(source, how, name, True)
    source.run()
    services.set_active([user("anna").pk], False, "helpdesk")

    put_state(source, how, "anna", True, "Renamed")
    run = source.run()
    assert not user("anna").is_active
    assert user("anna").first_name == "Renamed"
    assert "decided in the portal" in planned(run)[0].message
    assert "decided in the portal" in Event.objects.get(run_id=run.pk, identifier="anna").message

    source.map(PHONE="profile.phone")  # every row's digest is another one
    source.run()
    assert not user("anna").is_active

    put_state(source, how, "anna", False)
    source.run()
    assert not user("anna").is_active
    put_state(source, how, "anna", True)
    run = source.run()
    assert user("anna").is_active
    assert run.switched_on == 1


@pytest.mark.heavy
def test_a_state_that_is_read_otherwise_switches_nobody_on(source: Source) -> None:
    source.put("anna", also={"ENABLED": "0"}, enabled=False)
    source.run()
    assert not user("anna").is_active
    source.map(ENABLED="profile.active")
    source.put("anna", also={"ENABLED": "1"}, enabled=False)
    source.run()
    assert not user("anna").is_active
    AttributeMapping.objects.filter(portal_attribute="active").update(
        expression="{{ 'yes' }}", direction="in"
    )  # a constant
    source.run()
    assert not user("anna").is_active


@pytest.mark.heavy
def test_a_first_import_switches_nobody_on(stated: tuple[Source, str]) -> None:
    """Neither of somebody who was in the portal before, nor of an account whose state was never kept."""
    source, how = stated
    User.objects.create_user("anna", is_active=False)
    put_state(source, how, "anna", True)
    put_state(source, how, "bob", True)
    source.run()
    assert not user("anna").is_active
    services.set_active([user("bob").pk], False, "helpdesk")
    Account.objects.update(seen_state="")
    put_state(source, how, "bob", True, "Renamed")
    source.run()
    assert not user("bob").is_active


@pytest.mark.heavy
def test_what_somebody_activated_stays_so_until_the_source_changes(stated: tuple[Source, str]) -> None:
    source, how = stated
    put_state(source, how, "anna", False)
    source.run()
    services.set_active([user("anna").pk], True, "helpdesk")
    put_state(source, how, "anna", False, "Renamed")
    source.run()
    assert user("anna").is_active
    put_state(source, how, "anna", True)
    source.run()
    put_state(source, how, "anna", False)
    source.run()
    assert not user("anna").is_active


@pytest.mark.heavy
def test_many_who_are_active_again_wait_for_approval(stated: tuple[Source, str]) -> None:
    source, how = stated
    for n in range(4):
        put_state(source, how, f"user{n}", False)
    put_state(source, how, "zoe", True)
    source.run()
    source.set(max_activated=1)
    for n in range(2):
        put_state(source, how, f"user{n}", True)
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    words = "2 people would be activated again because HR has them active again; the limit is 1."
    assert run.message.startswith(words)
    assert not user("user0").is_active
    services.approve_import(run, "boss", plan_hash=run.plan_hash)
    engine.execute(run.pk)
    assert user("user0").is_active


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["column", "expression"])
def test_a_state_that_was_never_kept_is_noted_from_a_row_that_is_as_before(source: Source, how: str) -> None:
    """As after an upgrade from a portal that kept none: the next change of the source's own state counts."""
    source.map(**STATES[how])
    AttributeMapping.objects.filter(directory_attribute="STATUS").update(
        expression="{{ value == 'working' }}", direction="in"
    )
    for name in ("anna", "bob", "cleo"):
        put_state(source, how, name, name == "cleo")
    source.put("dora", "D", also={"ENABLED": ""})
    source.run()
    services.set_active([user("bob").pk], True, "helpdesk")
    kept = dict(Account.objects.values_list("key", "seen_state"))
    Account.objects.update(seen_state="")
    run = source.run()
    assert (run.planned, run.unchanged) == (0, 4)
    assert dict(Account.objects.values_list("key", "seen_state")) == kept
    assert user("bob").is_active  # nothing of the source changed
    put_state(source, how, "anna", True)
    source.run()
    assert user("anna").is_active


@pytest.mark.heavy
def test_what_the_portal_enabled_there_is_no_news(source: Source) -> None:
    put_state(source, "account", "anna", False)
    source.run()
    account = Account.objects.get(user=user("anna"))
    assert account.seen_state == "off"
    services.set_active([account.user_id or 0], True, "helpdesk")
    source.set(deactivate_users=True, update_users=True)
    STORES["demo"] = {"anna": StoredAccount({"FIRSTNAME": "F"}, enabled=False)}
    deliver(source.directory.pk, [account.pk])
    account.refresh_from_db()
    assert (account.state, account.seen_state) == ("active", "")
    services.set_active([account.user_id or 0], False, "helpdesk")
    put_state(source, "account", "anna", True)
    source.run()
    assert not user("anna").is_active


def test_what_was_activated_by_hand_is_not_undone_by_the_row_that_the_portal_enabled(source: Source) -> None:
    """The portal enables the account, and the row's mapped state says no as before: no news of the source."""
    directory = source.directory
    user = User.objects.create(username="anna", is_active=True)
    account = Account.objects.create(user=user, directory=directory, key="anna", state="active", seen_state="off 1a2b")
    work = AccountWork(directory.pk, directory.name)
    work.store([AccountOutcome(account, moved=True)])
    account.refresh_from_db()
    assert account.seen_state == "off 1a2b"


@pytest.mark.heavy
def test_who_is_active_again_in_the_source_is_not_deleted_there_any_more(source: Source) -> None:
    """Of a source that is written to as well, and disabled the account until its grace time is over."""
    source.map(ENABLED="profile.active")
    put_state(source, "column", "anna", False)
    source.run()
    later = timezone.now() + dt.timedelta(days=30)
    Account.objects.update(state="disabled", delete_at=later)
    source.put("anna", "Renamed", also={"ENABLED": "0"}, enabled=False)
    source.run()
    assert Account.objects.get().delete_at == later
    source.put("anna", also={"ENABLED": "1"}, enabled=True)
    source.run()
    assert user("anna").is_active
    assert Account.objects.get().delete_at is None

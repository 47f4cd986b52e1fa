"""Who gets an account in a directory: everyone, members of chosen groups, or whoever a rule gives one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import AccountsFor, Directory, ProvisioningSettings
from provisioning import services
from provisioning.guard.models import Loss
from provisioning.history import why
from provisioning.impact.impact import Impact
from provisioning.models import Account, Change, User
from provisioning.models.accounts import AccountState
from provisioning.outbound import batch
from provisioning.outbound.accounts import scope
from provisioning.outbound.kinds import KINDS
from provisioning.receipts.models import Receipt
from provisioning.rules.models import BusinessRule, ScopeGroup
from reports.models import Event
from tests.provisioning.rules.conftest import account, evaluate, give, group, others, person, rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def crm() -> Directory:
    directory = Directory.objects.create(name="CRM", kind="memory")
    on = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)
    ProvisioningSettings.objects.create(directory=directory, **on)
    return directory


def limit(directory: Directory, to: AccountsFor) -> None:
    ProvisioningSettings.objects.filter(directory=directory).update(accounts_for=to)


def deliver(directory: Directory) -> None:
    """Let workers do what is due."""
    for kind in KINDS:
        while batch.deliver(kind.work, directory.pk, kind.leases.due(directory.pk, 1000)).claimed:
            pass


def states(directory: Directory) -> dict[str, tuple[str, bool]]:
    rows = Account.objects.filter(directory=directory).order_by("key")
    return {one.key: (str(one.state), one.in_scope) for one in rows}


@pytest.mark.heavy
def test_members_of_chosen_groups_get_accounts_and_lose_them_when_they_leave(crm: Directory) -> None:
    limit(crm, AccountsFor.GROUPS)
    outer, inner = group("Sellers"), group("Young sellers")
    services.nest_group(outer, inner, "admin")
    ScopeGroup.objects.create(directory=crm, group=outer)
    ada, bob = person("ada"), person("bob")
    assert states(crm) == {}
    services.add_members(inner, [ada.pk], "admin")
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}
    services.remove_members(inner, [ada.pk], "admin")
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False)}
    assert not Receipt.objects.exists(), "she has not left"
    services.add_members(outer, [ada.pk, bob.pk], "admin")
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True), "bob": (AccountState.ACTIVE, True)}


@pytest.mark.heavy
def test_rules_open_and_close_accounts_and_nobody_else_gets_one(crm: Directory) -> None:
    others(100)
    limit(crm, AccountsFor.RULES)
    rule("Sellers", 'user.department eq "Sales"', crm)
    ada, bob = person("ada", department="Sales"), person("bob", department="Care")
    evaluate()
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True)}
    ada.department, bob.department = "Care", "Sales"
    services.save_user(ada, "admin")
    services.save_user(bob, "admin")
    evaluate()
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.DISABLED, False), "bob": (AccountState.ACTIVE, True)}
    assert not services.gives_to(crm.pk, ada.pk)
    assert "does not give everyone an account" in services.preview(person("eve"), crm).reason


@pytest.mark.heavy
def test_the_report_and_why_say_by_which_rule_and_contract_an_account_came_and_went(
    crm: Directory, hr: Directory
) -> None:
    others(200)
    limit(crm, AccountsFor.RULES)
    rule("Nurses", 'contract.title eq "Nurse"', crm)
    ada = person("ada")
    theirs = account(ada, hr)
    give(theirs, "12", "2026-01-01", title="Nurse")
    evaluate()
    deliver(crm)
    (given,) = [one for one in why.explain(ada).attributes if one.label == "What rules give"]
    assert (given.value, given.source, given.note) == ("account in CRM (rule Nurses, contract 12)", "Rules", "")
    assert "Gains account in CRM (rule Nurses, contract 12)." in given.how
    give(theirs, "12", "2026-01-01", title="Clerk")
    evaluate()
    deliver(crm)
    assert states(crm)["ada"] == (AccountState.DISABLED, False)
    assert not Receipt.objects.exists(), "she has not left"
    words = "Loses account in CRM (rule Nurses, contract 12): its condition does not hold any more."
    line = Event.objects.filter(user_id=ada.pk, direction="portal", run_id__isnull=False).latest("pk")
    assert line.message.endswith(words)
    found = why.explain(ada)
    (closed,) = [one.words for one in found.not_in if one.what == "CRM"]
    assert "neither a group nor a rule gives this user one" in closed
    assert words in closed
    (given,) = [one for one in found.attributes if one.label == "What rules give"]
    assert (given.value, given.note) == (None, "")
    assert words in given.how


@pytest.mark.heavy
def test_a_rules_plan_that_somebody_refused_is_planned_again(crm: Directory) -> None:
    others(120)
    User.objects.update(department="Sales")
    limit(crm, AccountsFor.RULES)
    one = rule("Sellers", 'user.department eq "Sales"', crm)
    evaluate()
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    for _ in range(2):
        waits = evaluate()
        assert waits is not None
        assert waits.waits
        services.cancel_import(waits.run, "boss")


@pytest.mark.heavy
def test_a_rule_that_would_take_away_everyones_account_waits(crm: Directory) -> None:
    others(120)
    User.objects.update(department="Sales")
    limit(crm, AccountsFor.RULES)
    one = rule("Sellers", 'user.department eq "Sales"', crm)
    evaluate()
    deliver(crm)
    assert len(states(crm)) == 120
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    waits = evaluate()
    assert waits is not None
    assert waits.waits
    assert "120 people of 120 would lose an account; the limit is 50." in waits.run.message
    deliver(crm)
    assert set(states(crm).values()) == {(AccountState.ACTIVE, True)}


@pytest.mark.heavy
def test_the_directorys_own_limit_holds_what_rules_close_there(crm: Directory) -> None:
    others(1000)
    User.objects.filter(username__lt="other0040").update(department="Sales")
    limit(crm, AccountsFor.RULES)
    one = rule("Sellers", 'user.department eq "Sales"', crm)
    evaluate()
    deliver(crm)
    ProvisioningSettings.objects.update(max_leavers=7, max_leavers_percent=100)
    BusinessRule.objects.filter(pk=one.pk).update(published=False)
    done = evaluate()
    assert done is not None
    assert not done.waits
    deliver(crm)
    closed = [state for state, _ in states(crm).values() if state == AccountState.DISABLED]
    assert (len(states(crm)), len(closed)) == (40, 7)
    assert services.held_changes(Change, crm.pk).count() == 33
    assert Loss.objects.filter(door="rule", kind="off", scope="account", number=40).exists()


@pytest.mark.heavy
def test_the_impact_of_another_scope_is_told_before_it_is_saved(crm: Directory) -> None:
    ada, bob = person("ada", department="Sales"), person("bob")
    deliver(crm)
    rule("Sellers", 'user.department eq "Sales"', crm)
    evaluate()
    before = services.stored_configuration(crm.pk)
    limit(crm, AccountsFor.RULES)
    after = services.stored_configuration(crm.pk)
    assert before is not None
    assert after is not None
    narrower, wider = services.impact_of_change(before, after), services.impact_of_change(after, before)
    assert isinstance(narrower, Impact)
    assert (narrower.disabled, narrower.opened) == (1, 0)
    assert [one.key for one in narrower.samples] == [bob.username]
    services.provision_directory(crm, "admin")
    deliver(crm)
    assert states(crm) == {"ada": (AccountState.ACTIVE, True), "bob": (AccountState.DISABLED, False)}
    wider = services.impact_of_change(after, before)
    assert isinstance(wider, Impact)
    assert (wider.disabled, wider.opened) == (0, 1)
    assert ada.pk


def test_scope_takes_the_same_queries_whatever_the_number_of_people(crm: Directory) -> None:
    limit(crm, AccountsFor.RULES)
    others(300)
    ids = list(User.objects.values_list("pk", flat=True))

    def asked(users: list[int]) -> int:
        with CaptureQueriesContext(connection) as queries:
            scope.accounts_for(users)
        return len(queries)

    assert asked(ids[:2]) == asked(ids[:300])

"""Business rules by clicks: a rule is built in rows and as one line, published, and gives people a group."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from directories.models import AccountsFor, Directory, ProvisioningSettings
from provisioning.contracts.models import Department
from provisioning.contracts.services import ContractOwner, ContractRow, save_department, write_contracts
from provisioning.identities import groups as identities
from provisioning.models import Group, Membership, User
from tests.browser.conftest import Look, settled
from tests.browser.test_safety_walks import SafetyWalk
from tests.provisioning.rules.conftest import evaluate, group, others, person, rule

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def walk(page: Page, sign_in: Callable[[Page, User], None], look: Look) -> SafetyWalk:
    """A superuser on Start."""
    page.goto("/login/")
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    page.goto("/")
    return SafetyWalk(page, look)


def test_a_rule_is_built_and_published(walk: SafetyWalk) -> None:
    page = walk.page
    ward = Group(name="Ward staff")
    identities.save(ward, "root")
    care = Department(external_id="C", name="Care")
    save_department(care, "admin")
    for number in range(40):
        user = User.objects.create(username=f"nurse{number}", first_name="Nora", last_name=f"Berg {number}")
        title = "Nurse" if number < 2 else "Clerk"
        write_contracts([ContractRow(ContractOwner(user=user.pk), "1", {"title": title, "department_id": care.pk})])

    walk.sidebar("Rules")
    walk.fits("no-rule")
    page.get_by_role("link", name="Add rule").first.click()
    page.get_by_label("Name").fill("Ward access")
    page.get_by_role("button", name="Add a condition").click()
    settled(page)
    page.get_by_label("Field").select_option("contract.branch")
    settled(page)
    page.get_by_label("Values, with a semicolon").fill("Care")
    expect(page.get_by_text("Department of the contract is Care or below.")).to_be_visible()
    expect(page.get_by_text("It holds for 40 people now")).to_be_visible()
    page.get_by_role("button", name="Add a line").click()
    settled(page)
    page.get_by_label("Field").nth(1).select_option("contract.title")
    settled(page)
    page.get_by_label("Comparison").nth(1).select_option("co")
    settled(page)
    page.get_by_label("Values, with a semicolon").nth(1).fill("nurse")
    expect(page.get_by_text("It holds for 2 people now")).to_be_visible()
    page.get_by_text("As one line").click()
    line = 'contract.branch eq "Care" and contract.title co "nurse"'
    expect(page.get_by_label("The condition as one line")).to_have_value(line)
    page.get_by_label("Groups, one a line").fill("Ward staff")
    walk.fits("builder")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Publish it when it is ready.")).to_be_visible()
    page.get_by_role("link", name="Publish …").click()
    expect(page.get_by_text("Each of them gets: group Ward staff.")).to_be_visible()
    walk.fits("publish")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("2 memberships added")).to_be_visible()
    assert Membership.objects.filter(group=ward).count() == 2
    page.get_by_role("link", name="The plan").click()
    expect(page.get_by_text("Gains group Ward staff (rule Ward access, contract 1).").first).to_be_visible()
    walk.fits("plan")

    page.goto("/rules/businessrule/")
    page.get_by_role("link", name="Who has what").click()
    expect(page.get_by_role("columnheader", name="group Ward staff")).to_be_visible()
    expect(page.get_by_role("row", name="Nora Berg 1 (nurse1)")).to_contain_text("Ward access")
    walk.fits("who-has-what")
    page.get_by_role("link", name="By rule").click()
    walk.fits("by-rule")
    page.get_by_role("link", name="2", exact=True).click()
    walk.fits("people")
    page.get_by_role("link", name="Nora Berg 0 (nurse0)").click()
    page.get_by_role("link", name="Rules", exact=True).last.click()
    expect(page.get_by_role("cell", name="group Ward staff")).to_be_visible()
    walk.fits("user")


def test_what_is_wrong_is_shown_and_a_rule_is_taken_back(walk: SafetyWalk) -> None:
    page = walk.page
    crm, wiki = (Directory.objects.create(name=name, kind="memory") for name in ("CRM", "Wiki"))
    ProvisioningSettings.objects.create(directory=crm, accounts_for=AccountsFor.RULES)
    ProvisioningSettings.objects.create(directory=wiki, accounts_for=AccountsFor.GROUPS)
    ward = group("Ward staff")
    rule("Nurses", 'user.title eq "Nurse"', ward, ("profile.cost_center", "1"), position=1)
    rule("Second", 'user.title eq "Nurse"', ("profile.cost_center", "2"), position=2)
    rule("Idle", 'user.title eq "Pilot"', ward)
    former = group("Former")
    rule("Stopped", 'user.groups eq "Former"', ward)
    former.delete()
    others(100)
    person("nora", title="Nurse")
    person("carl", title="Clerk")
    evaluate()

    walk.sidebar("Rules")
    walk.fits("rules")
    page.get_by_role("link", name="What to look at").click()
    walk.says("What it gave stays, and it gives no more.")
    walk.says("is first in order, so 1 wins.")
    walk.fits("what-to-look-at")
    page.get_by_role("link", name="Stopped").first.click()
    walk.says("This rule cannot be used as it is")
    walk.fits("stopped")

    walk.sidebar("Rules")
    page.get_by_role("link", name="Who gets an account").click()
    walk.says("No rule gives an account here, so nobody gets one.")
    walk.fits("who-gets-an-account")
    page.get_by_label("Groups whose members get an account, one a line").fill("Nobody")
    walk.button("Save")
    walk.says("There is no group Nobody. Nothing was changed.")
    page.get_by_label("Groups whose members get an account, one a line").fill("Ward staff")
    walk.button("Save")
    walk.says("Saved. Wiki is brought in line with it.")

    page.goto("/rules/businessrule/")
    page.get_by_role("link", name="Nurses").first.click()
    page.get_by_role("link", name="Take it back …").click()
    walk.says("1 person has something by this rule now.")
    walk.fits("take-back")
    page.get_by_label("Take it away, as far as no other rule gives it.").check()
    walk.button("Take it back")
    expect(page.get_by_role("link", name="The plan")).to_be_visible()
    walk.fits("taken-back")
    assert not Membership.objects.filter(group=ward).exists()

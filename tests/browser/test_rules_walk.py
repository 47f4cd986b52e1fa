"""Business rules by clicks: a rule is built in rows and as one line, published, and gives people a group."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from provisioning.contracts.models import Department
from provisioning.contracts.services import ContractOwner, ContractRow, save_department, write_contracts
from provisioning.identities import groups as identities
from provisioning.models import Group, Membership, User
from tests.browser.conftest import Look, settled
from tests.browser.test_safety_walks import SafetyWalk

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
    save_department(care)
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
    walk.fits("who-has-what")

"""From the catalogue to the account, on a phone: two approvers, the second of whom is another by HR meanwhile."""

import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings

from config.signin.models import SignInSettings
from directories.models import Directory
from provisioning import services, tasks
from provisioning.demo import load_demo
from provisioning.imports import engine
from provisioning.models import User
from provisioning.models.imports import RunStatus, Trigger
from provisioning.requests.models import Product, ProductRequest
from tests.browser.conftest import NARROW, Look, settled
from tests.browser.test_hr_walk import section
from tests.browser.test_looks import look_at
from tests.browser.walk import Walk
from tests.provisioning.contracts.conftest import others

PAGES = ("home", "catalogue", "requests", "approvals", "substitutes", "team")
PASSWORD = "Kingfisher-42-blue"
SignIn = Callable[[Page, User], None]


@pytest.fixture
def demo(transactional_db: None, settings: Settings, tmp_path: Path) -> Path:
    """The demo after its HR was imported, and its folder; people who are not staff may sign in, as by ``make run``."""
    settings.VAR_DIR = tmp_path
    load_demo()
    others(200)
    from_hr()
    SignInSettings.objects.create(pk=SignInSettings.ONE, self_service=True)
    return tmp_path


def from_hr() -> None:
    """Import HRDB, and let the minute come at which everything is looked at."""
    hr = Directory.objects.get(name="HRDB")
    run = services.start_import(hr, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.FINISHED, run.message
    tasks.settle_contracts()
    tasks.evaluate_rules()
    tasks.look_after_requests()


def command(folder: Path) -> str:
    """Return the Python with which the README lets HR change the head of a department."""
    [line] = re.findall(r"`(\.venv/bin/python -c .*UPDATE DEPARTMENTS.*)`", section("Five minutes: somebody asks"))
    return shlex.split(line)[2].replace("var/", f"{folder}/")


def in_crm(folder: Path) -> list[str]:
    """Return who has an account in CRM."""
    with closing(sqlite3.connect(folder / "crm.sqlite3")) as connection:
        return [row[0] for row in connection.execute("SELECT USERNAME FROM USERS")]


def test_from_the_catalogue_to_the_account(
    page: Page, sign_in: SignIn, look: Look, demo: Path, problems: list[str]
) -> None:
    walk = Walk(page, look)
    page.set_viewport_size(NARROW)

    def become(username: str, name: str) -> None:
        page.goto("about:blank")
        page.context.clear_cookies()
        sign_in(page, User.objects.get(username=username))
        page.goto(reverse(f"my:{name}"))
        settled(page)
        walk.look(f"{username}-{name}")

    become("haddad", "home")
    walk.says("Patient records")
    page.get_by_role("navigation", name="My pages").get_by_role("link", name="Catalogue").click()
    walk.look("catalogue")
    page.get_by_role("link", name="CRM", exact=True).click()
    walk.says("It shows names and telephone numbers of families.")
    page.get_by_label("For which ward?").fill("Ward A")
    page.get_by_label("Why is it needed?").fill("Families call us.")
    walk.look("product")
    walk.button("Ask for it")
    walk.says("Waiting for Niamh O'Sullivan (osullivan) (manager). Step 1 of 2.")
    walk.look("request")

    sign_in(page, User.objects.create_superuser("root"))
    page.goto(reverse("admin:provisioning_user_change", args=[User.objects.get(username="osullivan").pk]))
    page.locator("summary", has_text="Sign-in & roles").click()
    page.get_by_role("link", name="Make a link with which they choose one").click()
    walk.button("Make a link")
    link = page.locator("#one-time-link").inner_text()
    page.context.clear_cookies()
    page.goto(link)
    walk.fill(new_password1=PASSWORD, new_password2=PASSWORD)
    walk.button("Set password")
    walk.fill(login="osullivan", password=PASSWORD)
    walk.button("Sign in")
    page.wait_for_url("**/my/")
    page.get_by_role("navigation", name="My pages").get_by_role("link", name="Approvals").click()
    walk.look("osullivan-approvals")
    page.get_by_role("link", name="CRM for Leila Haddad (haddad)").click()
    walk.says("Families call us.")
    walk.look("approval")
    walk.button("Refuse")
    walk.says("Say why you refuse it.")
    expect(page.get_by_role("alert")).to_be_visible()
    problems.clear()  # the answer to the refusal without a reason is 409
    walk.button("Approve")
    walk.says("You approved CRM for Leila Haddad (haddad).")

    exec(command(demo))
    from_hr()
    become("keller", "approvals")
    walk.says("Nothing waits for your decision.")
    become("arslan", "approvals")
    page.get_by_role("link", name="CRM for Leila Haddad (haddad)").click()
    walk.says("Approved by Niamh O'Sullivan (osullivan)")
    assert in_crm(demo) == []
    walk.button("Approve")
    walk.says("You approved")

    become("haddad", "requests")
    walk.says("Waiting for the CRM directory.")
    tasks.drain(Directory.objects.get(name="CRM").pk)
    page.reload()
    walk.says("Done.")
    assert in_crm(demo) == ["haddad"]

    become("haddad", "home")
    asked = ProductRequest.objects.get()
    faults: dict[str, str] = {}
    for address in (
        *(reverse(f"my:{name}") for name in PAGES),
        *(reverse("my:product", args=[product.pk]) for product in Product.objects.all()),
        reverse("my:request", args=[asked.pk]),
    ):
        look_at(page, address, faults)
    become("arslan", "team")
    for address in (reverse("my:team"), reverse("my:approval", args=[asked.steps.get(position=2).pk])):
        look_at(page, address, faults)
    assert not faults, "\n".join(f"{where}: {fault}" for fault, where in faults.items())
    become("haddad", "home")
    page.set_viewport_size(NARROW)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Go to the content")).to_be_focused()
    walk.button("Give back CRM")
    walk.says("CRM was given back.")
    tasks.drain(Directory.objects.get(name="CRM").pk, leavers=True)
    tasks.drain(Directory.objects.get(name="CRM").pk)
    assert in_crm(demo) == []

"""HR decides who has what, by clicks: the demo's five minutes as the README has them."""

import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from provisioning import tasks
from provisioning.models import User
from tests.browser.conftest import Look, settled
from tests.browser.walk import Walk
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import ROOT, wait_until

FILES = ("appsdb.sqlite3", "hrdb.sqlite3")


def section(title: str) -> str:
    """Return a section of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def commands(folder: Path) -> list[str]:
    """Return the Python of each command of the section, with ``folder`` for the data folder."""
    found = [
        shlex.split(line)
        for line in re.findall(r"`(\.venv/bin/python -c .*)`", section("Five minutes: somebody moves"))
    ]
    return [words[2].replace("var/", f"{folder}/") for words in found]


def tick() -> None:
    """Let the minute come at which contracts and rules are looked at."""
    tasks.settle_contracts()
    tasks.evaluate_rules()


@pytest.fixture
def folder(portal: Portal) -> Iterator[Path]:
    """The portal's data folder, without a demo before and after."""
    held = Path(str(settings.VAR_DIR))
    yield held
    for name in FILES:
        (held / name).unlink(missing_ok=True)


@pytest.fixture
def walk(portal: Portal, folder: Path, open_page: Callable[..., Page], look: Look) -> Walk:
    """The administrator, signed in to the demo with the password that was shown."""
    shown = re.search(r"\(shown this once\): (\S+)", portal.manage("demo"))
    assert shown
    portal.worker("--pool=threads")
    portal.web()
    page = open_page(portal.url)
    page.goto("/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(shown[1])
    walk = Walk(page, look)
    walk.button("Sign in")
    walk.says("First steps")
    return walk


def in_appsdb(folder: Path, table: str) -> list[str]:
    """Return what APPSDB has of Leila Haddad."""
    with closing(sqlite3.connect(folder / "appsdb.sqlite3")) as connection:
        rows = connection.execute(f"SELECT * FROM {table} WHERE USERNAME = 'haddad' ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def import_from(walk: Walk, directory: str, words: str) -> None:
    """Choose the directory and press Import."""
    walk.sidebar("Import users")
    walk.page.get_by_label("Directory").select_option(directory)
    settled(walk.page)
    walk.look("import")
    walk.button("Import")
    walk.says("Users imported successfully")
    walk.says(words)
    walk.look("imported")
    tick()


def open_rules_of(walk: Walk, name: str, username: str) -> None:
    """Search somebody, and look at their contracts and rules, which stand on their page."""
    page = walk.page
    walk.sidebar("Users")
    page.locator("#searchbar").fill(name)
    page.locator("#searchbar").press("Enter")
    page.get_by_role("link", name=username, exact=True).click()
    for tab in ("Contracts", "Rules"):
        page.locator(f"section#{tab.lower()}").scroll_into_view_if_needed()
        settled(page)
        walk.look(tab.lower())


def test_somebody_moves_in_the_demo(walk: Walk, folder: Path) -> None:
    """A nurse moves to the help desk, and leaves: each step of the README, with its own commands."""
    page = walk.page
    look_at, move, leave = commands(folder)
    walk.sidebar("Import users")
    walk.button("Import")
    walk.says("200 created")
    walk.sidebar("Rules")
    for words in ("Everyone in Care", "Nurses", "Everyone in Technology"):
        expect(page.get_by_role("link", name=words, exact=True)).to_be_visible()
    walk.look("rules")
    import_from(walk, "HRDB", "21 created")
    wait_until(lambda: in_appsdb(folder, "APP_MEMBERS") == ["Medicine room", "Patient records"], 20, "her two groups")
    walk.sidebar("Records of sources")
    walk.says("HR waits for a signed contract.")
    walk.sidebar("Rules")
    page.get_by_role("link", name="Who has what").click()
    walk.look("who-has-what")
    page.get_by_role("link", name="By rule").click()
    expect(page.get_by_role("row", name="Everyone in Care")).to_contain_text("12")
    open_rules_of(walk, "Leila", "haddad")
    walk.says("group Patient records")
    walk.says("group Medicine room")
    exec(look_at)

    exec(move)
    import_from(walk, "HRDB", "1 updated")
    wait_until(lambda: in_appsdb(folder, "APP_MEMBERS") == ["Help desk tools"], 20, "the group of her new work alone")
    open_rules_of(walk, "Leila", "haddad")
    walk.says("group Help desk tools")
    walk.says("division = Technology")
    expect(page.locator("section#rules").get_by_text("Patient records")).to_have_count(0)
    walk.sidebar("Import history")
    page.get_by_role("main").get_by_role("link", name="Rules").first.click()
    walk.says("Loses group Patient records")

    exec(leave)
    import_from(walk, "HRDB", "1 updated")
    wait_until(lambda: in_appsdb(folder, "USERS") == in_appsdb(folder, "APP_MEMBERS") == [], 20, "her row to go")
    assert not User.objects.get(username="haddad").is_active

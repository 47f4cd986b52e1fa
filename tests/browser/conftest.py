"""A portal with nobody but one person of the IT staff, and a camera for those who want to look at every step."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group as Role
from playwright.sync_api import Page

from provisioning.models import User
from provisioning.roles import IT_STAFF

PASSWORD = "correct horse battery staple"
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1366, "height": 768}
Look = Callable[[Page, str], None]


@pytest.fixture
def it_person(transactional_db: None) -> User:
    """Somebody of the IT staff who can sign in with PASSWORD; the portal's processes know only its real hashers."""
    person = User(
        username="grace", email="grace@example.org", is_staff=True, password=make_password(PASSWORD, hasher="argon2")
    )
    person.save()
    person.groups.add(Role.objects.get(name=IT_STAFF))
    return person


STICKING_OUT = """
() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.body.querySelectorAll("*")]
        .filter((element) => element.getBoundingClientRect().right > width)
        .map((element) => `<${element.tagName.toLowerCase()} class="${element.className}">`);
}
"""


def settled(page: Page) -> None:
    """Wait until the page is loaded and no fragment of it is on its way."""
    page.wait_for_load_state()
    page.wait_for_function("!document.querySelector('.htmx-request')")


def sticking_out(page: Page) -> list[str]:
    """Return the elements that make the page wider than its window, the outer ones first; none when it fits."""
    settled(page)
    return list(page.evaluate(STICKING_OUT))


def fits(page: Page) -> None:
    """Nothing sticks out, narrow or wide."""
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)
        assert sticking_out(page) == [], page.url


def darken(page: Page, dark: bool) -> None:
    """Show the loaded page in the dark theme, or in the light one."""
    settled(page)
    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)


@pytest.fixture
def look() -> Look:
    """``look(page, "name")``: the step as pictures, wide and narrow, light and dark, in the folder $SCREENSHOTS."""
    folder = os.environ.get("SCREENSHOTS", "")
    steps = iter(range(1, 1000))

    def look(page: Page, name: str) -> None:
        if not folder:
            return
        before, step = page.viewport_size, next(steps)
        for size in (NARROW, WIDE):
            for scheme in ("dark", "light"):
                darken(page, scheme == "dark")
                page.set_viewport_size(size)
                page.wait_for_timeout(150)
                page.screenshot(path=Path(folder) / f"{step:02}-{name}-{size['width']}-{scheme}.png", full_page=True)
        if before:
            page.set_viewport_size(before)

    return look

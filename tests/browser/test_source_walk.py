"""Setting up sources of truth that give records: the forms, what they say of a wrong try, and a test that works."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from directories.connectors import allowed
from provisioning.models import User
from tests.browser.conftest import Look, fits
from tests.browser.walk import Walk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def walk(page: Page, sign_in: Callable[[Page, User], None], look: Look) -> Walk:
    """Somebody who manages directories."""
    sign_in(page, User.objects.create_superuser("root", provisioned=False))
    return Walk(page, look)


def add(walk: Walk, kind: str) -> None:
    walk.page.goto(f"{reverse('admin:directories_directory_add')}?kind={kind}")


def test_sources_are_set_up(walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = walk.page
    page.goto(reverse("admin:directories_directory_add"))
    walk.look("kinds")
    monkeypatch.setattr(allowed, "_source_files", tmp_path)
    add(walk, "files")
    fits(page)
    walk.fill(name="HR files", connection__file="people-*.csv", connection__contracts="start, end, title")
    walk.button("Test connection")
    walk.says("There is no file of this name")
    walk.look("files-wrong")
    (tmp_path / "people-1.csv").write_text("id;first;start;end;title\n7;Zoë;2026-01-01;;Chief\n", encoding="utf-8")
    walk.button("Test connection")
    walk.says("People read: 1. One is 7.")
    walk.says("Their fields are: start, end, title.")
    walk.says("The connection works.")
    walk.look("files-works")
    walk.button("Save")
    walk.says("HR files is saved.")
    walk.tab("Attribute mapping")
    walk.button("Suggest mappings")
    walk.says("suggested: look them over")
    walk.look("files-mapping")

    add(walk, "http_json")
    fits(page)
    page.locator("[name=connection-product]").select_option("personio")
    expect(page.locator("[name=connection-url]")).to_have_attribute(
        "placeholder", "https://api.personio.de/v1/company/employees"
    )
    expect(page.locator("#connection-note")).to_contain_text("Make API credentials with the right to read employees")
    walk.look("http-personio")
    walk.fill(name="HR API", connection__url="hr.example.com")
    walk.button("Test connection")
    walk.says("Type a whole address")
    walk.look("http-wrong")

    add(walk, "script")
    fits(page)
    walk.fill(name="HR script", connection__script="people.py")
    walk.button("Test connection")
    walk.says("No scripts are run here.")
    walk.look("script-wrong")

"""A directory that only a gateway reaches, set up in the browser: from the gateway's page to a tested connection."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from directories.connectors.memory import STORES, StoredAccount
from directories.gateway import keys
from directories.gateway.portal import Portal
from directories.gateway.program import GatewayProgram
from directories.gateway.settings import GatewaySettings, of_text
from directories.gateway.work import ConnectorWork
from provisioning.gateway.models import Machine
from provisioning.models import User
from tests.browser.conftest import Look, fits

pytestmark = pytest.mark.heavy


@contextmanager
def running(settings: GatewaySettings) -> Iterator[GatewayProgram]:
    """Run the gateway's program in a thread."""
    portal = Portal(settings, keys.read(settings.key))
    program = GatewayProgram(portal, ConnectorWork(settings.directories), "1.0")
    thread = threading.Thread(target=program.run, daemon=True)
    thread.start()
    yield program
    program.stop()
    thread.join(20)
    portal.close()


def test_a_directory_on_premise(
    live_server: LiveServer, page: Page, sign_in: Callable[[Page, User], None], look: Look, tmp_path: Path
) -> None:
    STORES["walk"] = {
        name: StoredAccount({"first": name.title(), "mail": f"{name}@example.org"}) for name in ("ann", "bob")
    }
    sign_in(page, User.objects.create_superuser("root"))
    page.goto("/gateway/gateway/")
    fits(page)
    look(page, "no-gateway")
    page.goto("/gateway/gateway/add/")
    page.get_by_label("Name").fill("Head office")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("No machine is enrolled yet")).to_be_visible()
    fits(page)
    look(page, "new-gateway")
    page.get_by_role("button", name="Enrol a machine").click()
    code = page.locator("#code").inner_text()
    fits(page)
    look(page, "code")

    settings = of_text(
        f"portal: {live_server.url}\nkey: {tmp_path}/key.json\nname: cellar\n"
        "directories:\n  Staff:\n    kind: memory\n    settings: {name: walk}\n"
    )
    assert keys.enrol(settings, code, "1.0") == "Head office"
    with running(settings):
        page.get_by_role("link", name="Back to Head office").click()
        expect(page.get_by_text("Connected")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("cell", name="Staff")).to_be_visible()
        fits(page)
        look(page, "connected")

        page.goto("/directories/directory/add/")
        page.get_by_role("link", name="On premise, through a gateway").click()
        page.locator("[name=name]").fill("Staff")
        page.locator("[name=connection-gateway]").select_option("Head office")
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("Type the name that the directory has")).to_be_visible(timeout=20_000)
        page.locator("[name=connection-name]").fill("Staff")
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("2 accounts.")).to_be_visible(timeout=20_000)
        fits(page)
        look(page, "tested")
        page.get_by_role("button", name=re.compile("^Save")).first.click()
        expect(page.get_by_text("Staff is saved.")).to_be_visible()

        machine = Machine.objects.get()
        page.goto(f"/gateway/gateway/{machine.gateway_id}/change/")
        page.get_by_role("link", name="Withdraw …").click()
        fits(page)
        look(page, "withdraw")
        page.get_by_role("button", name="Withdraw").click()
        expect(page.get_by_text("is withdrawn")).to_be_visible()
        expect(page.get_by_role("cell", name="Withdrawn")).to_be_visible()

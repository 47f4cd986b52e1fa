"""A plan is looked at, divided, applied and undone, and somebody is brought back from the recycle bin, by clicks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from provisioning import services
from provisioning.imports import engine
from provisioning.models import ImportRun, User
from tests.browser.conftest import Look, fits, look
from tests.provisioning.imports.conftest import Source

__all__ = ["look"]


@pytest.mark.django_db(transaction=True)
def test_look_divide_apply_undo_and_restore(
    source: Source,
    live_server: LiveServer,
    open_page: Callable[..., Page],
    sign_in: Callable[[Page, User], None],
    look: Look,
) -> None:
    source.map(DEPT="profile.department")
    for number in range(6):
        source.put(f"person{number}", "Old", "Name", f"p{number}@x.org", also={"DEPT": "Sales" if number % 2 else "IT"})
    source.run()
    source.remove("person4", "person5")
    source.put("person0", "New", "Name", "p0@x.org", also={"DEPT": "IT"})
    source.put("fresh", "Fresh", "Name", "fresh@x.org")
    run = source.run(preview=True)

    page = open_page(live_server.url)
    sign_in(page, User.objects.create_superuser("admin", None))
    page.goto(f"/provisioning/importrun/{run.pk}/change/")
    expect(page.locator("#run-state")).to_contain_text(f"Plan {run.plan_hash[:12]}")
    fits(page)
    look(page, "plan")
    page.get_by_label("Cause").select_option("missing")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#changes tbody tr")).to_have_count(2)
    row = page.locator("#decisions tbody tr", has_text="Missing from the source")
    row.get_by_text("Refuse these …").click()
    row.get_by_label("Reason").fill("They are on leave")
    fits(page)
    look(page, "refusing")
    row.get_by_role("button", name="Refuse 2").click()
    expect(page.get_by_text("2 refused.")).to_be_visible()
    expect(page.locator("#decisions")).to_contain_text("They are on leave")
    page.get_by_role("button", name="Apply this plan").click()
    engine.execute(run.pk)
    page.goto(f"/provisioning/importrun/{run.pk}/change/")
    expect(page.locator("#run-state")).to_contain_text("1 created")
    fits(page)
    look(page, "applied")

    page.get_by_role("link", name="Undo this run …").click()
    fits(page)
    look(page, "undo")
    page.get_by_label("Delete them, into the recycle bin").check()
    page.get_by_role("button", name="Show what would be undone").click()
    expect(page.locator("#run-state")).to_contain_text("This is what would be undone")
    fits(page)
    look(page, "undoing")
    page.get_by_label("loses something").fill("1")
    page.get_by_role("button", name="Apply this plan").click()
    undo = ImportRun.objects.get(undoes=run.pk)
    engine.execute(undo.pk)
    assert User.objects.get(username="person0").first_name == "Old"
    page.goto(f"/provisioning/importrun/{undo.pk}/change/")
    fits(page)
    look(page, "undone")

    assert not User.objects.filter(username="fresh").exists()
    services.delete_users([User.objects.get(username="person1").pk], "admin")
    page.get_by_role("link", name="Recycle bin").first.click()
    expect(page.locator("#result_list")).to_contain_text("fresh")
    fits(page)
    look(page, "bin")
    page.locator("#result_list tbody tr", has_text="person1").locator("input[type=checkbox]").check()
    page.locator("select[name=action]").select_option("restore")
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).first.click()
    fits(page)
    look(page, "restoring")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("1 user restored.")).to_be_visible()
    assert User.objects.filter(username="person1").exists()
    fits(page)
    look(page, "restored")

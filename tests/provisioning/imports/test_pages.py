"""The pages "Import users" and "Imports"."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from directories.models import Directory
from provisioning.imports import engine
from provisioning.imports.users.listing import PAGE
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.provisioning.imports.conftest import Source

START = "admin:provisioning_importrun_start"


def address(name: str, run: ImportRun) -> str:
    return reverse(f"admin:provisioning_importrun_{name}", args=[run.pk])


def client_with(*permissions: str) -> Client:
    """Sign in as staff with these permissions."""
    person = User.objects.create_user("staff", None, is_staff=True)
    for permission in permissions:
        app, _, name = permission.partition(".")
        person.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=name))
    client = Client()
    client.force_login(person)
    return client


BOTH = ("provisioning.add_importrun", "provisioning.view_importrun")


@pytest.mark.heavy
def test_preview_look_through_and_apply(source: Source) -> None:
    client = client_with(*BOTH)
    source.put_many(PAGE + 10)
    source.put("Anna", "Anna", "Ärmel")
    source.put("bad", "x" * 151)
    page = client.get(reverse(START))
    assert "HR" in page.content.decode()
    answer = client.post(reverse(START), {"directory": source.directory.pk, "action": "preview"})
    run = ImportRun.objects.get()
    assert run.preview
    assert answer["Location"] == address("change", run)
    assert 'hx-trigger="every 1s"' in client.get(address("change", run)).content.decode()
    engine.execute(run.pk)

    first = client.get(address("change", run), {"action": "create"})
    assert len(first.context["page"].rows) == PAGE
    second = client.get(address("change", run), {"action": "create", "after": first.context["page"].after})
    assert len(second.context["page"].rows) == 11
    assert second.context["page"].after is None
    back = client.get(address("change", run), {"action": "create", "before": second.context["page"].before})
    assert [row.change.pk for row in back.context["page"].rows] == [row.change.pk for row in first.context["page"].rows]
    assert back.context["page"].before is None

    found = client.get(address("change", run), {"q": "ANN"})
    assert [row.change.key for row in found.context["page"].rows] == ["Anna"]
    assert "Ärmel" in found.content.decode()
    failed = client.get(address("change", run), {"action": "error"})
    assert "First name is longer than 150 characters." in failed.content.decode()
    assert not client.get(address("change", run), {"action": "nonsense", "after": "x", "q": "no"}).context["page"].rows

    client.post(address("approve", run), {"plan_hash": ImportRun.objects.get().plan_hash})
    engine.execute(run.pk)
    text = client.get(address("change", run)).content.decode()
    assert f"{PAGE + 11} created" in text
    assert "?action=create#changes" in text


@pytest.mark.heavy
def test_the_progress_bar(source: Source) -> None:
    client = client_with(*BOTH)
    source.put_many(6)
    source.page_size = 2
    run = source.start()
    seen: list[str] = []

    def look(number: int) -> None:
        if number == 2:
            answer = client.get(address("progress", run), {"status": "crawling"})
            seen.append(answer.content.decode())
            assert "HX-Refresh" not in answer

    source.before_page = look
    engine.execute(run.pk)
    assert 'aria-valuenow="66"' in seen[0]
    assert "4 of 6 users read" in seen[0]
    assert "a second" in seen[0]
    assert client.get(address("progress", run), {"status": "applying"})["HX-Refresh"] == "true"


def test_import_switched_off_says_where_to_switch_it_on(source: Source) -> None:
    source.set(import_users=False)
    client = client_with(*BOTH, "directories.change_directory")
    page = client.get(reverse(START)).content.decode()
    assert "is switched off for HR" in page
    assert reverse("admin:directories_directory_change", args=[source.directory.pk]) in page
    answer = client.post(reverse(START), {"directory": source.directory.pk, "action": "import"}, follow=True)
    assert "Switch on" in answer.content.decode()
    assert not ImportRun.objects.exists()


@pytest.mark.heavy
def test_who_may_do_what(source: Source) -> None:
    source.set(max_leavers=0)
    source.put_many(2)
    source.run()
    source.remove("user0")
    run = source.run()
    assert run.status == RunStatus.APPROVAL
    client = client_with("provisioning.view_importrun")
    page = client.get(address("change", run))
    assert page.status_code == 200
    assert "Approve" not in page.content.decode()
    assert client.get(reverse(START)).status_code == 403
    assert client.post(address("approve", run), {"plan_hash": run.plan_hash}).status_code == 403
    assert client.post(address("cancel", run)).status_code == 403
    run.refresh_from_db()
    assert run.status == RunStatus.APPROVAL
    User.objects.filter(username="staff").delete()
    nobody = client_with()
    for name in ("change", "progress"):
        assert nobody.get(address(name, run)).status_code == 403


@pytest.mark.heavy
def test_an_outdated_plan_cannot_be_applied(source: Source) -> None:
    client = client_with(*BOTH)
    source.put_many(2)
    preview = source.run(preview=True)
    failed = ImportRun.objects.create(directory=source.directory, status=RunStatus.FAILED)
    page = client.get(address("change", failed)).content.decode()
    assert "The import ended before it had a list of changes." in page
    assert "There is nothing to change" not in page
    assert "cannot be applied any more" in client.get(address("change", preview)).content.decode()
    answer = client.post(address("approve", preview), follow=True)
    assert "out of date" in answer.content.decode()
    assert not User.objects.filter(username="user0").exists()


@pytest.mark.heavy
@pytest.mark.parametrize("search", ["", "user1"])
def test_a_page_of_the_list_takes_few_queries(
    source: Source, search: str, django_assert_max_num_queries: Callable[..., object]
) -> None:
    source.put_many(400)
    run = source.run()
    client = client_with(*BOTH)
    client.get(address("change", run))
    with django_assert_max_num_queries(20) as captured:  # type: ignore[attr-defined]
        client.get(address("change", run), {"q": search})
    assert not [one["sql"] for one in captured if "COUNT" in one["sql"] and "plannedchange" in one["sql"]]


def test_the_history(source: Source) -> None:
    source.put_many(1)
    source.run()
    client = client_with(*BOTH)
    text = client.get(reverse("admin:provisioning_importrun_changelist")).content.decode()
    assert "Imported 1 user from HR: 1 created" in text
    assert "tester (command line)" in text
    assert client.get(reverse("admin:provisioning_importrun_add"))["Location"] == reverse(START)


def test_import_in_a_browser(
    portal: Portal,
    open_page: Callable[..., Page],
    sign_in: Callable[[Page, User], None],
    pg_appsdb: AppsDb,
    make_directory: Callable[..., Directory],
) -> None:
    make_directory(pg_appsdb, import_users=True)
    pg_appsdb.add_many(203)
    pg_appsdb.add(None, "Nobody")
    portal.worker()
    portal.web()
    page = open_page(portal.url)
    sign_in(page, User.objects.create_superuser("admin", None))
    page.goto(reverse(START))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#run-state")).to_contain_text(
        "Imported 203 users from APPSDB: 203 created, 0 updated, 0 deactivated, 1 error", timeout=30_000
    )
    page.reload()
    page.get_by_role("link", name="1 error", exact=True).click()
    expect(page.locator("#changes")).to_contain_text("The row has no user name.")
    page.get_by_role("link", name="203 created").click()
    page.get_by_role("searchbox", name="Beginning of a user name").fill("user20")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#changes tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Import again").click()
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator("#run-state")).to_contain_text("This is what an import would do", timeout=30_000)
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#run-state")).to_contain_text("The import was cancelled")

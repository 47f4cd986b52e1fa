"""The page "Failed and waiting": what waits, what failed and why, and trying it again."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.models import Account, Change, User
from tests.provisioning.crew import save_crew_directory

pytestmark = pytest.mark.django_db
LONG = "The e-mail is too long. Shorten it."
TAKEN = "The e-mail is taken."


@pytest.fixture
def url() -> str:
    return reverse("admin:provisioning_change_changelist")


def sign_in(*permissions: str) -> Client:
    user = User.objects.create_user("staff", is_staff=True, provisioned=False)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def add(directory: Directory, count: int, code: str = "", message: str = "", prefix: str = "person") -> list[Change]:
    users = User.objects.bulk_create([User(username=f"{prefix}{n}") for n in range(count)])
    services.provision_many([user.pk for user in users], "created", actor="importer")
    changes = Change.objects.filter(directory=directory, account__user__in=users)
    if code:
        changes.update(parked=timezone.now() - dt.timedelta(minutes=5), parked_code=code, parked_message=message)
    return list(changes.order_by("pk"))


def test_nothing_to_do_is_explained(admin_client: Client, url: str) -> None:
    assert b"Nothing waits and nothing failed" in admin_client.get(url).content


@pytest.mark.heavy
def test_failures_are_grouped_by_cause_and_what_waits_by_directory(admin_client: Client, url: str) -> None:
    directory = save_crew_directory()
    add(directory, 60, "too_long", LONG, "long")
    add(directory, 2, "conflict", TAKEN, "taken")
    add(directory, 3, prefix="waiting")
    page = admin_client.get(url)
    assert [(group.code, group.count, group.message) for group, _, _ in page.context["parked"]] == [
        ("conflict", "2", TAKEN),
        ("too_long", "60", LONG),
    ]
    assert [(group.directory, group.count) for group, _, _ in page.context["waiting"]] == [(directory, "3")]
    assert page.context["changes"] == []

    first = admin_client.get(page.context["parked"][1][1])
    assert len(first.context["changes"]) == 50
    second = admin_client.get(first.context["next_url"])
    assert len(second.context["changes"]) == 10
    assert b"long59" in second.content
    waiting = admin_client.get(page.context["waiting"][0][1])
    assert [change.account.key for change, _ in waiting.context["changes"]] == ["waiting0", "waiting1", "waiting2"]
    history = f"{reverse('admin:reports_event_changelist')}?account_id={waiting.context['changes'][0][0].account_id}"
    assert history.encode() in waiting.content


def test_the_only_cause_is_open_at_once(admin_client: Client, url: str) -> None:
    add(save_crew_directory(), 2, "conflict", TAKEN)
    assert len(admin_client.get(url).context["changes"]) == 2


def test_an_unreachable_directory_is_named_with_since_when(admin_client: Client, url: str) -> None:
    directory = save_crew_directory()
    add(directory, 1)
    since = timezone.now() - dt.timedelta(hours=2)
    Directory.objects.update(
        unreachable_since=since, retry_at=timezone.now() + dt.timedelta(hours=1), last_error="Check host and port."
    )
    page = admin_client.get(url).content.decode()
    assert f"CREW is unreachable since {timezone.localtime(since):%Y-%m-%d %H:%M}" in page
    assert "Check host and port." in page
    admin_client.post(reverse("admin:provisioning_change_try"), {"directory": directory.pk})
    directory.refresh_from_db()
    assert directory.retry_at is not None
    assert directory.retry_at <= timezone.now()


@pytest.mark.parametrize(("form", "retried"), [("one", 1), ("some", 2), ("all", 4), ("none", 0)])
def test_one_some_or_all_of_a_cause_are_tried_again(admin_client: Client, form: str, retried: int) -> None:
    directory = save_crew_directory()
    changes = add(directory, 4, "too_long", LONG, "long")
    add(directory, 1, "conflict", TAKEN, "taken")
    sent: dict[str, Any] = {
        "one": {"one": changes[0].pk},
        "some": {"change": [changes[0].pk, changes[1].pk]},
        "all": {"all": 1, "parked_code": "too_long"},
        "none": {},
    }[form]
    answer = admin_client.post(
        reverse("admin:provisioning_change_retry"), {"directory": directory.pk, **sent}, follow=True
    )
    assert answer.status_code == 200
    assert Change.objects.filter(parked=None, actor="admin").count() == retried
    assert Change.objects.filter(parked_code="conflict").exists()


def test_a_change_that_is_gone_is_no_error(admin_client: Client) -> None:
    answer = admin_client.post(reverse("admin:provisioning_change_retry"), {"one": "999999"}, follow=True)
    assert b"done in the meantime" in answer.content
    assert admin_client.post(reverse("admin:provisioning_change_retry"), {"one": "x' OR 1=1"}).status_code == 302


def test_a_person_with_several_refused_changes_comes_once(admin_client: Client, url: str) -> None:
    directory = save_crew_directory()
    changes = add(directory, 2, "conflict", TAKEN)
    for reason in ("updated", "asked for"):
        changes[0].pk, changes[0].reason = None, reason
        changes[0].save()
    page = admin_client.get(url)
    assert [(change.account.key, later) for change, later in page.context["changes"]] == [
        ("person0", 2),
        ("person1", 0),
    ]
    assert b"and 2 later changes, tried together" in page.content
    admin_client.post(reverse("admin:provisioning_change_retry"), {"one": page.context["changes"][0][0].pk})
    assert Change.objects.filter(parked__isnull=False).count() == 1


@pytest.mark.heavy
def test_looking_and_retrying_are_two_rights(url: str) -> None:
    directory = save_crew_directory()
    change = add(directory, 1, "conflict", TAKEN)[0]
    nobody = sign_in()
    assert nobody.get(url).status_code == 403
    User.objects.filter(username="staff").delete()
    viewer = sign_in("view_change")
    page = viewer.get(url)
    assert page.status_code == 200
    assert b"Retry" not in page.content
    retry, again = reverse("admin:provisioning_change_retry"), reverse("admin:provisioning_change_try")
    assert viewer.post(retry, {"one": change.pk}).status_code == 403
    assert viewer.post(again, {"directory": directory.pk}).status_code == 403
    assert viewer.get(retry).status_code == 405
    change.refresh_from_db()
    assert change.parked is not None


@pytest.mark.heavy
def test_many_changes_cost_as_many_queries_as_few(
    admin_client: Client, url: str, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save_crew_directory()
    add(directory, 2, "too_long", LONG, "few")
    admin_client.get(url)
    with django_assert_max_num_queries(40) as few:
        admin_client.get(url)
    add(directory, 500, "too_long", LONG, "many")
    monkeypatch.setattr("provisioning.admin.operations.lists.MOST", 100)
    with django_assert_max_num_queries(len(few)):
        page = admin_client.get(url)
    assert page.context["parked"][0][0].count == "100+"


def test_names_are_escaped(admin_client: Client, url: str) -> None:
    directory = save_crew_directory("<b>CREW</b>")
    add(directory, 1, "conflict", "<script>alert(1)</script>")
    Account.objects.update(key="<i>x</i>")
    page = admin_client.get(url).content
    assert b"<script>alert(1)" not in page
    assert b"<i>x</i>" not in page
    assert b"<b>CREW" not in page

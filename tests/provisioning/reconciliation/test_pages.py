"""The pages: a run in one sentence, what is dangerous in red, and what may be done about it."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning.models import Account, Change, User
from provisioning.models.imports import RunStatus
from provisioning.reconciliation.models import Finding, FindingKind, ReconcileRun, ReconcileSettings
from reports.models import Evidence

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(admin_client: Client) -> ReconcileRun:
    """A finished run with two orphans and somebody without an account."""
    directory = Directory.objects.create(name="CRM", kind="memory", answered_at=timezone.now())
    ProvisioningSettings.objects.create(directory=directory, create_users=True, delete_users=True)
    user = User.objects.create(username="ann")
    Account.objects.all().delete()
    counts = {"orphan": 2, "missing": 1}
    made = ReconcileRun.objects.create(
        directory=directory,
        status=RunStatus.FINISHED,
        message="7 of 9 accounts in step; 2 orphans, 1 missing.",
        counts=counts,
        finished_at=timezone.now(),
    )
    for key in ("zoe", "zed"):
        about = {
            "key": key,
            "subject": key,
            "remote_id": key,
            "danger": True,
            "message": "No user matches this account.",
        }
        Finding.objects.create(run=made, directory=directory, kind="orphan", **about)
    Finding.objects.create(run=made, directory=directory, kind="missing", key="ann", subject="user", user_id=user.pk)
    return made


def page(run: ReconcileRun) -> str:
    return reverse("admin:reconciliation_reconcilerun_change", args=[run.pk])


def act(client: Client, run: ReconcileRun, **values: str) -> str:
    url = reverse("admin:reconciliation_reconcilerun_act", args=[run.pk])
    return client.post(url, values, follow=True).content.decode()


def test_a_run_is_one_sentence_and_its_dangers_are_red(admin_client: Client, run: ReconcileRun) -> None:
    shown = admin_client.get(page(run)).content.decode()
    assert "7 of 9 accounts in step; 2 orphans, 1 missing." in shown
    assert '<strong class="rc-wrong">Orphan</strong>' in shown
    assert "Missing 1" in shown
    only = admin_client.get(f"{page(run)}?kind=missing").content.decode()
    assert "ann" in only
    assert "zoe" not in only


@pytest.mark.heavy
def test_orphans_are_deleted_only_with_their_number(admin_client: Client, run: ReconcileRun) -> None:
    shown = act(admin_client, run, action="close", all="1", kind="orphan", number="3")
    assert "Type the number of accounts that this concerns, 2, to go on." in shown
    assert not Account.objects.filter(user=None).exists()
    shown = act(admin_client, run, action="close", all="1", kind="orphan", number="2")
    assert "2 of what you chose is enqueued" in shown
    assert Change.objects.filter(account__user=None, reason="reconciliation").count() == 2
    assert set(Finding.objects.filter(kind="orphan").values_list("state", flat=True)) == {"done"}


@pytest.mark.heavy
def test_one_finding_is_pushed_and_another_ignored(admin_client: Client, run: ReconcileRun) -> None:
    missing, orphan = Finding.objects.get(kind="missing"), Finding.objects.get(key="zoe")
    assert "1 of what you chose is enqueued" in act(admin_client, run, action="push", finding=str(missing.pk))
    assert Change.objects.get().account.user == User.objects.get(username="ann")
    assert "Say why" in act(admin_client, run, action="ignore", finding=str(orphan.pk), reason="Theirs")
    until = (timezone.localdate() + dt.timedelta(days=3)).isoformat()
    about = {"finding": str(orphan.pk), "reason": "Theirs", "owner": "bob", "until": until}
    act(admin_client, run, action="ignore", **about)
    assert "bob answers for it" in admin_client.get(f"{page(run)}?kind=ignored").content.decode()


def test_the_settings_keep_what_is_more_than_a_report(admin_client: Client, run: ReconcileRun) -> None:
    url = reverse("admin:reconciliation_reconcilerun_settings", args=[run.directory_id])
    policies = {f"policy_{kind}": "report" for kind in FindingKind.values}
    policies |= {"policy_different": "push", "policy_orphan": "ignore"}
    assert admin_client.post(url, {"schedule": "daily", "schedule_time": "03:00", **policies}).status_code == 302
    held = ReconcileSettings.objects.get()
    assert (held.schedule, held.policies) == ("daily", {"different": "push", "orphan": "ignore"})
    assert held.next_run_at is not None
    kept = Evidence.objects.latest("seq").payload
    assert kept["by"] == "admin"
    assert kept["changes"]["policies"] == [None, {"different": "push", "orphan": "ignore"}]
    policies["policy_orphan"] = "push"  # would delete: no policy does
    assert admin_client.post(url, {"schedule": "daily", **policies}).status_code == 200


def test_a_page_costs_the_same_with_many_findings(admin_client: Client, run: ReconcileRun) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(page(run)).status_code == 200
        return len(captured)

    few = queries()
    common = {"run": run, "directory": run.directory, "kind": "different"}
    Finding.objects.bulk_create(Finding(key=f"u{n}", subject=str(n), **common) for n in range(200))
    assert queries() == few


def test_the_directory_says_when_it_was_reconciled(admin_client: Client, run: ReconcileRun) -> None:
    health = reverse("admin:directories_directory_health", args=[run.directory_id])
    shown = admin_client.get(health).content.decode()
    assert "Last reconciled" in shown
    assert "7 of 9 accounts in step" in shown
    listed = admin_client.get(reverse("admin:reconciliation_reconcilerun_changelist")).content.decode()
    assert "Reconcile CRM" in listed

"""Where a grace time is set: the directory's page, a blueprint; and what compares directories with it."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from directories.connectors.base import RemoteAccount
from directories.models import Directory, ProvisioningSettings, QueryTemplate
from provisioning import services
from provisioning.blueprints.apply import apply
from provisioning.models import Account, User
from provisioning.outbound.accounts.plan import UserStatus
from provisioning.reconciliation.judge import judge
from provisioning.reconciliation.models import FindingKind
from tests.fixtures.databases import Database
from tests.fixtures.directories import GENEROUS, make_appsdb, save_directory
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.admin.pages import form_values, text
from tests.provisioning.grace.test_grace import DELETES, work
from tests.provisioning.groups.push import mem
from tests.provisioning.test_plan import Switches, situation

__all__ = ["client_of", "it_staff", "mem"]
pytestmark = pytest.mark.django_db
BLUEPRINT = """
version: 1
directories:
  - name: MEM
    kind: memory
    provisioning:
      create_users: true
      deactivate_users: true
      on_deactivate: delete
      delete_after_days: {days}
      groups_of_leavers: now
"""


@pytest.mark.heavy
def test_the_page_refuses_a_grace_time_in_which_the_account_would_stay_open(
    it_staff: object, sqlite_directory: Database
) -> None:
    directory = save_directory(make_appsdb(sqlite_directory), deactivate_users=True, on_deactivate="delete")
    assert not QueryTemplate.objects.filter(operation="disable").exists()
    address = reverse("admin:directories_directory_change", args=[directory.pk])
    values = form_values(it_staff.get(address))  # type: ignore[attr-defined]
    values |= {"delete_after_days": ["30"]}
    answer = text(it_staff.post(address, values))  # type: ignore[attr-defined]
    assert "The account stays open until then, because it cannot be disabled." in answer
    assert "Or leave this blank: then it is deleted at once." in answer
    assert ProvisioningSettings.objects.get().delete_after_days is None
    values |= {"template_disable": ["UPDATE USERS SET LASTNAME='off' WHERE USERNAME='##USERNAME##'"]}
    answer = it_staff.post(address, values)  # type: ignore[attr-defined]
    assert answer.status_code == 302, text(answer)
    assert ProvisioningSettings.objects.get().delete_after_days == 30


@pytest.mark.heavy
def test_saving_the_page_moves_what_is_scheduled(it_staff: object, mem: Directory) -> None:
    ProvisioningSettings.objects.update(**DELETES)
    user = User.objects.create(username="ann", email="ann@example.org")
    work(mem)
    services.set_active([user.pk], False, "HR")
    work(mem)
    before = Account.objects.get().delete_at
    assert before is not None
    address = reverse("admin:directories_directory_change", args=[mem.pk])
    values = form_values(it_staff.get(address)) | {"delete_after_days": ["40"]}  # type: ignore[attr-defined]
    answer = it_staff.post(address, values)  # type: ignore[attr-defined]
    assert answer.status_code == 302, text(answer)
    assert Account.objects.get().delete_at == before + dt.timedelta(days=10)


@pytest.mark.heavy
def test_switching_a_grace_time_on_says_how_many_it_schedules_and_when_the_first_is_due(
    it_staff: object, mem: Directory
) -> None:
    ProvisioningSettings.objects.update(deactivate_users=True, on_deactivate="disable", **GENEROUS)
    ids = [User.objects.create(username=f"user{n}", email=f"{n}@example.org").pk for n in range(7)]
    work(mem)
    services.set_active(ids, False, "HR")
    work(mem)
    address = reverse("admin:directories_directory_change", args=[mem.pk])
    values = form_values(it_staff.get(address)) | {"on_deactivate": ["delete"], "delete_after_days": ["30"]}  # type: ignore[attr-defined]
    asked = it_staff.post(address, values)  # type: ignore[attr-defined]
    day = timezone.localtime(timezone.now() + dt.timedelta(days=30))
    assert f"This would schedule 7 deletions. The first scheduled deletion is then due on {day:%Y-%m-%d}." in text(
        asked
    )
    assert not Account.objects.exclude(delete_at=None).exists()
    again = form_values(asked) | {"confirmed": [asked.context["question"].token]}
    answer = it_staff.post(address, again)  # type: ignore[attr-defined]
    assert answer.status_code == 302, text(answer)
    assert Account.objects.exclude(delete_at=None).count() == 7


@pytest.mark.heavy
def test_a_blueprint_carries_the_settings_and_moves_what_is_scheduled(mem: Directory) -> None:
    apply(BLUEPRINT.format(days=30), actor="tests")
    settings = ProvisioningSettings.objects.get()
    assert (settings.delete_after_days, settings.groups_of_leavers) == (30, "now")
    user = User.objects.create(username="ann", email="ann@example.org")
    work(mem)
    services.set_active([user.pk], False, "HR")
    work(mem)
    before = Account.objects.get().delete_at
    assert before is not None
    found = apply(BLUEPRINT.format(days=10), actor="tests")
    assert [str(one) for one in found.differences] == ["~ directory MEM: provisioning.delete_after_days: 30 -> 10"]
    due = f"The first scheduled deletion is then due on {timezone.localtime(before - dt.timedelta(days=20)):%Y-%m-%d}."
    assert found.impacts == [f"directory MEM: This would move 1 scheduled deletion to another day. {due}"]
    assert Account.objects.get().delete_at == before - dt.timedelta(days=20)
    Account.objects.update(delete_at=timezone.now() + dt.timedelta(days=3))
    apply(BLUEPRINT.format(days="null"), actor="tests", check=True)
    assert Account.objects.get().delete_at > timezone.now() + dt.timedelta(days=2), "a check writes nothing"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("due", "usable", "kind"),
    [
        (False, False, None),
        (True, False, FindingKind.ORPHAN),
        (False, True, FindingKind.ENABLED),
        (True, True, FindingKind.ENABLED),
    ],
)
def test_a_reconciliation_calls_what_waits_for_its_day_in_step(
    due: bool, usable: bool, kind: FindingKind | None
) -> None:
    deletes = Switches(on_deactivate="delete")
    now = situation(UserStatus.DEACTIVATED, "disabled", switches=deletes, delete_due=due, desired={})
    assert judge(now, RemoteAccount("anna", "anna", {}, usable), ()).kind == kind

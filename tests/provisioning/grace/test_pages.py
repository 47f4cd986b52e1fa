"""The page "Scheduled", the person's page, the settings form: what they say and who may press what."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.impact.reckoning import of_change, stored
from provisioning.models import Account, Change, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.accounts import deletions
from provisioning.receipts import book
from provisioning.receipts.models import ReceiptAccount
from tests.provisioning.admin.pages import text
from tests.provisioning.crew import Crews, crews, save_crew_directory
from tests.provisioning.grace.test_grace import DELETES, employed, work

__all__ = ["crews"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
LIST = "admin:provisioning_scheduleddeletion_changelist"
DECIDE = "admin:provisioning_scheduleddeletion_decide"


@pytest.fixture
def crm(crews: Crews) -> Directory:
    return save_crew_directory("CRM", **DELETES)


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def left(*directories: Directory, names: tuple[str, ...] = ("ann.lee",)) -> list[Account]:
    ids = [User.objects.create(username=name, first_name=name).pk for name in names]
    for directory in directories:
        work(directory)
    services.set_active(ids, False, "HR", by_person=True)
    for directory in directories:
        work(directory)
    return list(Account.objects.exclude(delete_at=None).order_by("delete_at", "pk"))


def page(client: Client, **query: object) -> str:
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_who_where_when_and_why_and_what_cannot_be_undone(boss: Client, crm: Directory) -> None:
    assert "Nothing is scheduled" in page(boss)
    (account,) = left(crm)
    shown = page(boss)
    assert account.delete_at is not None
    day = timezone.localtime(account.delete_at)
    for words in ("ann.lee", "CRM", f"{day:%Y-%m-%d %H:%M}", "Deactivated", "HR", "Cannot be undone in CRM"):
        assert words in shown, words
    assert "in 30 days" in shown


def test_filters_and_pages(boss: Client, crm: Directory) -> None:
    erp = save_crew_directory("ERP", **{**DELETES, "delete_after_days": 10})
    left(crm, erp, names=tuple(f"user{n}" for n in range(30)))
    assert Account.objects.exclude(delete_at=None).count() == 60
    assert "user0" in page(boss, until="9999-12-31")
    first = page(boss)
    assert first.count('name="account"') == 50
    assert first.index("ERP") < first.index('data-label="Directory">CRM')
    address = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    rest = boss.get(reverse(LIST) + address).content.decode()
    assert rest.count('data-label="Directory">CRM') == 10
    assert page(boss, directory=crm.pk).count('data-label="Directory">CRM') == 30
    soon = (timezone.localdate() + dt.timedelta(days=11)).isoformat()
    assert page(boss, until=soon).count('data-label="Directory">ERP') == 30
    assert page(boss, until=soon, directory=crm.pk).count("No scheduled deletion matches") == 1
    assert page(boss, q="USER7").count('name="account"') == 2
    for numbers in (30, 10):
        with CaptureQueriesContext(connection) as queries:
            page(boss, directory=crm.pk)
        assert len(queries) < 24, (numbers, len(queries))
        Account.objects.filter(directory=crm, key__startswith="user2").update(delete_at=None)


def test_cancel_in_bulk_and_delete_now_with_the_number_typed(boss: Client, crews: Crews, crm: Directory) -> None:
    one, two, *_ = left(crm, names=("a", "b", "c", "d"))
    boss.post(reverse(DECIDE), {"decision": "cancel", "account": [one.pk, two.pk]})
    kept = Account.objects.filter(kept_by="boss", delete_at=None, state=AccountState.DISABLED)
    assert {account.pk for account in kept} == {one.pk, two.pk}
    for number in ("", "3"):
        answer = boss.post(reverse(DECIDE), {"decision": "delete", "all": "1", "number": number}, follow=True)
        assert "A deletion cannot be undone, and these are 2 accounts" in answer.content.decode()
    assert not Change.objects.exists()
    boss.post(reverse(DECIDE), {"decision": "delete", "all": "1", "number": "2"})
    work(crm)
    assert sorted(crews["CRM"].rows) == ["a", "b"]


def test_who_may_only_look_cannot_decide(client: Client, crm: Directory, crews: Crews) -> None:
    (account,) = left(crm)
    helper = User.objects.create_user("helper", password="x", is_staff=True)
    client.force_login(helper)
    assert client.get(reverse(LIST)).status_code == 403
    helper.user_permissions.add(Permission.objects.get(codename="view_scheduleddeletion"))
    client.force_login(User.objects.get(pk=helper.pk))
    assert "Cancel selected" not in page(client)
    assert client.post(reverse(DECIDE), {"decision": "cancel", "all": "1"}).status_code == 403
    account.refresh_from_db()
    assert account.delete_at is not None


def test_the_persons_page_says_when_and_cancels(boss: Client, crm: Directory) -> None:
    (account,) = left(crm)
    address = reverse("admin:provisioning_user_accounts", args=[account.user_id])
    shown = boss.get(address).content.decode()
    assert account.delete_at is not None
    assert f"Will be deleted on {timezone.localtime(account.delete_at):%Y-%m-%d}" in shown
    assert "Cancel the deletion" in shown
    assert f"Nothing until {timezone.localtime(account.delete_at):%Y-%m-%d}, when it is deleted." in shown
    shown = boss.post(address, {"keep": account.pk}).content.decode()
    assert "Stays disabled and is not deleted: boss cancelled that." in shown
    assert "Nothing is scheduled for this account any more" in boss.post(address, {"keep": account.pk}).content.decode()


def test_why_says_when_and_who_cancelled_and_the_receipt_when_it_was_done(boss: Client, crm: Directory) -> None:
    (account,) = left(crm)
    assert account.delete_at is not None
    address = reverse("admin:provisioning_user_why", args=[account.user_id])
    said = (
        f"Is deleted on {timezone.localtime(account.delete_at):%Y-%m-%d}, unless they return or somebody cancels that"
    )
    assert said in text(boss.get(address))
    book.sweep()
    services.cancel_deletions(Account.objects.filter(pk=account.pk), "boss")
    assert "Is not deleted: boss cancelled that." in text(boss.get(address))
    Account.objects.update(delete_at=timezone.now() - dt.timedelta(minutes=1), kept_by="", last_synced_at=None)
    deletions.sweep()
    work(crm)
    book.sweep()
    row = ReceiptAccount.objects.get()
    assert row.gone_at is not None
    lines = b"".join(boss.get("/receipts/receipt/export/").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[9].endswith("Deleted at,Evidence row of the deletion")
    assert lines[10].endswith(f"{timezone.localtime(row.gone_at):%Y-%m-%d %H:%M:%S},{row.gone_evidence}")
    assert f"Evidence: row {row.gone_evidence} of the chain." in text(
        boss.get(reverse("admin:receipts_receipt_change", args=[row.receipt_id]))
    )


def test_other_settings_say_what_they_do_to_what_is_scheduled(crm: Directory) -> None:
    left(crm, names=("a", "b", "c", "d"))
    Account.objects.filter(key="a").update(delete_at=timezone.now() + dt.timedelta(days=5))

    def said(**change: object) -> str:
        old = stored(crm.pk)
        ProvisioningSettings.objects.update(**change)
        impact = of_change(old, stored(crm.pk))  # type: ignore[arg-type]
        ProvisioningSettings.objects.update(**DELETES)
        assert impact is not None
        return impact.sentence

    def first(days: int) -> str:
        return f" The first scheduled deletion is then due on {day(days)}."

    moves = "This would delete 1 account and move 3 scheduled deletions to another day."
    assert said(delete_after_days=20) == moves + first(20)
    assert said(delete_after_days=None) == "This would delete 4 accounts."
    assert said(delete_after_days=40) == "This would move 4 scheduled deletions to another day." + first(15)
    assert said(on_deactivate="disable") == "This would cancel 4 scheduled deletions."


def day(days: int) -> str:
    """Return the day that is so many days away."""
    return f"{timezone.localtime(timezone.now() + dt.timedelta(days=days)):%Y-%m-%d}"


def test_where_a_leaver_is_deleted_at_once_every_question_says_that_it_cannot_be_undone(
    boss: Client, crews: Crews
) -> None:
    crm = save_crew_directory("CRM", on_deactivate="delete")
    user = employed(crm)
    final = "Cannot be undone in CRM: the account is gone with what it owns, and a new one has another id."
    for name in ("leave", "delete"):
        shown = boss.get(reverse(f"admin:provisioning_user_{name}", args=[user.pk])).content.decode()
        assert final in shown, name
    chosen = {"action": "deactivate", "_selected_action": [user.pk]}
    listing = reverse("admin:provisioning_user_changelist")
    assert final in boss.post(listing, chosen).content.decode()
    assert User.objects.get(pk=user.pk).is_active, "only asked"
    boss.post(listing, {**chosen, "post": "yes"})
    assert not User.objects.get(pk=user.pk).is_active
    ProvisioningSettings.objects.update(delete_after_days=30)
    for name in ("leave", "delete"):
        assert final not in boss.get(reverse(f"admin:provisioning_user_{name}", args=[user.pk])).content.decode()
    shown = boss.get(reverse("admin:provisioning_user_delete", args=[user.pk])).content.decode()
    assert "The account is disabled now, and deleted after 30 days." in shown

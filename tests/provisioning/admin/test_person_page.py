"""The person page: one page that says who this is, how they stand, and what mends it."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory
from provisioning import services
from provisioning.models import Account, Change, Group, Membership, User
from provisioning.models.accounts import LastResult
from provisioning.rules.models import Granted
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.rules.conftest import rule

pytestmark = pytest.mark.django_db
SINCE = dt.datetime(2026, 3, 4, 5, 8, tzinfo=dt.UTC)


def page(user: User, part: str = "change") -> str:
    return f"/provisioning/user/{user.pk}/{part}/"


@pytest.fixture
def carol() -> User:
    return roll.person("carol", first_name="Carol", last_name="Jones", email="carol@okta.example", phone="555")


def account(user: User, directory: Directory, **fields: Any) -> Account:
    return Account.objects.create(
        user=user, directory=directory, key=user.username, **{"state": "active", "last_result": "ok", **fields}
    )


def refuse(account: Account) -> Change:
    Account.objects.filter(pk=account.pk).update(last_result=LastResult.PARKED, last_message="The name is too long.")
    return Change.objects.create(
        account=account, directory=account.directory, reason="user saved", parked=SINCE, parked_code="long"
    )


def test_the_page_says_who_this_is_and_where_they_come_from(client_of, carol: User) -> None:
    Event.objects.create(
        user_id=carol.pk,
        at=SINCE,
        direction="in",
        operation="create",
        result="success",
        application="Okta",
        message="x",
    )
    html = roll.words(client_of("Helpdesk").get(page(carol)))
    assert '<span class="rc-initials" aria-hidden="true">CJ</span>' in html
    assert "carol · carol@okta.example · 555 · no department · comes from <strong>Okta</strong>" in html
    for anchor in ("person", "accounts", "groups", "contracts", "rules", "happened", "details"):
        assert f'id="{anchor}"' in html, "links lead to the parts"
    assert "activeFieldsetTab" not in html, "no tabs"


@pytest.mark.heavy
def test_buttons_are_those_of_the_role(client_of, it_staff, carol: User) -> None:
    mine, theirs = roll.words(it_staff.get(page(carol))), roll.words(client_of("Helpdesk").get(page(carol)))
    for part in ("password", "leave", "delete"):
        address = page(carol, part)
        assert (address in mine, address in theirs) == (True, False), part
    for html in (mine, theirs):
        assert page(carol, "why") in html
        assert "data-print" in html


def test_somebody_without_a_fault(it_staff, carol: User) -> None:
    account(carol, roll.directory("CRM", create_users=True), pushed_digest="x")
    Change.objects.all().delete()
    html = roll.words(it_staff.get(page(carol, "accounts")))
    assert 'hx-swap-oob="true"' in html
    assert "Active, with an account. Nothing is wrong." in html


def test_a_leaver_whose_account_stays_open_is_said_in_red_with_what_mends_it(it_staff, client_of, carol: User) -> None:
    crm = roll.directory("CRM", create_users=True)
    account(carol, crm, last_result=LastResult.OPEN)
    services.set_active([carol.pk], False, "grace")
    Change.objects.all().delete()
    html = roll.words(it_staff.get(page(carol, "accounts")))
    assert "was deactivated in the portal" in html
    assert "by grace." in html
    assert "They can still use 1 system: CRM." in html
    assert f'href="/directories/directory/{crm.pk}/change/#features">Let it close accounts' in html
    assert "Still open" in html
    theirs = roll.words(client_of("Helpdesk").get(page(carol, "accounts")))
    assert "They can still use 1 system: CRM." in theirs
    assert "#features" not in theirs


def test_a_refusal_is_tried_again_from_the_head(it_staff, client_of, carol: User) -> None:
    change = refuse(account(carol, roll.directory("CRM", create_users=True)))
    html = roll.words(it_staff.get(page(carol, "accounts")))
    assert "CRM refused the last change." in html
    assert "Try again" in html
    assert client_of("Helpdesk").post(page(carol, "accounts"), {"account": "all"}).status_code == 403
    assert it_staff.post(page(carol, "accounts"), {"account": "all"}).status_code == 200
    assert not Change.objects.filter(pk=change.pk, parked__isnull=False).exists()


def test_what_waits_says_when_it_is_tried_next(it_staff, carol: User) -> None:
    crm = roll.directory("CRM", create_users=True)
    later = timezone.now() + dt.timedelta(hours=3)
    held = account(carol, crm, not_before=later, attempts=4, last_result=LastResult.WAITING)
    Change.objects.create(account=held, directory=crm, reason="user saved")
    html = roll.words(it_staff.get(page(carol, "accounts")))
    assert f"On its way, tried next at {timezone.localtime(later):%Y-%m-%d %H:%M} after 4 attempts." in html
    assert "A change is on its way to CRM." in html
    Directory.objects.filter(pk=crm.pk).update(unreachable_since=SINCE, retry_at=later + dt.timedelta(hours=1))
    html = roll.words(it_staff.get(page(carol, "accounts")))
    assert f"tried next at {timezone.localtime(later + dt.timedelta(hours=1)):%Y-%m-%d %H:%M}" in html


def test_groups_say_why(it_staff, carol: User) -> None:
    crm = roll.directory("CRM")
    sales, mailing, readers = (
        Group.objects.create(name="Sales"),
        Group.objects.create(name="Mailing"),
        Group.objects.create(name="Readers", owner=crm),
    )
    Membership.objects.bulk_create(Membership(group=group, user=carol) for group in (sales, mailing, readers))
    given = rule("Sellers", 'user.title eq "Seller"', sales)
    Granted.objects.create(user=carol, entitlement=given.entitlements.get())
    html = roll.words(it_staff.get(page(carol, "groups")))
    assert "By the rule Sellers" in html
    assert "Directly, as CRM says" in html
    assert "Directly, by hand or a file" in html


@pytest.mark.heavy
def test_what_happened_is_shown_and_goes_on(client_of, carol: User) -> None:
    for number in range(30):
        Event.objects.create(
            user_id=carol.pk,
            at=SINCE + dt.timedelta(minutes=number),
            direction="portal",
            operation="update",
            result="failed" if number == 3 else "success",
            message=f"Line <{number}>.",
            changes={"Title": ["a", "b"]},
            actor="grace",
        )
    helpdesk = client_of("Helpdesk")
    first = roll.words(helpdesk.get(page(carol, "happened")))
    assert "Line &lt;29&gt;." in first
    assert "Line &lt;14&gt;." not in first
    assert "Show what happened before" in first
    older = first.partition("older=")[2].partition('"')[0]
    rest = roll.words(helpdesk.get(f"{page(carol, 'happened')}?older={older}"))
    assert "Line &lt;14&gt;." in rest
    assert "<ol" not in rest, "it goes on in the list"
    failures = roll.words(helpdesk.get(f"{page(carol, 'happened')}?only=failures"))
    assert "Line &lt;3&gt;." in failures
    assert "Line &lt;29&gt;." not in failures
    for nonsense in ("older=x", "only=x", "older=9999999999999999999-1"):
        assert helpdesk.get(f"{page(carol, 'happened')}?{nonsense}").status_code == 200


@pytest.mark.heavy
def test_the_page_costs_the_same_for_a_person_with_much(it_staff, carol: User) -> None:
    def grow(numbers: range) -> None:
        for number in numbers:
            account(carol, roll.directory(f"Target {number}", create_users=True))
            Membership.objects.create(user=carol, group=Group.objects.create(name=f"Group {number}"))
            line = Event(user_id=carol.pk, at=timezone.now(), direction="in", operation="update", result="success")
            Event.objects.bulk_create([line])

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert it_staff.get(page(carol)).status_code == 200
        return len(queries)

    grow(range(2))
    cost()
    few = cost()
    grow(range(2, 12))
    assert cost() == few
    assert few <= 22


def test_what_happened_is_for_those_who_see_the_report(carol: User) -> None:
    looker = User.objects.create_user("looker", is_staff=True, provisioned=False)
    looker.user_permissions.add(Permission.objects.get(codename="view_user"))
    client = roll.signed_in(looker)
    assert client.get(page(carol, "happened")).status_code == 403
    html = roll.words(client.get(page(carol)))
    assert "Carol Jones" in html
    assert 'id="happened"' not in html

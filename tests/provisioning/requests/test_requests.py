"""Requests from asking to having, who decides, and how what was given ends; hostile ones among them."""

import datetime as dt

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from directories.models import AccountsFor, Directory, ProvisioningSettings
from provisioning import services as portal
from provisioning.imports.doors import rules as doors
from provisioning.models import Account, Change, User
from provisioning.recycle.models import DeletedUser
from provisioning.requests import due, mails, products, progress, services
from provisioning.requests.models import (
    ApproverKind,
    AskedApprover,
    Product,
    ProductRequest,
    RequestMail,
    RequestState,
    RequestStep,
    StepState,
    Substitute,
)
from provisioning.requests.products import StepDraft
from provisioning.requests.services import AskRefused
from provisioning.rules.conditions import All, Leaf
from provisioning.rules.models import Granted, Holding
from reports.models import Event
from tests.provisioning.contracts.conftest import Clock
from tests.provisioning.requests.conftest import (
    approve,
    ask,
    asked,
    department,
    group,
    later,
    members,
    others,
    person,
    product,
    refuse,
    step_of,
)
from tests.provisioning.rules.conftest import rule

pytestmark = pytest.mark.django_db


def said(request: ProductRequest) -> str:
    """Return how far a request is, in words."""
    request.refresh_from_db()
    return progress.words_of([request])[request.pk]


def lines(user: User) -> list[str]:
    """Return what the report says of a person's requests, the oldest first."""
    return list(Event.objects.filter(user_id=user.pk).order_by("pk").values_list("message", flat=True))


@pytest.mark.heavy
def test_what_is_approved_is_given_and_every_step_is_a_line() -> None:
    others(200)
    vpn = group("VPN")
    boss = person("boss")
    ada = person("ada", manager=boss)
    one = ask(product("Remote work", vpn), ada, reason="I work from home.")
    assert asked(one) == {"boss"}
    assert said(one) == "Waiting for Boss (boss) (manager)."
    assert members(vpn) == set()
    approve(one, boss)
    assert members(vpn) == {"ada"}
    assert said(one) == "Done."
    told = lines(ada)
    for words in (
        "Ada (ada) asked for Remote work for Ada (ada). Reason: I work from home.",
        "Remote work for Ada (ada): step 1 waits for Boss (boss) (manager).",
        "Boss (boss) approved step 1 of Remote work for Ada (ada).",
    ):
        assert words in told
    assert any("Gains group VPN (product Remote work)." in words for words in told)


def test_a_refusal_needs_a_reason_and_ends_it() -> None:
    boss = person("boss")
    ada = person("ada", manager=boss)
    one = ask(product("VPN", steps=[ApproverKind.MANAGER, ApproverKind.MANAGER]), ada)
    with pytest.raises(AskRefused, match="Say why"):
        refuse(one, boss, "  ")
    assert step_of(one).state == StepState.OPEN
    refuse(one, boss, "Not in this team.")
    assert said(one) == "Refused by Boss (boss): Not in this team."
    assert not AskedApprover.objects.exists()
    assert not Holding.objects.exists()
    assert step_of(one, 2).state == StepState.AHEAD


@pytest.mark.heavy
def test_approvers_by_what_they_are() -> None:
    boss, head, top, owner, chosen = (person(name) for name in ("boss", "head", "top", "owner", "chosen"))
    member, finder = person("member"), person("finder", title="Security officer")
    guards = group("Guards")
    portal.add_members(guards, [member.pk], "admin")
    care = department("Care", head)
    office = department("Office", top)
    ada = person("ada", manager=boss, department="Care")
    condition = Leaf("user.title", "eq", ("Security officer",))
    expected = {
        StepDraft(ApproverKind.MANAGER): "boss",
        StepDraft(ApproverKind.HEAD): "head",
        StepDraft(ApproverKind.PRODUCT_HEAD): "top",
        StepDraft(ApproverKind.OWNER): "owner",
        StepDraft(ApproverKind.PERSON, person=chosen.pk): "chosen",
        StepDraft(ApproverKind.GROUP, group=guards.pk): "member",
        StepDraft(ApproverKind.CONDITION, condition=condition): "finder",
    }
    assert care.manager == head
    assert finder.title == "Security officer"
    for draft, who in expected.items():
        wanted = product(f"By {draft.kind}", steps=[draft], owner=owner.pk, department=office.pk)
        assert asked(ask(wanted, ada)) == {who}, draft.kind


def test_it_moves_when_the_head_of_the_department_changes() -> None:
    """Also between the look at the list and the decision: who the head was is refused, who it is decides."""
    old, new = person("old"), person("new")
    care = department("Care", old)
    ada = person("ada", department="Care")
    one = ask(product("VPN", steps=ApproverKind.HEAD), ada)
    assert asked(one) == {"old"}
    care.manager = new
    care.save()
    with pytest.raises(AskRefused, match=r"It waits for New \(new\) \(head of Care\)"):
        approve(one, old)
    due.ask_again()
    assert asked(one) == {"new"}
    assert "VPN for Ada (ada): step 1 waits for New (new) (head of Care)." in lines(ada)
    assert approve(one, new).state == RequestState.GRANTED


@pytest.mark.heavy
def test_nobody_decides_for_themselves() -> None:
    """Not as manager, member, head, substitute, nor for what they asked for others: it goes one step up."""
    top = person("top")
    boss = person("boss", manager=top)
    guards = group("Guards")
    portal.add_members(guards, [boss.pk], "admin")
    department("Care", boss, department("Clinic", top))
    person("root", is_staff=True, is_superuser=True)
    boss.department = "Care"
    portal.save_user(boss, "admin")
    for draft in (
        StepDraft(ApproverKind.PERSON, person=boss.pk),
        StepDraft(ApproverKind.GROUP, group=guards.pk),
        StepDraft(ApproverKind.HEAD),
    ):
        one = ask(product(f"By {draft.kind}", steps=[draft]), boss)
        assert asked(one) == {"top"}, draft.kind
        assert "nobody nearer could decide" in step_of(one).said
        with pytest.raises(AskRefused, match="Nobody decides about what they asked for"):
            approve(one, boss)
    ada = person("ada", manager=boss)
    for_ada = ask(product("VPN"), ada, by=boss)
    assert asked(for_ada) == {"top"}
    with pytest.raises(AskRefused, match="Nobody decides"):
        approve(for_ada, boss)
    today = timezone.localdate()
    Substitute.objects.create(user=top, substitute=ada, starts=today, ends=today)
    due.ask_again()
    assert asked(for_ada) == {"top"}
    with pytest.raises(AskRefused, match="Nobody decides"):
        approve(for_ada, ada)


@pytest.mark.heavy
def test_an_owner_who_left_is_passed_by_and_the_step_says_so() -> None:
    top = person("top")
    owner = person("owner", manager=top)
    one = ask(product("VPN", steps=ApproverKind.OWNER, owner=owner.pk), person("ada"))
    assert asked(one) == {"owner"}
    portal.set_active([owner.pk], False, "admin")
    due.ask_again()
    assert asked(one) == {"top"}
    assert step_of(one).said == "Top (top) (one step up); nobody nearer could decide"
    portal.delete_users([owner.pk], "admin")
    root = person("root", is_staff=True, is_superuser=True)
    due.ask_again()
    assert asked(one) == {"root"}, "nobody knows any more who managed the owner"
    assert Product.objects.get().owner is None
    portal.set_active([top.pk], False, "admin")
    assert approve(one, root).state == RequestState.GRANTED


def test_where_nobody_can_decide_it_waits_and_says_so() -> None:
    one = ask(product("VPN"), person("ada"))
    assert asked(one) == set()
    assert said(one) == progress.NOBODY
    assert "VPN for Ada (ada): step 1 waits, and nobody can decide it." in lines(User.objects.get(username="ada"))
    later(100)
    one.refresh_from_db()
    assert one.state == RequestState.WAITING


def test_substitutes_decide_in_their_days_alone(clock: Clock) -> None:
    boss, other = person("boss"), person("other")
    ada = person("ada", manager=boss)
    Substitute.objects.create(user=boss, substitute=other, starts=dt.date(2026, 12, 1), ends=dt.date(2026, 12, 2))
    one = ask(product("VPN"), ada)
    assert asked(one) == {"boss"}
    with pytest.raises(AskRefused, match="does not wait for you"):
        approve(one, other)
    clock.set(dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC))
    due.ask_again()
    assert asked(one) == {"boss", "other"}
    approve(one, other)
    assert "Other (other) instead of Boss (boss) approved step 1 of VPN for Ada (ada)." in lines(ada)


@pytest.mark.heavy
def test_silence_reminds_and_asks_those_above_and_never_approves(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    top = person("top", email="top@example.org")
    boss = person("boss", manager=top, email="boss@example.org")
    ada = person("ada", manager=boss, email="ada@example.org")
    one = ask(product("VPN", steps=[StepDraft(ApproverKind.MANAGER, remind=2, escalate=5)]), ada)
    mails.send_due()
    assert [letter.to for letter in mail.outbox] == [["boss@example.org"]]
    later(2)
    assert list(RequestMail.objects.filter(sent_at=None).values_list("told", "to__username")) == [("reminded", "boss")]
    later(5)
    assert asked(one) == {"boss", "top"}
    assert "since nobody answered Top (top) (one step up)" in step_of(one).said
    later(400)
    one.refresh_from_db()
    assert one.state == RequestState.WAITING
    assert not Holding.objects.exists()
    assert approve(one, top).state == RequestState.GRANTED


def test_mails_have_links_and_tell_what_became_of_it(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    boss = person("boss", email="boss@example.org")
    ada = person("ada", manager=boss, email="ada@example.org")
    fields = [{"label": "Which ward?", "kind": "text", "required": True}]
    wanted = product("VPN", risk="Opens the network.", fields=fields)
    one = ask(wanted, ada, answers=[("Which ward?", "Ward A")], reason="Nights")
    assert mails.send_due() == 1
    body = mail.outbox[0].body
    for words in ("Which ward?: Ward A", "Reason: Nights", "Risk: Opens the network.", "/my/decide/", "Refuse: http"):
        assert words in body
    assert mails.send_due() == 0
    refuse(one, boss, "No.")
    mails.send_due()
    assert mail.outbox[-1].to == ["ada@example.org"]
    assert "Refused by Boss (boss): No." in mail.outbox[-1].body
    assert mail.outbox[-1].subject == "[Rollcall] VPN for Ada (ada): refused"


@pytest.mark.heavy
def test_an_account_is_made_by_the_ordinary_path_and_the_wait_is_told() -> None:
    others(200)
    crm = Directory.objects.create(name="CRM", kind="memory")
    ProvisioningSettings.objects.create(directory=crm, create_users=True, accounts_for=AccountsFor.RULES)
    boss = person("boss")
    ada = person("ada", manager=boss)
    one = ask(product("CRM access", crm), ada)
    assert not Account.objects.exists()
    approve(one, boss)
    account = Account.objects.get(user=ada, directory=crm)
    assert said(one) == "Waiting for the CRM directory."
    Directory.objects.update(unreachable_since=timezone.now())
    assert said(one) == "Waiting for the CRM directory, which cannot be reached just now. It is tried again by itself."
    Change.objects.filter(account=account).update(parked=timezone.now(), parked_message="secret text of a server")
    assert said(one).startswith("Waiting for the CRM directory, where something must be corrected first.")
    Change.objects.all().delete()
    Account.objects.filter(pk=account.pk).update(state="active")
    assert said(one) == "Done."
    services.give_back(Holding.objects.get(), ada)
    account.refresh_from_db()
    assert not account.in_scope
    assert Change.objects.filter(account=account).exists()


@pytest.mark.heavy
def test_a_privileged_group_waits_for_an_administrator() -> None:
    others(200)
    admins = group("Admins", privileged=True)
    boss = person("boss")
    one = ask(product("Administration", admins), person("ada", manager=boss))
    approve(one, boss)
    assert members(admins) == set()
    assert said(one).startswith("Waiting for an administrator")


@pytest.mark.heavy
def test_several_reasons_for_one_group_and_it_goes_with_the_last() -> None:
    others(200)
    vpn = group("VPN")
    boss = person("boss")
    ada = person("ada", manager=boss, title="Nurse")
    rule("Nurses", 'user.title eq "Nurse"', vpn)
    for name in ("One", "Two"):
        approve(ask(product(name, vpn), ada), boss)
    assert members(vpn) == {"ada"}
    assert Granted.objects.filter(user=ada).count() == 3
    for held in Holding.objects.order_by("pk"):
        services.give_back(held, ada)
        assert members(vpn) == {"ada"}
    ada.title = "Clerk"
    portal.save_user(ada, "admin")
    doors.evaluate_due("admin")
    assert members(vpn) == set()


@pytest.mark.heavy
def test_the_time_limit_ends_it_and_renewing_goes_on_from_its_end(clock: Clock, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    others(200)
    vpn = group("VPN")
    boss = person("boss")
    ada = person("ada", manager=boss, email="ada@example.org")
    wanted = product("VPN", vpn, days=30)
    approve(ask(wanted, ada), boss)
    held = Holding.objects.get()
    assert held.until == clock.now + dt.timedelta(days=30)
    clock.set(clock.now + dt.timedelta(days=20))
    due.tell_of_ends()
    due.tell_of_ends()
    assert RequestMail.objects.filter(told="ending").count() == 1
    again = ask(wanted, ada)
    assert again.renews
    approve(again, boss)
    assert Holding.objects.get().until == held.until + dt.timedelta(days=30)
    assert ProductRequest.objects.filter(state=RequestState.GRANTED).get() == again
    clock.set(held.until + dt.timedelta(days=31))
    due.end_due()
    doors.evaluate_due()
    assert members(vpn) == set()
    assert said(again) == "Its time is over."


@pytest.mark.heavy
def test_the_engine_itself_ends_what_is_over(clock: Clock) -> None:
    """Even where nobody looked after the requests meanwhile."""
    others(200)
    vpn = group("VPN")
    boss = person("boss")
    approve(ask(product("VPN", vpn, days=1), person("ada", manager=boss)), boss)
    clock.set(clock.now + dt.timedelta(days=1, minutes=1))
    doors.evaluate_due()
    assert members(vpn) == set()


@pytest.mark.heavy
def test_who_is_deactivated_gives_it_back() -> None:
    others(200)
    vpn, badge = group("VPN"), group("Badge")
    boss = person("boss")
    ada = person("ada", manager=boss)
    approve(ask(product("VPN", vpn), ada), boss)
    approve(ask(product("Badge", badge, until_disabled=False), ada), boss)
    waiting = ask(product("More"), ada)
    portal.set_active([ada.pk], False, "admin")
    due.look()
    doors.evaluate_due()
    assert (members(vpn), members(badge)) == (set(), {"ada"})
    assert said(waiting) == "The person is not there any more, or was deactivated."
    with pytest.raises(AskRefused, match="decided already"):
        approve(waiting, boss)


@pytest.mark.heavy
def test_who_is_deleted_and_restored_has_lost_what_they_asked_for() -> None:
    """And what rules gave is still theirs alone: it goes when the rule stops, as if they had never been away."""
    others(200)
    vpn, staff = group("VPN"), group("Staff")
    boss = person("boss")
    ada = person("ada", manager=boss, title="Nurse")
    rule("Nurses", 'user.title eq "Nurse"', staff)
    one = ask(product("VPN", vpn), ada)
    approve(one, boss)
    assert (members(vpn), members(staff)) == ({"ada"}, {"ada"})
    portal.delete_users([ada.pk], "admin")
    due.look()
    assert said(one) == "The person was deleted, or merged into another."
    deleted = DeletedUser.objects.get(username="ada")
    assert portal.restore_users({deleted.pk: ""}, "admin")[0].problem == ""
    doors.evaluate_due("admin")
    assert (members(vpn), members(staff)) == (set(), {"ada"})
    ada = User.objects.get(username="ada")
    ada.title = "Clerk"
    portal.save_user(ada, "admin")
    doors.evaluate_due("admin")
    assert members(staff) == set()


@pytest.mark.heavy
def test_no_more_than_the_maximum_number_are_given() -> None:
    boss = person("boss")
    ada, ben = person("ada", manager=boss), person("ben", manager=boss)
    wanted = product("Licence", most=1)
    first, second = ask(wanted, ada), ask(wanted, ben)
    approve(first, boss)
    with pytest.raises(AskRefused, match="All 1 of Licence are given out"):
        approve(second, boss)
    assert step_of(second).state == StepState.OPEN, "it waits on, until one is given back"
    assert services.ask(wanted, [person("chi", manager=boss)], boss).problems
    services.give_back(Holding.objects.get(), ada)
    assert approve(second, boss).state == RequestState.GRANTED


def test_a_product_that_goes_while_it_is_asked_for_is_given_to_nobody() -> None:
    boss = person("boss")
    ada, ben = person("ada", manager=boss), person("ben", manager=boss)
    off, gone = product("Off"), product("Gone", group("Gone"))
    one, two = ask(off, ada), ask(gone, ben)
    Product.objects.filter(pk=off.pk).update(offered=False)
    products.remove(gone, "admin", keep=False)
    for request in (one, two):
        with pytest.raises(AskRefused, match="is not offered any more"):
            approve(request, boss)
    due.look()
    assert [said(one), said(two)] == ["The product is not offered any more."] * 2
    assert not Holding.objects.exists()
    two.refresh_from_db()
    assert (two.product, str(two)) == (None, "Gone for Ben (ben)")


@pytest.mark.heavy
def test_removing_a_product_takes_away_or_keeps() -> None:
    others(200)
    boss = person("boss")
    ada = person("ada", manager=boss)
    one, two = group("One"), group("Two")
    first, second = product("First", one), product("Second", two)
    for wanted in (first, second):
        approve(ask(wanted, ada), boss)
    products.remove(first, "admin", keep=False)
    products.remove(second, "admin", keep=True)
    doors.evaluate_due()
    assert (members(one), members(two)) == (set(), {"ada"})
    assert any("the product was removed" in words for words in lines(ada))
    assert not Product.objects.exists()


@pytest.mark.heavy
def test_asking_twice_or_for_strangers_is_refused() -> None:
    boss = person("boss")
    ada, ben = person("ada", manager=boss), person("ben")
    wanted = product("VPN")
    ask(wanted, ada)
    for who, by, words in (
        (ada, ada, "waits already"),
        (ben, ada, "You may not ask for Ben (ben)"),
        (ben, boss, "You may not ask for Ben (ben)"),
    ):
        assert words in services.ask(wanted, [who], by).problems[who.pk]
    guards = group("Guards")
    hidden = product("Hidden", audience="groups", groups=[guards.pk])
    assert "is not offered to" in services.ask(hidden, [ada], ada).problems[ada.pk]
    nobody = product("Titled", audience="condition", condition=All((Leaf("user.title", "eq", ("Nurse",)),)))
    assert "is not offered to" in services.ask(nobody, [ada], ada).problems[ada.pk]


def test_steps_are_those_of_when_it_was_asked_for() -> None:
    """Whoever takes a step out of the product meanwhile does not shorten the way of what waits."""
    boss, head = person("boss"), person("head")
    ada = person("ada", manager=boss, department="Care")
    department("Care", head)
    wanted = product("VPN", steps=[ApproverKind.MANAGER, ApproverKind.HEAD])
    one = ask(wanted, ada)
    wanted.steps.filter(position=2).delete()
    assert approve(one, boss).state == RequestState.WAITING
    assert approve(one, head, 2).state == RequestState.GRANTED


@pytest.mark.heavy
def test_five_thousand_requests_are_looked_after_by_pages() -> None:
    """Asked for, found anew after the head changed, ended and evaluated: the statements do not grow with the people."""
    old, new = person("old"), person("new")
    care = department("Care", old)
    User.objects.bulk_create(User(username=f"p{number}", department="Care", manager=old) for number in range(5000))
    people = list(User.objects.filter(username__startswith="p").order_by("pk"))
    wanted = product("VPN", group("VPN"), steps=ApproverKind.HEAD, days=1)
    with CaptureQueriesContext(connection) as few:
        services.ask(wanted, people[:10], old)
    with CaptureQueriesContext(connection) as many:
        services.ask(wanted, people[10:], old)
    assert len(many) < len(few) + 40, "more statements only by the pages of inserts"
    assert AskedApprover.objects.count() == 0, "who asked is the head, and nobody stands above"
    care.manager = new
    care.save()
    with CaptureQueriesContext(connection) as found:
        due.ask_again()
    assert AskedApprover.objects.filter(user=new).count() == 5000
    assert len(found) < 5 * 40, "five pages of a thousand"
    ids = [one.pk for one in people]
    now = timezone.now()
    ProductRequest.objects.update(state=RequestState.GRANTED)
    Holding.objects.bulk_create(Holding(user_id=pk, rule_id=wanted.pk, until=now) for pk in ids)
    with CaptureQueriesContext(connection) as ended:
        due.end_due(now)
    assert not Holding.objects.exists()
    assert ProductRequest.objects.filter(state=RequestState.ENDED).count() == 5000
    assert len(ended) < 5 * 30
    steps = RequestStep.objects.filter(request__in=ProductRequest.objects.order_by("pk")[:30])
    assert steps.count() == 30
    shown = list(ProductRequest.objects.order_by("pk")[:30])
    with CaptureQueriesContext(connection) as words:
        progress.words_of(shown)
    assert len(words) <= 10

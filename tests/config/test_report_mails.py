"""Reports by mail: to those who may see them at the moment of sending, once each, and what is not sent is told."""

import datetime as dt
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from config.models import ReportLetter, ReportRhythm, ScheduledReport
from config.overviews import counting, mails
from directories.models import Directory
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState
from provisioning.notices import watch
from provisioning.notices.models import Notice
from provisioning.roles import AUDITOR, IT_STAFF

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_server(settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"  # pytest-django puts what is sent to it in an outbox
    settings.PORTAL_URL = "https://portal.example.org"
    counting.accounts.until = 0.0


def staff(name: str, role: str = IT_STAFF, email: str = "") -> User:
    user = User.objects.create_user(name, email=email or f"{name}@example.org", is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=role))
    return user


def schedule(*people: User, overview: str = "accounts", **fields: Any) -> ScheduledReport:
    made = ScheduledReport.objects.create(overview=overview, **{"next_at": timezone.now(), **fields})
    made.recipients.set(people)
    return made


def test_a_report_is_readable_as_html_and_as_text() -> None:
    crm = Directory.objects.create(name="CRM & Co", kind="memory")
    user = User.objects.create(username="ann", provisioned=False, department="<b>Sales</b>")
    Account.objects.create(user=user, directory=crm, key="ann", state=AccountState.ACTIVE)
    one = schedule(staff("grace"), directory=crm)
    assert mails.send_due() == 1
    [sent] = mail.outbox
    assert sent.to == ["grace@example.org"]
    assert sent.subject == "[Rollcall] Who has which account of CRM & Co"
    assert "Accounts by directory: CRM & Co active 1" in sent.body
    assert f"https://portal.example.org/overview/accounts/?directory={crm.pk}" in sent.body
    html, kind = sent.alternatives[0]
    assert kind == "text/html"
    assert "&lt;b&gt;Sales&lt;/b&gt;" in html
    assert 'width="100%" bgcolor="#16a34a"' in html, "the bar"
    assert "http://" not in html
    one.refresh_from_db()
    assert one.sent_at is not None
    assert one.next_at > timezone.now()
    assert mails.send_due() == 0, "it is sent once"


@pytest.mark.heavy
def test_rights_are_looked_at_when_it_is_sent() -> None:
    grace, former, away = staff("grace"), staff("former"), staff("away")
    one = schedule(grace, former, away)
    former.groups.clear()
    User.objects.filter(pk=away.pk).update(is_active=False)
    assert mails.send_due() == 1
    assert [sent.to for sent in mail.outbox] == [["grace@example.org"]]
    one.refresh_from_db()
    assert "was not sent it: they may not see it" in one.problem
    assert not ReportLetter.objects.exists()
    watch.watch()
    assert Notice.objects.filter(closed_at=None, cause="report_mails").count() == 1
    one.recipients.set([grace])
    ScheduledReport.objects.update(next_at=timezone.now())
    mails.send_due()
    watch.watch()
    assert not Notice.objects.filter(closed_at=None, cause="report_mails").exists()


def test_a_refused_mail_is_tried_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = schedule(staff("grace"))

    def refuse(self: Any, messages: Any) -> int:
        raise SMTPRecipientsRefused({})

    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", refuse)
        assert mails.send_due() == 0
    one.refresh_from_db()
    assert "The mail server refused the mail; the portal tries again." in one.problem
    assert mails.send_due() == 0, "not at once"
    ReportLetter.objects.update(due_at=timezone.now())
    assert mails.send_due() == 1
    one.refresh_from_db()
    assert one.problem == "", "it was sent after all"
    with monkeypatch.context() as patched:
        patched.setattr(EmailBackend, "send_messages", refuse)
        ScheduledReport.objects.update(next_at=timezone.now())
        mails.send_due()
        ReportLetter.objects.update(due_at=timezone.now(), until=timezone.now())
        mails.send_due()
    one.refresh_from_db()
    assert one.problem.endswith("was not sent it. The mail server refused the mail.")
    assert not ReportLetter.objects.exists()


def test_who_was_taken_off_is_not_sent_what_still_waits() -> None:
    one = schedule(staff("grace"))
    mails._begin(timezone.now())
    one.recipients.clear()
    assert mails.send_due() == 0
    assert not mail.outbox
    assert not ReportLetter.objects.exists()


def test_a_slow_worker_leaves_the_rest_before_another_may_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule(staff("grace"))
    with monkeypatch.context() as patched:
        patched.setattr(mails, "HELD", dt.timedelta(seconds=-1))
        assert mails.send_due() == 0
    assert not mail.outbox
    ReportLetter.objects.update(due_at=timezone.now())
    assert mails.send_due() == 1


def test_without_a_mail_server_nothing_is_begun(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    schedule(staff("grace"))
    assert mails.send_due() == 0
    assert not ReportLetter.objects.exists()


@pytest.mark.parametrize(
    ("rhythm", "now", "expected"),
    [
        (ReportRhythm.DAILY, "2030-01-09 06:00", "2030-01-09"),
        (ReportRhythm.DAILY, "2030-01-09 07:00", "2030-01-10"),
        (ReportRhythm.WEEKLY, "2030-01-09 06:00", "2030-01-14"),
        (ReportRhythm.WEEKLY, "2030-01-14 08:00", "2030-01-21"),
        (ReportRhythm.MONTHLY, "2030-01-09 06:00", "2030-02-01"),
        (ReportRhythm.MONTHLY, "2030-12-31 23:59", "2031-01-01"),
    ],
)
def test_when_it_is_due_next(rhythm: str, now: str, expected: str) -> None:
    moment = timezone.make_aware(dt.datetime.fromisoformat(now))
    assert f"{timezone.localtime(mails.next_moment(rhythm, moment)):%Y-%m-%d %H:%M}" == f"{expected} 07:00"


@pytest.mark.parametrize(
    ("rhythm", "start", "end"),
    [
        (ReportRhythm.DAILY, "2030-02-28", "2030-03-01"),
        (ReportRhythm.WEEKLY, "2030-02-22", "2030-03-01"),
        (ReportRhythm.MONTHLY, "2030-02-01", "2030-03-01"),
    ],
)
def test_of_what_it_is(rhythm: str, start: str, end: str) -> None:
    now = timezone.make_aware(dt.datetime(2030, 3, 1, 7))
    span = mails.asked(ScheduledReport(rhythm=rhythm), now)
    assert [f"{timezone.localtime(one):%Y-%m-%d}" for one in (span.start, span.end)] == [start, end]


@pytest.mark.heavy
def test_only_those_who_may_see_it_can_be_chosen(client: Client) -> None:
    grace, auditor = staff("grace"), staff("otto", AUDITOR)
    nobody = User.objects.create(username="ann", email="ann@example.org", provisioned=False)
    client.force_login(grace)
    data = {"overview": "turnover", "rhythm": "weekly", "recipients": [auditor.pk, nobody.pk]}
    answer = client.post("/portal/scheduledreport/add/", data)
    assert "These may not see the report" in str(answer.context["adminform"].form.errors)
    assert client.post("/portal/scheduledreport/add/", data | {"recipients": [auditor.pk]}).status_code == 302
    made = ScheduledReport.objects.get()
    assert made.next_at > timezone.now()
    assert client.get(f"/portal/scheduledreport/{made.pk}/change/").status_code == 200
    client.force_login(auditor)
    assert "Joiners, movers and leavers" in client.get("/portal/scheduledreport/").content.decode()
    assert client.get(f"/portal/scheduledreport/{made.pk}/change/").status_code == 200

"""Notices: one for each cause and subject, mailed through a server that holds to RFC 5321, and closed once."""

import datetime as dt
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory
from provisioning.models import Account, Change, GroupAccount, GroupChange, User
from provisioning.notices import mail, watch
from provisioning.notices.models import Choice, How, Letter, Notice
from provisioning.notices.signals import notice_closed, notice_opened
from provisioning.receipts.models import LATE, Receipt, ReceiptAccount, ReceiptStatus, Seen
from provisioning.restore.models import HeldDirectory
from provisioning.roles import AUDITOR, IT_STAFF


class Session(socketserver.StreamRequestHandler):
    """One SMTP session: commands in their order (RFC 5321 4.1.4), CRLF, lines of at most 1,000 octets (4.5.3.1.6)."""

    server: "MailServer"

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def line(self) -> bytes:
        found = self.rfile.readline(1001)
        if found and not found.endswith(b"\r\n"):
            self.server.faults.append(f"no CRLF: {found[:40]!r}")
        return found

    def handle(self) -> None:
        self.say("220 mail.example.org")
        state, recipients = "", []
        while found := self.line():
            verb = found.decode("ascii").strip().upper()
            if verb.startswith(("EHLO ", "HELO ")):
                state = "ready"
                self.say("250 mail.example.org")
            elif verb.startswith("MAIL FROM:<") and state == "ready":
                state, recipients = "mail", []
                self.say("250 OK")
            elif verb.startswith("RCPT TO:<") and state in ("mail", "rcpt"):
                address = found.decode().strip()[9:-1]
                if address in self.server.refuses:
                    self.say("550 5.1.1 No such user")
                else:
                    state = "rcpt"
                    recipients.append(address)
                    self.say("250 OK")
            elif verb == "DATA" and state == "rcpt":
                self.say("354 End with a dot")
                body = b""
                while (part := self.line()) not in (b".\r\n", b""):
                    body += part[1:] if part.startswith(b".") else part
                self.server.mails.append((recipients, message_from_bytes(body, policy=policy.default)))
                state = "ready"
                self.say("250 OK")
            elif verb == "RSET":
                state = "ready"
                self.say("250 OK")
            elif verb == "QUIT":
                self.say("221 Bye")
                return
            else:
                self.server.faults.append(f"{verb} in state {state!r}")
                self.say("503 5.5.1 Bad sequence of commands")


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.mails: list[tuple[list[str], Any]] = []
        self.faults: list[str] = []
        self.refuses: set[str] = set()


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with MailServer() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = found.server_address
        yield found
        found.shutdown()
        assert found.faults == []


@pytest.fixture
def it(db: None) -> User:
    return person("grace", IT_STAFF)


def person(name: str, role: str) -> User:
    found = User.objects.create_user(name, email=f"{name}@example.org", is_staff=True, provisioned=False)
    found.groups.add(Role.objects.get(name=role))
    return found


def look() -> None:
    watch.watch()
    mail.send_due()


@pytest.fixture
def down(db: None) -> Directory:
    return Directory.objects.create(name="CRM", kind="sqlite", unreachable_since=timezone.now())


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_one_mail_a_cause_and_one_at_its_end(server: MailServer, down: Directory, it: User) -> None:
    """Repeats are counted and not sent; the signals come once each."""
    heard: list[tuple[str, str]] = []
    opened = lambda notice, **_: heard.append(("opened", notice.title))  # noqa: E731
    closed = lambda notice, **_: heard.append(("closed", notice.title))  # noqa: E731
    notice_opened.connect(opened)
    notice_closed.connect(closed)
    for _ in range(3):
        look()
    assert [(to, mail["Subject"]) for to, mail in server.mails] == [
        (["grace@example.org"], "[Rollcall] CRM cannot be reached")
    ]
    assert f"{settings.PORTAL_URL}/directories/directory/{down.pk}/change/" in server.mails[0][1].get_content()
    assert Notice.objects.get().times == 3
    Directory.objects.update(unreachable_since=None)
    for _ in range(2):
        look()
    assert [mail["Subject"] for _, mail in server.mails[1:]] == ["[Rollcall] Over: CRM cannot be reached"]
    Directory.objects.update(unreachable_since=timezone.now())
    look()
    assert len(server.mails) == 3
    title = "CRM cannot be reached"
    assert heard == [("opened", title), ("closed", title), ("opened", title)]


@pytest.mark.heavy
def test_each_person_is_told_as_they_chose(server: MailServer, down: Directory, it: User) -> None:
    """At once, once a day, not at all; who may not know, has no address or is gone hears nothing."""
    daily, never, gone = person("daily", AUDITOR), person("never", AUDITOR), person("gone", AUDITOR)
    Choice.objects.create(person=daily, cause="unreachable", how=How.DIGEST)
    Choice.objects.create(person=never, cause="unreachable", how=How.NEVER)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    User.objects.create_user("norole", email="norole@example.org", is_staff=True, provisioned=False)
    User.objects.create_user("root", is_staff=True, is_superuser=True, provisioned=False)
    look()
    assert [to for to, _ in server.mails] == [["grace@example.org"]]
    Letter.objects.filter(sent_at=None).update(due_at=timezone.now())
    look()
    assert [to for to, _ in server.mails[1:]] == [["daily@example.org"]]


def test_what_ends_before_the_daily_mail_is_not_told(server: MailServer, down: Directory) -> None:
    Choice.objects.create(person=person("daily", AUDITOR), cause="unreachable", how=How.DIGEST)
    look()
    Directory.objects.update(unreachable_since=None)
    look()
    assert not Letter.objects.exists()


def test_a_mail_server_that_is_away_loses_nothing(settings: Any, server: MailServer, down: Directory, it: User) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    look()
    assert not server.mails
    settings.EMAIL_PORT = port
    look()
    assert len(server.mails) == 1


def test_one_refused_address_holds_up_nobody(server: MailServer, down: Directory, it: User) -> None:
    server.refuses = {"grace@example.org"}
    person("zoe", IT_STAFF)
    look()
    look()
    assert [to for to, _ in server.mails] == [["zoe@example.org"]]


def test_a_name_cannot_write_headers(server: MailServer, it: User) -> None:
    Directory.objects.create(name="CRM\nBcc: all@example.org\n.\nQUIT", kind="sqlite", unreachable_since=timezone.now())
    look()
    ((to, found),) = server.mails
    assert to == ["grace@example.org"]
    assert found["Bcc"] is None


@pytest.mark.heavy
def test_a_person_chooses_and_sees_what_they_may(down: Directory, it: User) -> None:
    watch.watch()
    client = Client()
    client.force_login(it)
    assert b"CRM cannot be reached" in client.get("/notices/notice/").content
    client.post("/notices/notice/choices/", {"unreachable": "never", "failed_import": "loud"})
    assert dict(Choice.objects.values_list("cause", "how")) == {"unreachable": "never"}
    helper = Client()
    helper.force_login(person("helper", "Helpdesk"))
    assert b"CRM cannot be reached" not in helper.get("/notices/notice/").content


def test_what_is_held_of_people_and_of_groups_has_a_notice_each(it: User) -> None:
    directory = Directory.objects.create(name="CRM", kind="sqlite")
    held = {"directory": directory, "parked": timezone.now(), "parked_code": "held"}
    Change.objects.create(account=Account.objects.create(directory=directory, key="ada"), **held)
    GroupChange.objects.create(group_account=GroupAccount.objects.create(directory=directory, key="dev"), **held)
    watch.watch()
    titles = set(Notice.objects.values_list("title", "path"))
    assert titles == {
        ("1 change for CRM is held", f"/provisioning/change/?directory={directory.pk}"),
        ("1 change of groups for CRM is held", f"/provisioning/groupchange/?directory={directory.pk}"),
    }


def test_a_connection_without_its_checks_has_a_notice_until_they_are_on_again(it: User) -> None:
    unchecked = {"check_certificate": "no"}
    made = [
        Directory.objects.create(name="Slack", kind="scim", settings={"product": "slack", **unchecked}),
        Directory.objects.create(name="AD", kind="ldap", settings={"encryption": "none"}),
        Directory.objects.create(name="Old", kind="scim", settings=unchecked, enabled=False),
        Directory.objects.create(name="Safe", kind="scim", settings={"product": "slack"}),
    ]
    watch.watch()
    unsafe = Notice.objects.filter(cause="unsafe", closed_at=None).order_by("pk")
    assert [one.title for one in unsafe] == ["The connection to Slack is not safe", "The connection to AD is not safe"]
    assert "certificate is not checked" in unsafe[0].text
    Directory.objects.filter(pk=made[0].pk).update(settings={"product": "slack"})
    watch.watch()
    assert [one.subject for one in unsafe.all()] == [f"directory {made[1].pk}"]


@pytest.mark.heavy
def test_a_leaver_who_is_not_proven_after_five_minutes_has_a_notice_with_who_answers(it: User) -> None:
    directory = Directory.objects.create(name="CRM", kind="sqlite")
    now = timezone.now()
    receipts = [
        Receipt.objects.create(
            user_id=number, username=f"u{number}", name=f"Leaver {number}", decision="deactivated", learnt_at=at
        )
        for number, at in enumerate([now - LATE - dt.timedelta(seconds=1), now])
    ]
    for receipt in receipts:
        ReceiptAccount.objects.create(
            receipt=receipt, directory_id=directory.pk, directory="CRM", account_id=1, key="x", before="active"
        )
    open_by_choice = {"owner": "bob", "reason": "Audit", "until": dt.date(2027, 1, 2)}
    ReceiptAccount.objects.create(
        receipt=receipts[0], directory_id=9, directory="Mail", account_id=2, key="x", before="active", **open_by_choice
    )
    watch.watch()
    notice = Notice.objects.get(cause="unproven")
    assert notice.title.startswith("Leaver 0 (u0) left at ")
    assert notice.text == "Not seen closed yet: CRM. Left open in Mail until 2027-01-02: bob answers for it."
    client = Client()
    client.force_login(it)
    assert b"Leaver 0" in client.get(notice.path).content
    ReceiptAccount.objects.update(seen=Seen.DISABLED)
    Receipt.objects.update(status=ReceiptStatus.CLOSED)
    watch.watch()
    assert not Notice.objects.filter(closed_at=None).exists()


@pytest.mark.heavy
def test_notices_and_look_first_cost_a_page_one_query(it: User, client: Client, down: Directory) -> None:
    watch.watch()
    client.force_login(it)
    for number in (0, 2):
        if number:
            directories = [Directory.objects.create(name=f"D{one}", kind="memory") for one in range(number)]
            HeldDirectory.objects.bulk_create(HeldDirectory(directory=one, why="Old backup.") for one in directories)
        with CaptureQueriesContext(connection) as found:
            page = client.get("/provisioning/user/").content.decode()
        tables = ("notices_notice", "restore_helddirectory")
        assert sum(any(table in query["sql"] for table in tables) for query in found) == 1
        assert ("2 directories wait" in page) == bool(number)
        assert ("Old backup." in page) == bool(number)

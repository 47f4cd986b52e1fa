"""The causes that provisioning itself knows."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from directories.connectors import registry
from directories.models import Directory
from provisioning.guard.models import AwaitedSettings
from provisioning.models import Account, Change, GroupChange, ImportRun
from provisioning.models.accounts import LEFT_OPEN
from provisioning.models.imports import RunStatus
from provisioning.models.outbox import HELD, QueuedChange
from provisioning.notices.causes import DANGER, WARNING, Cause, FoundSubject, register
from provisioning.receipts.models import LATE, Receipt, ReceiptStatus
from provisioning.restore.models import HeldDirectory

UNPROVEN = dt.timedelta(minutes=5)
MOST = 200  # subjects of a cause


def _look_first() -> Iterator[FoundSubject]:
    number = HeldDirectory.objects.count()
    if number:
        text = "See what would be changed, and let one directory after the other go."
        title = f"The portal looks first: {number} director{'y is' if number == 1 else 'ies are'} kept back"
        yield FoundSubject("portal", title, text, "/restore/helddirectory/")


def _unreachable() -> Iterator[FoundSubject]:
    down = Directory.objects.filter(enabled=True, unreachable_since__isnull=False).order_by("pk")
    for pk, name, quarantined in down.values_list("pk", "name", "quarantined")[:MOST]:
        title = f"{name} {'refuses everything and is in quarantine' if quarantined else 'cannot be reached'}"
        text = "Its changes wait and go out when it returns."
        yield FoundSubject(f"directory {pk}", title, text, f"/directories/directory/{pk}/change/")


def _unsafe() -> Iterator[FoundSubject]:
    kinds = registry()
    used = Directory.objects.filter(enabled=True, kind__in=kinds).order_by("pk")
    for pk, name, kind, settings in used.values_list("pk", "name", "kind", "settings"):
        for words in kinds[kind].cautions(settings or {})[:1]:
            title = f"The connection to {name} is not safe"
            yield FoundSubject(f"directory {pk}", title, words, f"/directories/directory/{pk}/change/")


def _waiting_imports() -> Iterator[FoundSubject]:
    waiting = ImportRun.objects.filter(status=RunStatus.APPROVAL).order_by("pk")
    for pk, name in waiting.values_list("pk", "directory__name")[:MOST]:
        title = f"An import of {name} waits for approval" if name else "A plan waits for approval"
        yield FoundSubject(f"run {pk}", title, "Approve or cancel what waits.", f"/provisioning/importrun/{pk}/change/")


def _held_changes() -> Iterator[FoundSubject]:
    return _held(Change, "for", "change")


def _held_groups() -> Iterator[FoundSubject]:
    return _held(GroupChange, "of groups for", "groupchange")


def _held(change: type[QueuedChange], words: str, page: str) -> Iterator[FoundSubject]:
    held = change._default_manager.filter(parked__isnull=False, parked_code=HELD).order_by()
    rows = held.values("directory_id", "directory__name").annotate(number=Count("pk"))
    for row in rows.order_by("directory_id")[:MOST]:
        path = f"/provisioning/{page}/?directory={row['directory_id']}"
        alone = row["number"] == 1
        number = "1 change" if alone else f"{row['number']:,} changes"
        title = f"{number} {words} {row['directory__name']} {'is' if alone else 'are'} held"
        yield FoundSubject(f"directory {row['directory_id']}", title, "Release or refuse them.", path)


def _awaited_settings() -> Iterator[FoundSubject]:
    for pk, name, actor in AwaitedSettings.objects.order_by("directory").values_list(
        "directory_id", "directory__name", "actor"
    )[:MOST]:
        text = f"{actor} asked for them. Somebody else has to agree, or refuse."
        if pk is None:
            yield FoundSubject("guard limits", "Guard limits wait for a second person", text, "/guard/doorlimits/")
            continue
        title = f"Settings of {name} wait for a second person"
        yield FoundSubject(f"directory {pk}", title, text, f"/directories/directory/{pk}/change/")


def _failed_imports() -> Iterator[FoundSubject]:
    ended = ImportRun.objects.filter(directory=OuterRef("pk"), status__in=[RunStatus.FINISHED, RunStatus.FAILED])
    newest = Directory.objects.order_by().values_list(Subquery(ended.order_by("-created_at").values("pk")[:1]))
    failed = ImportRun.objects.filter(pk__in=newest, status=RunStatus.FAILED).order_by("pk")
    for pk, directory_id, name in failed.values_list("pk", "directory_id", "directory__name")[:MOST]:
        text = "Its page says why and what to do."
        path = f"/provisioning/importrun/{pk}/change/"
        yield FoundSubject(f"directory {directory_id}", f"The last import of {name} failed", text, path)


def _left_open() -> Iterator[FoundSubject]:
    late = Q(changes__created_at__lte=timezone.now() - UNPROVEN) | Q(last_synced_at__lte=timezone.now() - UNPROVEN)
    some = Account.objects.filter(LEFT_OPEN).filter(late).order_by().values("pk")[:10_000]
    rows = Account.objects.filter(pk__in=some).values("directory_id", "directory__name").order_by("directory_id")
    for row in rows.annotate(number=Count("pk"))[:MOST]:
        number = row["number"]
        who = f"{number:,} people have left and still have accounts"
        if number == 1:
            who = "1 person has left and still has an account"
        path = f"/provisioning/user/?account=open&directory={row['directory_id']}"
        yield FoundSubject(
            f"directory {row['directory_id']}", f"{who} in {row['directory__name']}", "Close them there.", path
        )


def _unproven() -> Iterator[FoundSubject]:
    late = Receipt.objects.filter(status=ReceiptStatus.OPEN, learnt_at__lte=timezone.now() - LATE).order_by("pk")
    for receipt in late.prefetch_related("accounts")[:MOST]:
        accounts = list(receipt.accounts.all())
        waits = ", ".join(sorted({account.directory for account in accounts if not account.done}))
        text = f"Not seen closed yet: {waits}." if waits else "Everything is closed; the receipt is about to end."
        for one in accounts:
            if one.excepted:
                until = f" until {one.until:%Y-%m-%d}" if one.until else ""
                text += f" Left open in {one.directory}{until}: {one.owner} answers for it."
        title = f"{receipt} left at {timezone.localtime(receipt.learnt_at):%Y-%m-%d %H:%M} and is not proven closed"
        yield FoundSubject(f"receipt {receipt.pk}", title[:255], text, f"/receipts/receipt/{receipt.pk}/")


register(Cause("unproven", "Leavers unproven after 5 minutes", DANGER, "receipts.view_receipt", _unproven))
register(Cause("look_first", "The portal looks first", DANGER, "restore.view_helddirectory", _look_first))
register(Cause("left_open", "Leavers not proven closed", DANGER, "provisioning.view_account", _left_open))
register(Cause("unreachable", "Directories that cannot be reached", DANGER, "directories.view_directory", _unreachable))
register(Cause("unsafe", "Connections that are not safe", DANGER, "directories.view_directory", _unsafe))
register(Cause("failed_import", "Failed imports", DANGER, "provisioning.view_importrun", _failed_imports))
register(Cause("waiting_import", "Imports that wait", WARNING, "provisioning.view_importrun", _waiting_imports))
register(Cause("awaited_settings", "Settings that wait", WARNING, "directories.change_directory", _awaited_settings))
register(Cause("held_changes", "Changes that are held", WARNING, "provisioning.view_change", _held_changes))
register(
    Cause("held_groups", "Changes of groups that are held", WARNING, "provisioning.view_groupchange", _held_groups)
)

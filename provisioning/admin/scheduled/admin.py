"""The page "Scheduled": who is deleted where and when, and the buttons to cancel that or to do it now."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from directories.models import Directory
from provisioning import services
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.models import Change, ScheduledDeletion
from provisioning.models.people import fold
from provisioning.receipts.models import Receipt, ReceiptAccount

PAGE = 50
LAST = dt.date(9000, 1, 1)  # as good as any later day, and there is one after it
LIST = "admin:provisioning_scheduleddeletion_changelist"


class ScheduledForm(forms.Form):
    """Which deletions are listed."""

    q = forms.CharField(label="User name begins with", required=False, max_length=255)
    directory = forms.ModelChoiceField(
        Directory.objects.order_by("name"), required=False, empty_label="Every directory"
    )
    until = forms.DateField(label="Up to", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["q"].widget = UnfoldAdminTextInputWidget()
        self.fields["directory"].widget = UnfoldAdminSelectWidget(choices=self.fields["directory"].choices)  # type: ignore[attr-defined]
        self.fields["until"].widget = UnfoldAdminSingleDateWidget(attrs={"type": "date"})

    def chosen(self) -> QuerySet[ScheduledDeletion]:
        """Return what the filters let through."""
        found = ScheduledDeletion.objects.filter(delete_at__isnull=False)
        if term := fold(self.cleaned_data["q"]):
            found = found.filter(key_folded__startswith=term)
        if directory := self.cleaned_data["directory"]:
            found = found.filter(directory=directory)
        if until := self.cleaned_data["until"]:
            day = min(until, LAST) + dt.timedelta(days=1)
            end = timezone.make_aware(dt.datetime.combine(day, dt.time()))
            found = found.filter(delete_at__lt=end)
        return found


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """One account. ``held``: its time is over, and the guard waits for somebody's word."""

    account: ScheduledDeletion
    receipt: Receipt | None
    held: bool
    due: bool
    final: str

    @property
    def when(self) -> str:
        """In how many days that is."""
        at = self.account.delete_at
        days = (timezone.localdate(at) - timezone.localdate()).days if at else 0
        return {0: "today", 1: "tomorrow"}.get(days, f"in {days:,} days")


@admin.register(ScheduledDeletion)
class ScheduledDeletionAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """Deletions are scheduled by the portal alone; people cancel them, or let them be made now."""

    def get_urls(self) -> list[URLPattern]:
        """The list and its buttons."""
        view = self.admin_site.admin_view
        name = "provisioning_scheduleddeletion"
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("decide/", view(require_POST(self.decide_view)), name=f"{name}_decide"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of them, the next first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ScheduledForm(request.GET)
        found = form.chosen() if form.is_valid() else ScheduledDeletion.objects.none()
        accounts = list(_after(found, request.GET.get("after", ""))[: PAGE + 1])
        asked = {name: value for name, value in request.GET.items() if name in form.fields and value}
        last = accounts[PAGE - 1] if len(accounts) > PAGE else None
        place = f"{last.delete_at.isoformat()} {last.pk}" if last and last.delete_at else ""
        context = {
            **self.admin_site.each_context(request),
            "title": "Scheduled",
            "opts": self.opts,
            "form": form,
            "rows": _rows(accounts[:PAGE]),
            "asked": asked,
            "next_url": f"?{urlencode({**asked, 'after': place})}" if place else "",
            "first_url": f"?{urlencode(asked)}" if request.GET.get("after") else "",
            "may_change": self.has_change_permission(request),
            "zone": timezone.get_current_timezone_name(),
            **(extra_context or {}),
        }
        return render(request, "provisioning/scheduled/list.html", context)

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Cancel what is chosen, or delete it now; more than one is deleted when their number is typed."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = ScheduledForm(request.POST)
        asked = {name: value for name, value in request.POST.items() if name in form.fields and value}
        back = HttpResponseRedirect(f"{reverse(LIST)}?{urlencode(asked)}".rstrip("?"))
        found = form.chosen() if form.is_valid() else ScheduledDeletion.objects.none()
        if not request.POST.get("all"):
            ids = [pk for pk in request.POST.getlist("account") if pk.isdecimal() and len(pk) < 19]
            found = found.filter(pk__in=ids)
        if request.POST.get("decision") == "cancel":
            _say_cancelled(request, services.cancel_deletions(found, request.user.get_username()))
        elif request.POST.get("decision") == "delete":
            self._delete_now(request, found)
        return back

    def _delete_now(self, request: HttpRequest, found: QuerySet[ScheduledDeletion]) -> None:
        number = found.count()
        typed = request.POST.get("number", "").replace(",", "").strip()
        if number and typed != str(number):
            these = "this is 1 account" if number == 1 else f"these are {number:,} accounts"
            messages.error(request, f"A deletion cannot be undone, and {these}. Type {number} into the box to go on.")
        elif number:
            done = services.delete_accounts_now(found, request.user.get_username())
            messages.success(request, f"{_accounts(done)} deleted now. The provisioning report shows how it goes.")
        else:
            messages.warning(request, "Select the accounts first.")


def _say_cancelled(request: HttpRequest, number: int) -> None:
    if number:
        said = f"{_accounts(number)} not deleted any more, and stay disabled until the person returns."
        messages.success(request, said if number > 1 else said.replace("stay", "stays"))
    else:
        messages.warning(request, "Select the accounts first. What is being deleted just now cannot be cancelled.")


def _accounts(number: int) -> str:
    return "1 account is" if number == 1 else f"{number:,} accounts are"


def _after(found: QuerySet[ScheduledDeletion], place: str) -> QuerySet[ScheduledDeletion]:
    """Return what comes after a place of the list, in its order."""
    found = found.select_related("user", "directory").order_by("delete_at", "pk")
    moment, _, pk = place.partition(" ")
    try:
        at = dt.datetime.fromisoformat(moment)
    except ValueError:
        return found
    if not pk.isdecimal() or len(pk) > 18 or at.tzinfo is None:
        return found
    return found.filter(Q(delete_at__gt=at) | Q(delete_at=at, pk__gt=int(pk)))


def _rows(accounts: Sequence[ScheduledDeletion]) -> list[ScheduledRow]:
    """Return the rows with why they are there; the number of queries does not depend on theirs."""
    ids = [account.pk for account in accounts]
    receipts = ReceiptAccount.objects.filter(account_id__in=ids).select_related("receipt").order_by("pk")
    why = {row.account_id: row.receipt for row in receipts}
    held = set(Change.objects.filter(account__in=ids, parked__isnull=False).values_list("account_id", flat=True))
    final = services.final_deletions({account.directory_id for account in accounts})
    now = timezone.now()
    return [
        ScheduledRow(
            account=account,
            receipt=why.get(account.pk),
            held=account.pk in held,
            due=account.delete_at is not None and account.delete_at <= now,
            final=final.get(account.directory_id, ""),
        )
        for account in accounts
    ]

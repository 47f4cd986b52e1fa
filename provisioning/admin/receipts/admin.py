"""The list of leavers with their receipts, a receipt that follows what happens, and the comparison with HR's list."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from provisioning.admin.kept_by_portal import ReadOnly
from provisioning.admin.receipts import timeline
from provisioning.admin.receipts.compare import Comparison, UnreadableList, compare, read
from provisioning.admin.receipts.export import csv_lines
from provisioning.admin.receipts.form import ExceptionForm, HrForm, LeaversForm, quarter
from provisioning.admin.receipts.lines import lines_of
from provisioning.receipts import book
from provisioning.receipts.models import Receipt, ReceiptAccount, ReceiptStatus
from reports import evidence

PAGE = 50
SHOWN = 500


@admin.register(Receipt)
class ReceiptAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Receipts are written by the portal alone; people look at them, and answer for what stays open."""

    def get_urls(self) -> list[URLPattern]:
        """The list, its export, the comparison, and a receipt with the part of it that follows what happens."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="receipts_receipt_changelist"),
            path("export/", view(self.export_view), name="receipts_receipt_export"),
            path("compare/", view(self.compare_view), name="receipts_receipt_compare"),
            path("<int:receipt_id>/", view(self.receipt_view), name="receipts_receipt_change"),
            path("<int:receipt_id>/panel/", view(self.panel_view), name="receipts_receipt_panel"),
            path(
                "<int:receipt_id>/exception/",
                view(require_POST(self.exception_view)),
                name="receipts_receipt_exception",
            ),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the filters and a page of receipts."""
        self._require_view(request)
        form = LeaversForm(request.GET)
        rows: list[Receipt] = []
        most = 3 if request.GET.get("last") == "3" else PAGE
        if form.is_valid():
            before = request.GET.get("before", "")
            found = form.receipts()
            rows = list((found.filter(pk__lt=int(before)) if _is_number(before) else found)[: most + 1])
        asked = {name: value for name, value in request.GET.items() if name in {*form.fields, "last"} and value}
        more = len(rows) > most and most == PAGE
        today = timezone.localdate()
        context = {
            "title": "Leavers",
            "form": form,
            "lines": lines_of(rows[:most]),
            "filtered": bool(asked),
            "older_url": f"?{urlencode({**asked, 'before': rows[most - 1].pk})}" if more else "",
            "export_url": f"{reverse('admin:receipts_receipt_export')}?{urlencode(asked)}",
            "quarter_url": f"?{urlencode({'start': quarter(today).isoformat()})}",
            "last_three": most == 3,
            "poll": any(row.status == ReceiptStatus.OPEN for row in rows[:most]) and bool(request.GET.get("ids")),
            "zone": timezone.get_current_timezone_name(),
            **(extra_context or {}),
        }
        return self._page(request, "list", **context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the receipts of the search as CSV; a search that is not valid goes back to the page."""
        self._require_view(request)
        form = LeaversForm(request.GET)
        if not form.is_valid():
            return HttpResponseRedirect(f"{reverse('admin:receipts_receipt_changelist')}?{request.GET.urlencode()}")
        receipts, query = form.receipts(), form.words()
        if request.GET.get("last") == "3":
            newest = list(receipts.values_list("pk", flat=True)[:3])
            receipts, query = Receipt.objects.filter(pk__in=newest), f"last three of {query}"
        lines = csv_lines(receipts, query, request.user.get_username())
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        stamp = timezone.localtime().strftime("%Y-%m-%d-%H%M")
        response["Content-Disposition"] = f'attachment; filename="leavers-{stamp}.csv"'
        response["X-Accel-Buffering"] = "no"
        return response

    def compare_view(self, request: HttpRequest) -> TemplateResponse:
        """Compare HR's list with the receipts of a span, this quarter if none is given."""
        self._require_view(request)
        today = timezone.localdate()
        first = timezone.make_aware(dt.datetime.combine(quarter(today), dt.time()))
        form = HrForm(request.POST, request.FILES) if request.method == "POST" else HrForm()
        found: Comparison | None = None
        context: dict[str, Any] = {}
        if request.method == "POST" and form.is_valid():
            start = form.cleaned_data["start"] or first
            end = form.cleaned_data["end"] or timezone.now()
            try:
                lines = read(_text_of(form))
                found = compare(lines, start, end)
                context = {"count": len(lines), "start": start, "end": end}
            except UnreadableList as error:
                form.add_error(None, str(error))
        context |= {"form": form, "found": found, "shown": SHOWN, "zone": timezone.get_current_timezone_name()}
        stated = {"version": book.product_version(), "head": evidence.head(), "first": first}
        return self._page(request, "compare", title="Leavers against HR's list", **context, **stated)

    def receipt_view(self, request: HttpRequest, receipt_id: int) -> TemplateResponse:
        """Show one receipt."""
        return self._page(request, "receipt", **self._receipt_context(request, receipt_id))

    def panel_view(self, request: HttpRequest, receipt_id: int) -> TemplateResponse:
        """Show the part of it that changes until it has ended."""
        return self._page(request, "panel", **self._receipt_context(request, receipt_id))

    def exception_view(self, request: HttpRequest, receipt_id: int) -> HttpResponse:
        """Note that somebody answers for an account that stays open."""
        self._require_view(request)
        if not request.user.has_perm("provisioning.change_user"):
            raise PermissionDenied
        form = ExceptionForm(request.POST)
        receipt = get_object_or_404(Receipt, pk=receipt_id)
        if form.is_valid():
            values = form.cleaned_data
            row = get_object_or_404(ReceiptAccount, receipt=receipt, pk=values["account"])
            actor = request.user.get_username()
            if book.leave_open(row, values["reason"], values["owner"], values["until"], actor):
                messages.success(request, f"{row.directory} stays open until {values['until']}.")
            else:
                messages.info(request, "The account is closed by now, or the receipt has ended.")
        else:
            for label, errors in form.errors.items():
                messages.error(request, f"{label.capitalize()}: {' '.join(map(str, errors))}")
        return HttpResponseRedirect(reverse("admin:receipts_receipt_change", args=[receipt.pk]))

    def _receipt_context(self, request: HttpRequest, receipt_id: int) -> dict[str, Any]:
        self._require_view(request)
        receipt = get_object_or_404(Receipt, pk=receipt_id)
        [line] = lines_of([receipt])
        return {
            "title": f"Receipt of {receipt}",
            "line": line,
            "receipt": receipt,
            "poll": receipt.status == ReceiptStatus.OPEN,
            "may_except": receipt.status == ReceiptStatus.OPEN and request.user.has_perm("provisioning.change_user"),
            "exception": ExceptionForm(),
            "steps": timeline.steps_of(receipt),
            "zone": timezone.get_current_timezone_name(),
        }

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, f"provisioning/receipts/{name}.html", {**everywhere, **context})

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def _text_of(form: HrForm) -> str:
    upload = form.cleaned_data["file"]
    if upload is None:
        return str(form.cleaned_data["text"])
    if upload.size > 5 * 1024 * 1024:
        raise UnreadableList("The file is larger than 5 MB. Cut it into shorter spans of time.")
    data: bytes = upload.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19

"""The page "Changes of settings": who changed what of the configuration, when, before and after."""

import hashlib
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from directories.described.document import DocumentError
from provisioning.admin.configuration import put_back, restorers  # noqa: F401 - registers how things are put back
from provisioning.admin.configuration.lines import changed_values
from provisioning.admin.configuration.put_back import PutBack
from provisioning.admin.configuration.things import THINGS, Thing, address_of, named, of, seen_by, thing_of
from provisioning.admin.kept_by_portal import ReadOnly
from reports import versions
from reports.forms import MomentField
from reports.models import Evidence, EvidenceKind, KnownState
from reports.presentation import Viewer

PAGE = 50
TWO = "Choose two versions to compare."
CHANGED = "Something was changed meanwhile. Look again at what would be put back."
NUMBER = "This reaches {number:,}. Type {number} into the box."
NOT_A_TIME = {"invalid": "This is not a time. Write it like 2030-01-31 or 2030-01-31T14:30."}


class ChangesForm(forms.Form):
    """Filters of the list: of what, by whom, when, and of one thing alone; ``rows`` is valid after ``is_valid``."""

    what = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    who = forms.CharField(
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "User name", "autocomplete": "off"}),
    )
    start = MomentField(label="From", error_messages=NOT_A_TIME)
    end = MomentField(label="To", last=True, error_messages=NOT_A_TIME)
    subject = forms.CharField(required=False, max_length=255, widget=forms.HiddenInput)

    def __init__(self, data: Any, things: list[Thing]) -> None:
        super().__init__(data)
        self.things = {thing.begins.strip(): thing for thing in things}
        choices = [("", "Everything"), *((name, thing.title) for name, thing in self.things.items())]
        what = self.fields["what"]
        assert isinstance(what, forms.ChoiceField)
        what.choices = choices

    def rows(self) -> "QuerySet[Evidence]":
        """Return the changes, the newest first; of nothing that the person may not see."""
        values = self.cleaned_data
        found = Evidence.objects.filter(kind=EvidenceKind.CONFIGURATION).order_by("-seq")
        if values["what"]:
            found = found.filter(of([self.things[values["what"]]]))
        elif len(self.things) < len(THINGS):
            found = found.filter(of(self.things.values()))
        if values["subject"]:
            found = found.filter(subject__in=named(values["subject"]))
        if values["who"].strip():
            found = found.filter(actor=values["who"].strip())
        if values["start"]:
            found = found.filter(at__gte=values["start"])
        if values["end"]:
            found = found.filter(at__lt=values["end"])
        return found


@admin.register(Evidence)
class ChangesAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """A page to search and read; the chain is written by the portal alone.

    Whoever may change a thing sees its history too, and may put a version back; auditors look.
    """

    def get_urls(self) -> list[URLPattern]:
        """The list, two versions side by side, and putting one back: a row has no page."""
        wrap, name = self.admin_site.admin_view, "reports_evidence"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("compare/", wrap(self.compare_view), name=f"{name}_compare"),
            path("<int:seq>/put-back/", wrap(self.put_back_view), name=f"{name}_put_back"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the filters and a page of changes."""
        subject = request.GET.get("subject", "")
        thing = thing_of(subject)
        if not self.has_view_permission(request) and (thing is None or not thing.may_see(request.user)):
            raise PermissionDenied
        form = ChangesForm(request.GET, seen_by(request.user))
        rows: list[Evidence] = []
        if form.is_valid():
            before = request.GET.get("before", "")
            found = form.rows()
            if before.isascii() and before.isdecimal() and len(before) < 19:
                found = found.filter(seq__lt=int(before))
            rows = list(found[: PAGE + 1])
        asked = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
        whole = thing is not None and thing.whole
        context = {
            **self.admin_site.each_context(request),
            "title": "Changes of settings",
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "lines": [_line(row, request.user) for row in rows[:PAGE]],
            "filtered": bool(asked),
            "everything": f"?{urlencode({key: value for key, value in asked.items() if key != 'subject'})}",
            "older_url": f"?{urlencode({**asked, 'before': rows[PAGE - 1].seq})}" if len(rows) > PAGE else "",
            "zone": timezone.get_current_timezone_name(),
            "versions": whole and len(rows) > 1,
            "puts_back": whole and thing is not None and put_back.can(thing.begins) and thing.may_change(request.user),
            "newest": _newest(subject) if whole else 0,
            "sees_all": self.has_view_permission(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "provisioning/configuration/list.html", context)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """Show what differs between two versions of one thing."""
        self._require(request)
        numbers = sorted({_number(request.GET.get(name, "")) for name in ("one", "other")})
        rows = [self._version(request, seq) for seq in numbers]
        if len({_present(row.subject) for row in rows}) > 1:
            raise Http404("These are versions of two things.")
        subject = _present(rows[-1].subject)
        if len(rows) < 2:
            messages.warning(request, TWO)
            return HttpResponseRedirect(address_of(subject))
        states = versions.states(versions.history(named(subject)), numbers)
        thing = thing_of(subject)
        assert thing is not None
        context = {
            **self.admin_site.each_context(request),
            "title": "Two versions",
            "opts": self.opts,
            "rows": rows,
            "values": list(changed_values(versions.differences(*(states[seq] for seq in numbers)))),
            "thing": thing,
            "name": _name(states[numbers[-1]] or states[numbers[0]]),
            "url": thing.url(subject) if request.user.has_perm(thing.permission) else "",
            "history": address_of(subject),
            "put_back": rows[0] if put_back.can(thing.begins) and thing.may_change(request.user) else None,
        }
        return TemplateResponse(request, "provisioning/configuration/compare.html", context)

    def put_back_view(self, request: HttpRequest, seq: int) -> HttpResponse:
        """Show what putting a version back changes, and do it when that was confirmed."""
        self._require(request)
        row = self._version(request, seq)
        subject = _present(row.subject)
        thing = thing_of(subject)
        if thing is None or not put_back.can(thing.begins):
            raise Http404("This cannot be put back.")
        if not thing.may_change(request.user):
            raise PermissionDenied
        row.subject = subject
        history, actor = address_of(subject), request.user.get_username()
        try:
            found = put_back.put_back(row, thing.begins, actor=actor, check=True)
        except DocumentError as error:
            messages.error(request, " ".join(problem.message for problem in error.problems))
            return HttpResponseRedirect(history)
        if request.method == "POST" and self._done(request, row, thing, found):
            return HttpResponseRedirect(history)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Put back the version of {timezone.localtime(row.at):%Y-%m-%d %H:%M}",
            "opts": self.opts,
            "row": row,
            "found": found,
            "token": _token(found),
            "thing": thing,
            "history": history,
        }
        return TemplateResponse(request, "provisioning/configuration/put_back.html", context)

    def _done(self, request: HttpRequest, row: Evidence, thing: Thing, found: PutBack) -> bool:
        """Put back what was shown; False where that is something else by now, or the number is wrong."""
        if request.POST.get("confirmed") != _token(found):
            messages.error(request, CHANGED)
            return False
        if found.over and request.POST.get("number", "").replace(",", "").strip() != str(found.reached):
            messages.error(request, NUMBER.format(number=found.reached))
            return False
        try:
            done = put_back.put_back(
                row, thing.begins, actor=request.user.get_username(), check=False, reached=found.reached
            )
        except DocumentError:
            messages.error(request, CHANGED)
            return False
        messages.success(request, f"It is as it was on {timezone.localtime(row.at):%Y-%m-%d %H:%M}.")
        for warning in done.warnings:
            messages.warning(request, warning)
        return True

    def _require(self, request: HttpRequest) -> None:
        """Raise PermissionDenied for somebody who sees the history of nothing."""
        if not seen_by(request.user):
            raise PermissionDenied

    def _version(self, request: HttpRequest, seq: int) -> Evidence:
        """Return a row whose thing the person may see."""
        row = get_object_or_404(Evidence, seq=seq, kind=EvidenceKind.CONFIGURATION)
        thing = thing_of(row.subject)
        if thing is None or not thing.may_see(request.user):
            raise PermissionDenied
        if not thing.whole:
            raise Http404("These rows do not tell all of a thing.")
        return row


def object_history(request: HttpRequest, app: str, model: str, object_id: str) -> HttpResponse:
    """Lead from Django's address of the history of an object to the one that the portal keeps."""
    page = f"{app}_{model}_change"
    pages = {(one._meta.app_label, one._meta.model_name): found for one, found in admin.site._registry.items()}
    mine = pages.get((app, model))
    if mine is None:
        raise Http404("There is no such page.")
    thing = next((one for one in THINGS if one.is_about(page)), None)
    if thing is None:
        if type(mine).history_view is not DjangoModelAdmin.history_view:
            return mine.history_view(request, object_id)
        if not mine.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect("../change/")
    if not thing.may_see(request.user):
        raise PermissionDenied
    number = int(object_id) if object_id.isascii() and object_id.isdecimal() and len(object_id) < 19 else 0
    name = (
        object_id if thing.by == "pk" else getattr(mine.model._default_manager.filter(pk=number).first(), thing.by, "")
    )
    return HttpResponseRedirect(address_of(f"{thing.begins}{name}"))


def _line(row: Evidence, viewer: Viewer) -> dict[str, Any]:
    thing = thing_of(row.subject)
    return {
        "row": row,
        "what": row.payload["what"],
        "by": row.actor,
        "first": row.payload.get("first", False),
        "values": list(changed_values(row.payload["changes"])),
        "put_back": row.payload.get("put back"),
        "title": thing.title if thing else "",
        "url": thing.url(row.subject) if thing and viewer.has_perm(thing.permission) else "",
        "same": f"?{urlencode({'subject': row.subject})}",
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _present(subject: str) -> str:
    """Return the subject by which a thing is known now."""
    return KnownState.objects.filter(former=subject).values_list("subject", flat=True).first() or subject


def _newest(subject: str) -> int:
    """Return the number of the newest row about a thing, 0 for none."""
    return (
        Evidence.objects.filter(subject__in=named(subject)).order_by("-seq").values_list("seq", flat=True).first() or 0
    )


def _name(state: versions.State) -> str:
    return str(state.get("name") or state.get("label") or "")


def _token(found: PutBack) -> str:
    """Return what stands for what was shown."""
    shown = ([str(one) for one in found.values], found.kept, found.impacts, found.over)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]

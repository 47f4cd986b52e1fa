"""The pages behind "Why", "As of a date" and "Provision on demand" of a user, and of groups and departments."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from directories.models import Directory
from provisioning import reach
from provisioning.history import past, what_if, why
from provisioning.models import Group, User
from provisioning.models.people import fold
from provisioning.services import on_demand
from reports.forms import MomentField
from reports.models import Event
from reports.presentation import report_lines

TRIED = 3  # attributes that one "what if" changes
WHAT = [("user", "User"), ("group", "Group"), ("department", "Department")]
NOBODY = "The report knows nobody of this user name. Write it as it was then."


class PastForm(forms.Form):
    """What, as of when, and perhaps a second moment to compare with."""

    what = forms.ChoiceField(choices=WHAT, widget=forms.Select(attrs={"class": "rc-select"}))
    name = forms.CharField(label="User name, group or department", widget=UnfoldAdminTextInputWidget())
    at = MomentField(label="As of")
    to = MomentField(label="Compared with (left blank: now)")

    def clean_at(self) -> dt.datetime:
        """Ask for a moment."""
        at: dt.datetime | None = self.cleaned_data.get("at")
        if at is None:
            raise forms.ValidationError("Choose a date.")
        return at


class UserHistory(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the pages' addresses."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses; the page of the past is about users that are gone, groups and departments too."""

        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"provisioning_user_{name}")

        return [
            page("as-of/", self.past_view, "past"),
            page("<path:object_id>/why/", self.why_view, "why"),
            page("<path:object_id>/on-demand/<int:directory_id>/", self.on_demand_view, "on_demand"),
            *super().get_urls(),
        ]

    def why_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Explain the user; ``group`` asks about one group, and attributes in the address ask "what if"."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET"])
        user = self._user(request, object_id)
        answer = why.explain(user)
        sees_groups = request.user.has_perm("provisioning.view_group")
        group = request.GET.get("group", "").strip() if sees_groups else ""
        found = Group.objects.select_related("owner").filter(name_key=fold(group)).first() if group else None
        asked = why.why_not_in_group(user, found) if found else None
        tried, problems, effects = _what_if(request, user)
        events = [one.line for one in [*answer.attributes, *answer.groups, *answer.accounts] if one.line]
        shown = {line.event.pk: line for line in report_lines(events, request.user)}
        context = {
            "title": f"Why? {user}",
            "original": user,
            "answer": answer,
            "sections": [
                ("Attributes", "Attribute", _rows(answer.attributes, shown)),
                *([("Groups", "Group", _rows(answer.groups, shown))] if sees_groups else []),
                ("Accounts", "Directory", _rows(answer.accounts, shown)),
            ],
            "sees_groups": sees_groups,
            "group": group,
            "group_unknown": bool(group and not found),
            "asked": asked,
            "asked_rows": _rows([asked], {}) if asked else [],
            "choices": what_if.choices(),
            "tried": tried,
            "problems": problems,
            "effects": effects,
        }
        return self._page(request, "why", context)

    def past_view(self, request: HttpRequest) -> HttpResponse:
        """Show a user, a group or a department as of a date, and what differs from a later one."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET"])
        self._may_look(request, None)
        form = PastForm(request.GET if request.GET else None)
        context: dict[str, Any] = {"title": "As of a date", "form": form, "never": past.NEVER}
        if form.is_valid():
            what, name = form.cleaned_data["what"], form.cleaned_data["name"].strip()
            if what == "group" and not request.user.has_perm("provisioning.view_group"):
                raise PermissionDenied
            at, to = form.cleaned_data["at"], form.cleaned_data["to"] or timezone.now()
            looked = _look_back(what, name, at, max(to, at))
            if looked is None:
                form.add_error("name", NOBODY if what == "user" else f"There is no {what} of this name.")
            else:
                context |= _pair(*looked, what=what, at=at, to=form.cleaned_data["to"])
                context["sees_groups"] = request.user.has_perm("provisioning.view_group")
        return self._page(request, "past", context)

    def on_demand_view(self, request: HttpRequest, object_id: str, directory_id: int) -> HttpResponse:
        """Look the account up and show the five steps; a POST does what they say, to this account alone."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        user = self._user(request, object_id)
        may_do = request.user.has_perm("provisioning.change_change")
        if request.method == "POST" and not may_do:
            raise PermissionDenied
        directory = get_object_or_404(Directory, pk=directory_id)
        done = None
        if request.method == "POST":
            done = on_demand.do_it(user, directory, request.user.get_username())
        context = {
            "title": f"{user} in {directory}",
            "original": user,
            "directory": directory,
            "looked": on_demand.look(user, directory),
            "done": done,
            "lines": report_lines(done.lines, request.user) if done else [],
            "may_do": may_do,
        }
        return self._page(request, "on_demand", context)

    def _user(self, request: HttpRequest, object_id: str) -> User:
        self._may_look(request, None)
        seen = reach.people(request.user, reach.SEE).select_related("manager")
        user: User | None = seen.filter(pk=_number(unquote(object_id))).first()
        if user is None:
            raise Http404("There is no such user.")
        self._may_look(request, user)
        return user

    def _may_look(self, request: HttpRequest, user: User | None) -> None:
        if not self.has_view_permission(request, user) or not request.user.has_perm("reports.view_event"):
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> TemplateResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"provisioning/history/{name}.html", {**everywhere, **context})


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _rows(reasons: list[Any], shown: dict[int, Any]) -> list[dict[str, Any]]:
    """Return the reasons with what leads to their lines and runs."""
    found = []
    for one in reasons:
        line = shown.get(one.line.pk) if one.line else None
        found.append({"reason": one, "run_url": line.run_url if line else "", "line_url": _line_url(one.line)})
    return found


def _line_url(event: Event | None) -> str:
    """Return the address of the report at the line's minute."""
    if event is None:
        return ""
    minute = timezone.localtime(event.at).strftime("%Y-%m-%dT%H:%M")
    return f"{reverse('admin:reports_event_changelist')}?user_id={event.user_id or ''}&from={minute}&to={minute}"


def _what_if(request: HttpRequest, user: User) -> tuple[list[tuple[str, str]], list[str], list[Any]]:
    """Return the values that were tried, what is wrong with them, and what each directory would get of them."""
    names, values = request.GET.getlist("attribute"), request.GET.getlist("value")
    tried = [(name, value) for name, value in zip(names, values, strict=False) if name][:TRIED]
    switched = [(name, request.GET[name]) for name in (what_if.ACTIVE, what_if.PROVISIONED) if request.GET.get(name)]
    if not tried and not switched:
        return tried, [], []
    before = what_if.effects(user)
    imagined = User.objects.select_related("manager").get(pk=user.pk)
    problems = what_if.apply(imagined, dict([*tried, *switched]))
    effects = [] if problems else what_if.differences(before, what_if.effects(imagined))
    return tried, problems, effects


def _look_back(what: str, name: str, at: dt.datetime, to: dt.datetime) -> tuple[past.Past, past.Past] | None:
    """Return the two moments of what has the name; None when nothing has."""
    if what == "department":
        return past.department(name, at), past.department(name, to)
    if what == "group":
        number = _group_id(name)
        return (past.group(number, at), past.group(number, to)) if number else None
    number = _user_id(name)
    return (past.user(number, at), past.user(number, to)) if number else None


def _user_id(name: str) -> int | None:
    """Return who has the user name, or who had it last."""
    if pk := User.objects.filter(username_key=fold(name)).values_list("pk", flat=True).first():
        return int(pk)
    lines = Event.objects.filter(identifier_key=fold(name)[:255], user_id__isnull=False).order_by("-at", "-id")
    return lines.values_list("user_id", flat=True).first()


def _group_id(name: str) -> int | None:
    if pk := Group.objects.filter(name_key=fold(name)).values_list("pk", flat=True).first():
        return int(pk)
    lines = Event.objects.filter(identifier_key=fold(name)[:255], group_id__isnull=False, user_id__isnull=True)
    return lines.order_by("-at", "-id").values_list("group_id", flat=True).first()


def _pair(before: past.Past, after: past.Past, *, what: str, at: dt.datetime, to: dt.datetime | None) -> dict[str, Any]:
    members = list(before.members.items())
    return {
        "past": before,
        "what": what,
        "at": at,
        "to": to,
        "members": members[: past.SHOWN],
        "more": max(0, len(members) - past.SHOWN),
        "differences": past.compare(before, after)[: past.SHOWN],
        "unknown": list(dict.fromkeys([*before.unknown, *after.unknown])),
    }

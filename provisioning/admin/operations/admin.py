"""The page "Failed and waiting": what waits, what needs someone, why, and the buttons to try it again.

It has two lists, of users' accounts and of groups.
"""

from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from directories.models import Directory
from provisioning import services
from provisioning.admin.kept_by_portal import KeptByPortal
from provisioning.admin.operations import lists
from provisioning.admin.operations.lists import CauseGroup, ChangePage
from provisioning.models import Change, GroupChange
from provisioning.models.outbox import QueuedChange
from provisioning.outbound.kinds import KINDS

RELEASE, REFUSE = "release", "refuse"
WAITING = "waiting"  # the list of changes that wait, in the place of a cause's code


class OperationsAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """Changes are made by the portal alone; people look at them and let them be tried again."""

    changes: ClassVar[type[QueuedChange]]

    def get_urls(self) -> list[URLPattern]:
        """The list and its buttons; a single change has no page, because the list shows all of it."""
        wrap, name = self.admin_site.admin_view, f"provisioning_{self.opts.model_name}"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("retry/", wrap(require_POST(self.retry_view)), name=f"{name}_retry"),
            path("try/", wrap(require_POST(self.try_view)), name=f"{name}_try"),
            path("decide/", wrap(require_POST(self.decide_view)), name=f"{name}_decide"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the groups, and the changes of the chosen one; of the only one if there is just one to see to."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        directory_id = _number(request.GET.get("directory"))
        parked = list(lists.parked(self.changes, directory_id))
        waiting = list(lists.waiting(self.changes, directory_id))
        chosen = _chosen(request, parked, waiting)
        after = _number(request.GET.get("after"))
        changes = lists.page(chosen, after or 0) if chosen else ChangePage([], 0)
        closed = list(lists.unreachable(directory_id))
        leavers = lists.leavers_waiting(closed)
        context = {
            **self.admin_site.each_context(request),
            "title": "Failed and waiting",
            "opts": self.opts,
            "unreachable": [(one, leavers.get(one.pk, 0)) for one in closed],
            "parked": [(group, _url(group), group == chosen) for group in parked],
            "waiting": [(group, _url(group), group == chosen) for group in waiting],
            "chosen": chosen,
            "changes": changes.changes,
            "first_url": _url(chosen) if chosen and after else "",
            "next_url": f"{_url(chosen)}&after={changes.after}" if chosen and changes.after else "",
            "only": Directory.objects.filter(pk=directory_id).first() if directory_id else None,
            "may_retry": self.has_change_permission(request),
            "list_url": _list_url(self.changes),
            "retry_url": _list_url(self.changes) + "retry/",
            "decide_url": _list_url(self.changes) + "decide/",
            "held": services.HELD,
            "of_groups": self.changes is GroupChange,
            "lists": self._lists(request),
            **(extra_context or {}),
        }
        return render(request, "provisioning/operations/list.html", context)

    def retry_view(self, request: HttpRequest) -> HttpResponse:
        """Try one change, the selected ones, or all of one cause again."""
        self._require_change(request)
        actor = request.user.get_username()
        if request.POST.get("all"):
            directory = get_object_or_404(Directory, pk=_number(request.POST.get("directory")) or 0)
            number = services.retry_cause(self.changes, directory.pk, request.POST.get("parked_code", ""), actor)
        else:
            wanted = [request.POST["one"]] if request.POST.get("one") else request.POST.getlist("change")
            number = services.retry(self._chosen(wanted), actor)
        if number:
            messages.success(request, f"{_changes(number)} tried again now. The provisioning report shows how it went.")
        elif request.POST.get("one") or request.POST.get("all") or request.POST.getlist("change"):
            messages.info(request, "Nothing was left to try: it has been done in the meantime.")
        else:
            messages.warning(request, "Select the changes to try again first.")
        return HttpResponseRedirect(_back(request, self.changes))

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Release or refuse held changes: one, the selected ones, or all of a directory; several need their number."""
        self._require_change(request)
        directory = get_object_or_404(Directory, pk=_number(request.POST.get("directory")) or 0)
        held = services.held_changes(self.changes, directory.pk)
        decision, wanted = request.POST.get("decision"), request.POST.getlist("change")
        for name in (RELEASE, REFUSE):
            if one := request.POST.get(f"{name}_one"):
                decision, wanted = name, [one]
        if not request.POST.get("all") or wanted != request.POST.getlist("change"):
            held = held.filter(pk__in=[pk for pk in map(_number, wanted) if pk])
        number, actor = held.count(), request.user.get_username()
        if self.changes is Change:  # a row stands for all that is held of its account
            held = services.held_changes(Change, directory.pk).filter(account__in=held.values("account"))
        if not number:
            messages.warning(request, "Select the changes to decide about first.")
        elif number > 1 and _number(request.POST.get("number")) != number:
            messages.error(request, f"These are {number:,} changes. Type {number} into the box to decide about them.")
        elif decision == RELEASE:
            services.release(held, actor)
            messages.success(request, f"{_changes(number)} made now. The provisioning report shows how it went.")
        elif decision == REFUSE:
            services.refuse(held, actor)
            messages.success(request, f"Refused. {directory.name} keeps what it would have lost.")
        return HttpResponseRedirect(_back(request, self.changes))

    def try_view(self, request: HttpRequest) -> HttpResponse:
        """Ask an unreachable directory now instead of at its next trial."""
        self._require_change(request)
        directory = get_object_or_404(Directory, pk=_number(request.POST.get("directory")) or 0)
        services.try_directory(directory)
        messages.success(request, f"{directory.name} is being tried now. Reload this page in a moment.")
        return HttpResponseRedirect(_back(request, self.changes))

    def _require_change(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied

    def _chosen(self, wanted: Iterable[str]) -> QuerySet[Any]:
        return self.changes._default_manager.filter(pk__in=[pk for pk in map(_number, wanted) if pk])

    def _lists(self, request: HttpRequest) -> list[tuple[str, str, bool]]:
        """Return label, address and whether it is this one of the lists to choose from: those with anything in them."""
        shown = [
            kind
            for kind in KINDS
            if request.user.has_perm(f"provisioning.view_{kind.change._meta.model_name}")
            and (kind is KINDS[0] or kind.change is self.changes or lists.anything(kind.change))
        ]
        if len(shown) < 2:
            return []
        return [(kind.label, _list_url(kind.change), kind.change is self.changes) for kind in shown]


@admin.register(Change)
class ChangeAdmin(OperationsAdmin):
    """The changes of users' accounts."""

    changes = Change


@admin.register(GroupChange)
class GroupChangeAdmin(OperationsAdmin):
    """The changes of groups."""

    changes = GroupChange


def _chosen(request: HttpRequest, parked: list[CauseGroup], waiting: list[CauseGroup]) -> CauseGroup | None:
    code = request.GET.get("parked_code")
    if code is not None:
        return next((group for group in parked if group.code == code), None)
    if request.GET.get("list") == WAITING:
        return waiting[0] if waiting else None
    return parked[0] if len(parked) == 1 else None


def _url(group: CauseGroup) -> str:
    query = {"directory": group.directory.pk, **({"parked_code": group.code} if group.code else {"list": WAITING})}
    return f"{_list_url(group.of)}?{urlencode(query)}"


def _list_url(of: type[QueuedChange]) -> str:
    return reverse(f"admin:provisioning_{of._meta.model_name}_changelist")


def _back(request: HttpRequest, of: type[QueuedChange]) -> str:
    """Return the list as it was; only our own parameters are taken over."""
    kept = {name: request.POST[name] for name in ("directory", "parked_code") if request.POST.get(name)}
    return f"{_list_url(of)}?{urlencode(kept)}".rstrip("?")


def _changes(number: int) -> str:
    return "1 change is" if number == 1 else f"{number:,} changes are"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None

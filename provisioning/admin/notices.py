"""The page "Notices": what is open and what was, and how each person wants to be told."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning.admin.kept_by_portal import ReadOnly
from provisioning.models import User
from provisioning.notices import leavers
from provisioning.notices.causes import CAUSES, Cause
from provisioning.notices.models import Choice, How, ManagerMails, Notice
from provisioning.notices.watch import usual
from reports.paging import CappedPaginator

STATES = {"Open": "danger", "Waits": "warning", "Over": "success"}


@admin.register(Notice)
class NoticeAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Notices open and close by themselves; people read those of what they may see."""

    list_display = ("state", "what", "opened", "times", "ended")
    list_display_links = None
    list_per_page = 50
    show_add_link = False
    when_empty = "Nothing had to be noticed yet."
    counted_as = "notices"
    paginator = CappedPaginator
    show_full_result_count = False
    actions = None
    list_before_template = "provisioning/notices/before.html"

    def get_urls(self) -> list[URLPattern]:
        """The list and the page of a person's choices."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="notices_notice_changelist"),
            path("choices/", wrap(self.choices_view), name="notices_notice_choices"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Roles say who may open the list, which shows nothing that the person may not know of."""
        return bool(request.user.has_perm("notices.view_notice"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        """Show the notices of what the person may see."""
        return Notice.objects.filter(cause__in=[cause.name for cause in _causes(request)])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Call the page by what it shows."""
        response: HttpResponse = super().changelist_view(request, {"title": "Notices", **(extra_context or {})})
        return response

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, notice: Notice) -> str:
        """Return whether it is open."""
        if notice.closed_at:
            return "Over"
        return "Open" if notice.level == "danger" else "Waits"

    @display(description="What")  # type: ignore[untyped-decorator]
    def what(self, notice: Notice) -> str:
        """Return what it is, which leads to the page to look at while it is open."""
        if notice.path and not notice.closed_at:
            return format_html('<a class="text-link" href="{}">{}</a>', notice.path, notice.title)
        return notice.title

    @display(description="Since", ordering="opened_at")  # type: ignore[untyped-decorator]
    def opened(self, notice: Notice) -> str:
        """Return when it was found first."""
        return timezone.localtime(notice.opened_at).strftime("%Y-%m-%d %H:%M")

    @display(description="Until", ordering="closed_at")  # type: ignore[untyped-decorator]
    def ended(self, notice: Notice) -> str:
        """Return when it was over."""
        return timezone.localtime(notice.closed_at).strftime("%Y-%m-%d %H:%M") if notice.closed_at else ""

    def choices_view(self, request: HttpRequest) -> HttpResponse:
        """Let a person choose what they are told of, and how."""
        person = request.user
        if not self.has_view_permission(request) or not isinstance(person, User):
            raise PermissionDenied
        causes = _causes(request)
        may_switch = request.user.has_perm("notices.change_managermails")
        if request.method == "POST" and "managers" in request.POST:
            if not may_switch:
                raise PermissionDenied
            leavers.switch(person.get_username(), on=request.POST["managers"] == "on")
            messages.success(request, "Saved. It holds for whoever leaves from now on.")
            return HttpResponseRedirect(reverse("admin:notices_notice_choices"))
        if request.method == "POST":
            chosen = [
                Choice(person=person, cause=cause.name, how=how)
                for cause in causes
                if (how := request.POST.get(cause.name, "")) in How.values
            ]
            Choice.objects.bulk_create(
                chosen, update_conflicts=True, unique_fields=["person", "cause"], update_fields=["how"]
            )
            messages.success(request, "Your choices are saved.")
            return HttpResponseRedirect(reverse("admin:notices_notice_choices"))
        known = dict(Choice.objects.filter(person=person).values_list("cause", "how"))
        context = {
            **self.admin_site.each_context(request),
            "title": "What I am told of",
            "opts": self.opts,
            "rows": [(cause, known.get(cause.name, usual(cause))) for cause in causes],
            "hows": How.choices,
            "address": person.email,
            "mail_on": bool(settings.EMAIL_HOST),
            "may_switch": may_switch,
            "managers_told": may_switch and ManagerMails.objects.filter(on=True).exists(),
        }
        return render(request, "provisioning/notices/choices.html", context)


def _causes(request: HttpRequest) -> list[Cause]:
    """Return the causes that the person may know of."""
    return [cause for cause in CAUSES.values() if request.user.has_perm(cause.permission)]

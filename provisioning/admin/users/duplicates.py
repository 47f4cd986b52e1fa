"""The page "Duplicates": users who may be one person, and merging two of them after a look at what that does."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from provisioning import services
from provisioning.admin.users.actions import say_result
from provisioning.imports.doors import duplicates
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.recycle.models import DeletedUser
from provisioning.requests.merging import requests_of

LATELY = 20  # merges that the page lists
NOBODY = "Nobody in the portal has this user name."


class MergeForm(forms.Form):
    """Who goes and who stays, by their user names."""

    goes = forms.CharField(label="This user", max_length=255, widget=UnfoldAdminTextInputWidget())
    stays = forms.CharField(label="is also, and becomes", max_length=255, widget=UnfoldAdminTextInputWidget())

    def clean_goes(self) -> User:
        """Find who goes."""
        return _named(self.cleaned_data["goes"])

    def clean_stays(self) -> User:
        """Find who stays."""
        return _named(self.cleaned_data["stays"])


class UserDuplicates(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the two pages' addresses."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses."""
        wrap = self.admin_site.admin_view
        return [
            path("duplicates/", wrap(self.duplicates_view), name="provisioning_user_duplicates"),
            path("merge/", wrap(self.merge_view), name="provisioning_user_merge"),
            *super().get_urls(),
        ]

    def duplicates_view(self, request: HttpRequest) -> HttpResponse:
        """List users who may be one person, and who was merged lately."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET"])
        self._may_merge(request)
        asked = {"goes", "stays"} & request.GET.keys()
        form = MergeForm(request.GET if asked else None)
        if asked and form.is_valid():
            return HttpResponseRedirect(_to_merge(form.cleaned_data["goes"], form.cleaned_data["stays"]))
        by = request.GET.get("by", "")
        by = by if by in duplicates.KEYS else next(iter(duplicates.KEYS))
        merged = DeletedUser.objects.filter(merged_into__isnull=False, restored_at=None).defer("image")
        lately = list(merged.order_by("-pk")[:LATELY])
        into = User.objects.in_bulk({row.merged_into for row in lately})
        found = duplicates.find(by, request.GET.get("after", "")[:600].replace("\0", ""))
        context = {
            "title": "Duplicates",
            "form": form,
            "by": by,
            "kinds": [(key, label) for key, (label, _, _) in duplicates.KEYS.items()],
            "groups": [(one, _pairs(one.people)) for one in found.groups],
            "next": urlencode({"by": by, "after": found.after}) if found.after else "",
            "first": "after" not in request.GET,
            "lately": [(row, into.get(row.merged_into or 0)) for row in lately],
            "may_split": request.user.has_perms(["recycle.change_deleteduser", "provisioning.add_user"]),
        }
        return self._shown(request, "duplicates", context)

    def merge_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a merge does; a POST does it."""
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        self._may_merge(request)
        form = MergeForm(request.POST if request.method == "POST" else request.GET)
        if not form.is_valid():
            for name in form.errors:
                messages.error(request, f"{form.fields[name].label}: {form.errors[name][0]}")
            return HttpResponseRedirect(reverse("admin:provisioning_user_duplicates"))
        goes, stays = form.cleaned_data["goes"], form.cleaned_data["stays"]
        problem = ""
        if request.method == "POST":
            try:
                result = services.merge_by_plan(goes, stays, request.user.get_username())
            except services.ImportRefused as refused:
                problem = str(refused)
            else:
                return self._merged(request, goes, stays, result)
        context = {
            "title": f"Merge {goes} into {stays}",
            "seen": services.merge_preview(goes, stays),
            "requests": requests_of(goes, stays).count(),
            "problem": problem,
            "other_way": _to_merge(stays, goes),
        }
        return self._shown(request, "merge", context)

    def _merged(self, request: HttpRequest, goes: User, stays: User, result: services.AppliedNow) -> HttpResponse:
        if result.run.errors:
            messages.error(
                request, " ".join(result.run.planned_changes.filter(action="error").values_list("message", flat=True))
            )
            return HttpResponseRedirect(reverse("admin:provisioning_user_duplicates"))
        say_result(request, result, f"{goes} was merged into {stays}. Directories follow in the background.")
        if result.waits:
            return HttpResponseRedirect(reverse("admin:provisioning_importrun_change", args=[result.run.pk]))
        return HttpResponseRedirect(reverse("admin:provisioning_user_change", args=[stays.pk]))

    def _may_merge(self, request: HttpRequest) -> None:
        if not (self.has_change_permission(request) and self.has_delete_permission(request)):
            raise PermissionDenied

    def _shown(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"provisioning/user/{name}.html", {**common, **context})


def _named(username: str) -> User:
    user = User.objects.select_related("manager").filter(username_key=fold(username)).first()
    if user is None:
        raise forms.ValidationError(NOBODY)
    return user


def _to_merge(goes: User, stays: User) -> str:
    address = reverse("admin:provisioning_user_merge")
    return f"{address}?{urlencode({'goes': goes.username, 'stays': stays.username})}"


def _pairs(people: Any) -> list[tuple[User, str]]:
    """Return the people of a group with the way to merge each into the first; an active one goes before the others."""
    first = next((one for one in people if one.is_active), people[0])
    return [
        (one, "" if one is first else _to_merge(one, first)) for one in sorted(people, key=lambda one: one is not first)
    ]

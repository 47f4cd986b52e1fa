"""Renaming a user: first what that does in every directory, and then the name itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from provisioning import services, usernames
from provisioning.models import Account, User
from provisioning.models.people import fold


@dataclass(frozen=True, slots=True)
class RenameEffect:
    """What a new name does in one directory, in words; ``changes`` are its attributes before and after."""

    directory: str
    words: str
    changes: tuple[str, ...] = ()


class RenameForm(forms.Form):
    """The new user name."""

    username = forms.CharField(
        label="New user name",
        max_length=usernames.MAX_LENGTH,
        validators=[usernames.validate],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.user = user

    def clean_username(self) -> str:
        """Refuse the name that the user has, and one that somebody else has."""
        username: str = self.cleaned_data["username"]
        if username == self.user.username:
            raise ValidationError("That is the user name already.")
        return free_name(username, self.user)


def free_name(username: str, user: User) -> str:
    """Return the name; raise ValidationError when somebody else has it, however it is written."""
    taken = User.objects.filter(username_key=fold(username)).exclude(pk=user.pk).first()
    if taken and taken.username == username:
        raise ValidationError(f"{username} is taken already.")
    if taken:
        raise ValidationError(f"{username} is taken by {taken.username}: user names are one whatever their case.")
    return username


class UserRename(admin.ModelAdmin):  # type: ignore[type-arg]
    """The page behind "Rename"."""

    @admin.display(description="User name")
    def renaming(self, user: User) -> SafeString:
        """Show the name, with the way to change it."""
        return format_html('{} · <a class="text-link underline" href="../rename/">Rename</a>', user.username)

    def get_urls(self) -> list[URLPattern]:
        """Add the page's address."""
        view = self.admin_site.admin_view(self.rename_view)
        return [path("<path:object_id>/rename/", view, name="provisioning_user_rename"), *super().get_urls()]

    def rename_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a new name does, and rename when that was seen."""
        user = self.get_object(request, unquote(object_id))
        if user is None:
            raise Http404("There is no such user.")
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        form = RenameForm(user, request.POST if request.method == "POST" else None)
        seen: list[RenameEffect] = []
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["username"]
            if request.POST.get("action") != "rename":
                seen = list(effects(user, name))
            else:
                self._rename(request, user, name)
                messages.success(request, f"{user.username} is {name} now. Directories follow: see Accounts.")
                return HttpResponseRedirect(reverse("admin:provisioning_user_change", args=[user.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rename {user}",
            "form": form,
            "effects": seen,
            "previewed": bool(request.method == "POST" and form.is_valid()),
            "original": user,
            "opts": self.opts,
        }
        return TemplateResponse(request, "provisioning/user/rename.html", context)

    def _rename(self, request: HttpRequest, user: User, name: str) -> None:
        try:
            services.rename_and_save(user, name, request.user.get_username())
        except User.DoesNotExist:
            raise Http404("There is no such user.") from None


def effects(user: User, username: str) -> Iterator[RenameEffect]:
    """Say of each directory where the user has an account what the new name does there; none of them is asked."""
    renamed = get_object_or_404(User.objects.select_related("manager"), pk=user.pk)
    renamed.rename(username)
    accounts = Account.objects.filter(user=user).select_related("directory").order_by("directory__name")
    for account in accounts:
        name = account.directory.name
        if not account.remote_id:
            yield RenameEffect(name, "The account is still to be made, and is made under the new name.")
            continue
        planned = services.preview(renamed, account.directory)
        changes = tuple(f"{label}: {old} → {new}" for label, (old, new) in planned.changes.items() if old != new)
        if changes:
            yield RenameEffect(name, "The account is changed.", changes)
        else:
            yield RenameEffect(name, f"The account keeps the name that it has there. {planned.reason}".rstrip())

"""Deleted people: found by what they were called, and a page of each that looks like the one that they had.

What they were is in the recycle bin for a time; after that the report still says who was deleted, when and by whom.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from provisioning.admin.receipts.lines import lines_of
from provisioning.admin.users.person import happened, initials
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.receipts.models import Receipt
from provisioning.recycle.models import DeletedUser
from reports.models import Direction, Event, Operation
from reports.presentation import Viewer

FEW = 5
BIN, REPORT = "recycle.view_deleteduser", "reports.view_event"


@dataclass(frozen=True, slots=True)
class GonePerson:
    """A deleted person; ``row`` is what the recycle bin has of them, None where that is forgotten.

    ``at`` and ``by`` are when and by whom, None and "" where nothing remembers it.
    """

    user_id: int
    username: str
    name: str
    department: str
    at: dt.datetime | None
    by: str
    row: DeletedUser | None = None

    @property
    def kept_until(self) -> dt.datetime | None:
        """When the recycle bin forgets them."""
        return self.row.deleted_at + dt.timedelta(days=settings.RECYCLE_DAYS) if self.row else None

    @property
    def url(self) -> str:
        """Return the address of their page."""
        return reverse("admin:provisioning_user_gone", args=[self.user_id])

    def __str__(self) -> str:
        return f"{self.name} ({self.username})" if self.name != self.username else self.username


def may_look(viewer: Viewer) -> bool:
    """Return whether somebody may see who was deleted."""
    return viewer.has_perm("provisioning.view_user") and (viewer.has_perm(BIN) or viewer.has_perm(REPORT))


def find(text: str, viewer: Viewer) -> Sequence[GonePerson]:
    """Return a few deleted people who were called so, the last ones; three queries at the most.

    Those in the recycle bin are found by the beginning of the user name or a part of the name, others by the whole
    user name.
    """
    if not text.strip() or not may_look(viewer):
        return []
    kept = DeletedUser.objects.filter(restored_at=None).defer("image")
    rows = list(kept.filter(username_key__startswith=fold(text)).order_by("-deleted_at", "-pk")[:FEW])
    rows = rows or list(kept.filter(full_name__icontains=text.strip()).order_by("-deleted_at", "-pk")[:FEW])
    if rows:
        return list({row.user_id: _of_bin(row) for row in reversed(rows)}.values())[::-1]
    lines = Event.objects.filter(identifier_key=fold(text)[:255], user_id__isnull=False).order_by("-at", "-id")
    last = lines.values_list("user_id", flat=True).first()
    found = of(last) if last else None
    return [found] if found else []


def of(user_id: int) -> GonePerson | None:
    """Return the deleted person who had this id, None for one who is there or of whom nothing is remembered."""
    if User.objects.filter(pk=user_id).exists():
        return None
    row = DeletedUser.objects.filter(user_id=user_id, restored_at=None).order_by("-pk").first()
    if row:
        return _of_bin(row)
    lines = Event.objects.filter(user_id=user_id).order_by("-at", "-id")
    gone = lines.filter(operation=Operation.DELETE, account_id=None).exclude(direction=Direction.OUT).first()
    last = gone or lines.first()
    if last is None:
        return None
    at, by = (gone.at, gone.actor or gone.application) if gone else (None, "")
    return GonePerson(user_id, last.identifier, last.identifier, "", at, by)


def _of_bin(row: DeletedUser) -> GonePerson:
    name = row.full_name or row.username
    return GonePerson(row.user_id, row.username, name, row.department, row.deleted_at, row.deleted_by, row)


class GonePage(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the page of somebody who was deleted, and who of them a search finds, to the users' admin."""

    list_before_template = "provisioning/user/found_gone.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the page and what happened to them."""
        wrap = self.admin_site.admin_view
        return [
            path("deleted/<int:user_id>/", wrap(self.gone_view), name="provisioning_user_gone"),
            path("deleted/<int:user_id>/happened/", wrap(self.gone_happened), name="provisioning_user_gone_happened"),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look for deleted people, too, where somebody is looked for."""
        changelist: Any = super().get_changelist_instance(request)
        if changelist.query and changelist.page_num == 1:
            changelist.gone = find(changelist.query, request.user)
        return changelist

    def gone_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Show who it was, who deleted them when, what each directory did, and until when they can come back."""
        if may_look(request.user) and User.objects.filter(pk=user_id).exists():
            return HttpResponseRedirect(reverse("admin:provisioning_user_change", args=[user_id]))
        person = self._gone(request, user_id)
        row = person.row
        fields = row.image["fields"] if row and request.user.has_perm(BIN) else {}
        receipt = Receipt.objects.filter(user_id=user_id).order_by("-pk").first()
        sees = request.user.has_perm("receipts.view_receipt")
        context = {
            **self.admin_site.each_context(request),
            "title": f"{person}, deleted",
            "opts": self.opts,
            "person": person,
            "initials": initials(User(first_name=person.name, username=person.username)),
            "fields": fields,
            "groups": [name for _, name in row.image["memberships"]] if fields and row else [],
            "receipt": lines_of([receipt])[0] if receipt and sees else None,
            "over": person.kept_until is not None and person.kept_until < timezone.now(),
            "may_restore": request.user.has_perms(["recycle.change_deleteduser", "provisioning.add_user"]),
            "sees_report": request.user.has_perm(REPORT),
            "happened": reverse("admin:provisioning_user_gone_happened", args=[user_id]),
            "media": self.media,
        }
        return TemplateResponse(request, "provisioning/user/gone.html", context)

    def gone_happened(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Show a page of what happened to them."""
        person = self._gone(request, user_id)
        if not request.user.has_perm(REPORT):
            raise PermissionDenied
        return happened(request, User(pk=user_id, username=person.username), "admin:provisioning_user_gone_happened")

    def _gone(self, request: HttpRequest, user_id: int) -> GonePerson:
        if not may_look(request.user):
            raise PermissionDenied
        found = of(user_id)
        if found is None:
            raise Http404("Nobody who had this number was deleted, as far as anything remembers.")
        return found

"""The search box of every page: people, groups, and whatever else has a page of its own, as far as one may see it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from config import navigation
from directories.models import Directory
from provisioning.admin.users import gone
from provisioning.contracts.models import Department
from provisioning.models import Group, ImportRun, User
from provisioning.rules.models import BusinessRule
from provisioning.search import find
from provisioning.search.text import LONGEST, plain
from reports.search import TooSlow
from scim.models import Client, UserLink

SHOWN = 8  # people; of everything else fewer
FEW = 4
TOO_SLOW = "That fits too many. Write more of the name."


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found; ``badge`` is a word beside it and ``colour`` that of the word."""

    title: str
    url: str
    detail: str = ""
    badge: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind, with an icon of the theme's; ``all_url`` leads to a list of all."""

    title: str
    icon: str
    hits: list[Hit] = field(default_factory=list)
    all_url: str = ""


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Show what is found by ``q``: as a page, or for the box alone when its script asks."""
    text = " ".join(request.GET.get("q", "").replace("\0", "").split())[:LONGEST]
    found, problem = [], ""
    try:
        found = [one for one in _everything(request, text) if one.hits] if text else []
    except TooSlow:
        problem = TOO_SLOW
    context = {"text": text, "found": found, "number": sum(len(one.hits) for one in found), "problem": problem}
    if request.headers.get("X-Requested-With") == "fetch":
        return TemplateResponse(request, "portal/search_results.html", context)
    return TemplateResponse(
        request, "portal/search.html", {**admin.site.each_context(request), "title": "Search", **context}
    )


def _everything(request: HttpRequest, text: str) -> Iterator[Found]:
    yield _people(request, text)
    yield _deleted(request, text)
    yield _groups(request, text)
    for title, icon, model, url_name in NAMED:
        yield Found(title, icon, _named(request, model, url_name, text))
    yield _imports(request, text)
    yield _pages(request, text)


def _people(request: HttpRequest, text: str) -> Found:
    """Return people: by what they are called, and by what a directory or an application calls them."""
    users = _seen(request, User)
    if users is None:
        return Found("People", "person")
    links = UserLink.objects.filter(external_id__in=find.spellings(text), deleted_at=None).order_by()
    known = {link.user_id for link in links[:SHOWN]}
    hits = [
        Hit(
            title=str(user),
            url=reverse("admin:provisioning_user_change", args=[user.pk]),
            detail=" · ".join(filter(None, (user.email, user.phone or user.mobile, user.department))),
            badge="" if user.is_active else "Inactive",
            colour="danger",
        )
        for user in find.people(users, text, SHOWN, known)
    ]
    more = f"{reverse('admin:provisioning_user_changelist')}?{urlencode({'q': text})}"
    return Found("People", "person", hits, more if len(hits) == SHOWN else "")


def _deleted(request: HttpRequest, text: str) -> Found:
    """Return deleted people: from the recycle bin, or as the report remembers them."""
    hits = [
        Hit(
            title=str(one),
            url=one.url,
            detail=f"deleted {timezone.localtime(one.at):%Y-%m-%d} by {one.by or 'the portal'}" if one.at else "",
            badge="Deleted",
        )
        for one in gone.find(text, request.user)
    ]
    return Found("Deleted people", "person_off", hits)


def _groups(request: HttpRequest, text: str) -> Found:
    groups = _seen(request, Group)
    found = [] if groups is None else find.groups(groups.select_related("owner"), text, FEW)
    hits = [
        Hit(
            title=group.name,
            url=reverse("admin:provisioning_group_change", args=[group.pk]),
            detail=f"from {group.owner or group.pushed_by}" if group.owner or group.pushed_by else "",
        )
        for group in found
    ]
    return Found("Groups", "group", hits)


NAMED: tuple[tuple[str, str, Any, str], ...] = (
    ("Directories", "dns", Directory, "admin:directories_directory_change"),
    ("SCIM applications", "sync_alt", Client, "admin:scim_client_change"),
    ("Departments", "account_tree", Department, "admin:contracts_department_change"),
    ("Rules", "account_balance", BusinessRule, "admin:rules_businessrule_change"),
)


def _named(request: HttpRequest, model: Any, url_name: str, text: str) -> list[Hit]:
    """Return what has this in its name."""
    rows = _seen(request, model)
    if rows is None:
        return []
    for word in text.split():
        rows = rows.filter(name__icontains=word)
    return [Hit(title=str(row), url=reverse(url_name, args=[row.pk])) for row in rows.order_by("name", "pk")[:FEW]]


def _imports(request: HttpRequest, text: str) -> Found:
    """Return the import of this number, and the newest of directories of this name."""
    runs = _seen(request, ImportRun)
    if runs is None:
        return Found("Imports", "history")
    number = text.removeprefix("#")
    wanted = runs.filter(pk=int(number)) if number.isdecimal() and len(number) < 19 else None
    if wanted is None:
        directories = list(Directory.objects.filter(name__icontains=text).values_list("pk", flat=True)[:FEW])
        wanted = runs.filter(directory__in=directories) if directories else runs.none()
    hits = [
        Hit(
            title=f"Import {run.pk}: {run.directory or run.subject or run.get_door_display()}",
            url=reverse("admin:provisioning_importrun_change", args=[run.pk]),
            detail=f"{run.created_at:%Y-%m-%d %H:%M} · {run.get_status_display()}",
        )
        for run in wanted.select_related("directory").order_by("-pk")[:FEW]
    ]
    return Found("Imports", "history", hits)


def _pages(request: HttpRequest, text: str) -> Found:
    """Return the pages of the sidebar whose name, or whose section's, has every word."""
    words = plain(text).split()
    hits = [
        Hit(title=title, url=link, detail=section)
        for section, title, link in navigation.pages(request)
        if all(word in plain(f"{section} {title}") for word in words)
    ]
    return Found("Pages", "web_asset", hits[:SHOWN])


def _seen(request: HttpRequest, model: Any) -> Any:
    """Return the rows that the person who asks may see, by their page's own rules; None for none of them."""
    page = admin.site.get_model_admin(model)
    return page.get_queryset(request) if page.has_view_permission(request) else None

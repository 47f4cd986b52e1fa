"""The sidebar: where each role may go, and what there needs attention."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, get_script_prefix, reverse

from config import attention
from provisioning import reach

USERS = "provisioning_user_changelist"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: shown to those who hold ``permission``; ``badge`` counts what waits there, None when nothing does."""

    title: str
    icon: str
    url_name: str
    permission: str
    query: str = ""
    badge: Callable[[HttpRequest], attention.Badge | None] | None = None
    also: str = ""  # the URL name of another page that belongs to it


SECTIONS: dict[str, tuple[Item, ...]] = {
    "People": (
        Item(
            "Users",
            "person",
            USERS,
            reach.SEE,
            badge=attention.left_open_badge,
        ),
        Item("Groups", "group", "provisioning_group_changelist", "provisioning.view_group"),
        Item("Departments", "account_tree", "contracts_department_changelist", "contracts.view_department"),
        Item("Records of sources", "contact_page", "contracts_sourcerecord_changelist", "contracts.view_sourcerecord"),
        Item("Duplicates", "merge", "provisioning_user_duplicates", "provisioning.delete_user"),
        Item("Recycle bin", "restore_from_trash", "recycle_deleteduser_changelist", "recycle.view_deleteduser"),
    ),
    "Provisioning": (
        Item(
            "Directories",
            "dns",
            "directories_directory_changelist",
            "directories.view_directory",
            badge=attention.unreachable_badge,
        ),
        Item(
            "Gateways",
            "router",
            "gateway_gateway_changelist",
            "gateway.view_gateway",
            badge=attention.gateway_badge,
        ),
        Item(
            "SCIM applications",
            "sync_alt",
            "scim_client_changelist",
            "scim.view_client",
            badge=attention.scim_badge,
        ),
        Item(
            "Events",
            "campaign",
            "events_subscription_changelist",
            "events.view_subscription",
        ),
        Item(
            "Rules",
            "account_balance",
            "rules_businessrule_changelist",
            "rules.view_businessrule",
            badge=attention.rules_badge,
        ),
        Item("Products", "storefront", "requests_product_changelist", "requests.view_product"),
        Item(
            "Requests",
            "assignment",
            "requests_productrequest_changelist",
            "requests.view_productrequest",
            badge=attention.requests_badge,
            also="requests_substitute_changelist",
        ),
        Item("Import users", "download", "provisioning_importrun_start", "provisioning.add_importrun"),
        Item(
            "Import history",
            "history",
            "provisioning_importrun_changelist",
            "provisioning.view_importrun",
            badge=attention.approval_badge,
        ),
        Item(
            "Scheduled",
            "event",
            "provisioning_scheduleddeletion_changelist",
            "provisioning.view_scheduleddeletion",
        ),
        Item(
            "Reconciliation",
            "rule",
            "reconciliation_reconcilerun_changelist",
            "reconciliation.view_reconcilerun",
        ),
    ),
    "Reports": (
        Item("Reports", "bar_chart", "overviews", "reports.view_event"),
        Item("Reports by mail", "schedule_send", "portal_scheduledreport_changelist", "portal.view_scheduledreport"),
        Item("Provisioning report", "list_alt", "reports_event_changelist", "reports.view_event"),
        Item("Leavers", "person_off", "receipts_receipt_changelist", "receipts.view_receipt"),
        Item("Changes of settings", "manage_history", "reports_evidence_changelist", "reports.view_evidence"),
        Item("As of a date", "event_repeat", "provisioning_user_past", "reports.view_event"),
        Item(
            "Failed and waiting",
            "build",
            "provisioning_change_changelist",
            "provisioning.view_change",
            badge=attention.parked_badge,
            also="provisioning_groupchange_changelist",
        ),
        Item(
            "Notices",
            "notifications",
            "notices_notice_changelist",
            "notices.view_notice",
            badge=attention.notices_badge,
        ),
        Item(
            "Look first",
            "visibility",
            "restore_helddirectory_changelist",
            "restore.view_helddirectory",
        ),
    ),
    "Settings": (
        Item(
            "Custom profile attributes",
            "label",
            "provisioning_attributedefinition_changelist",
            "provisioning.view_attributedefinition",
        ),
        Item("Guard limits", "shield", "guard_doorlimits_changelist", "guard.view_doorlimits"),
        Item("Contracts", "contract", "contracts_primaryorder_changelist", "contracts.view_primaryorder"),
        Item(
            "Blueprints",
            "data_object",
            "provisioning_appliedblueprint_changelist",
            "provisioning.view_appliedblueprint",
        ),
        Item("Roles", "shield_person", "portal_role_changelist", "portal.view_role"),
        Item("Staff", "badge", "portal_staff_changelist", "portal.view_role"),
        Item("Sign-in", "login", "signin_signinsettings_changelist", "signin.view_signinsettings"),
        Item("Identity providers", "key", "sso_identityprovider_changelist", "sso.view_identityprovider"),
        Item("API tokens", "api", "tokens_apitoken_changelist", "tokens.view_apitoken"),
    ),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return unfold's navigation for the person who asks."""
    start = {"title": "Start", "icon": "home", "link": reverse("admin:index"), "active": request.path == "/"}
    groups: list[dict[str, Any]] = [{"items": [start]}]
    here = _here(request)
    for title, items in SECTIONS.items():
        if shown := list(_entries(request, items, here)):
            groups.append({"title": title, "items": shown})
    return groups


def pages(request: HttpRequest) -> Iterator[tuple[str, str, str]]:
    """Yield section, title and address of every page of the sidebar that the person who asks may open."""
    for section, items in SECTIONS.items():
        for item in items:
            if (link := _link(item.url_name)) and _may_open(request, item):
                yield section, item.title, link + item.query


def favicon(request: HttpRequest) -> str:
    """Return the address of the icon in the browser's tab."""
    return static("portal/favicon.svg")


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the portal's own rules."""
    return static("portal/portal.css")


def tabs_script(request: HttpRequest) -> str:
    """Return the address of the script that gives the tabs of forms their addresses."""
    return static("portal/tabs.js")


def accessible_script(request: HttpRequest) -> str:
    """Return the address of the script that adds landmarks and quiets icons."""
    return static("portal/accessible.js")


def search_script(request: HttpRequest) -> str:
    """Return the address of the script behind the search box."""
    return static("portal/search.js")


def _may_open(request: HttpRequest, item: Item) -> bool:
    """Return whether the page opens; the users list does for who sees some people only."""
    if item.url_name == USERS:
        return reach.has_anywhere(request.user, item.permission)
    return bool(request.user.has_perm(item.permission))


def _entries(request: HttpRequest, items: tuple[Item, ...], here: Item | None) -> Iterator[dict[str, Any]]:
    for item in items:
        link = _link(item.url_name) + item.query
        if link == item.query or not _may_open(request, item):
            continue
        entry: dict[str, Any] = {"title": item.title, "icon": item.icon, "link": link, "active": item is here}
        counts = request.user.has_perm(item.permission)  # a badge counts everybody
        if counts and item.badge and (badge := item.badge(request)):
            entry |= {"badge": badge.text, "badge_variant": badge.variant}
        yield entry


def _here(request: HttpRequest) -> Item | None:
    """Return the entry of the page that is open: the one with the longest address that the page's begins with."""
    matches = [
        (len(link), item)
        for items in SECTIONS.values()
        for item in items
        for link in (_link(item.url_name), _link(item.also))
        if link and request.path.startswith(link) and _asks(request, item)
    ]
    return max(matches, key=lambda match: (match[0], bool(match[1].query)))[1] if matches else None


def _asks(request: HttpRequest, item: Item) -> bool:
    return not item.query or item.query.lstrip("?") in request.META.get("QUERY_STRING", "").split("&")


def _link(url_name: str) -> str:
    """Return the address of a page of the admin, or of one beside it; "" where there is none."""
    return _addresses(get_script_prefix()).get(url_name, "")


@cache
def _addresses(prefix: str) -> dict[str, str]:
    """Return the addresses of all pages of the sidebar by their URL names; ``prefix`` is in front of each."""
    names = {name for items in SECTIONS.values() for item in items for name in (item.url_name, item.also) if name}
    return {name: address for name in names if (address := _found(name))}


def _found(url_name: str) -> str:
    for name in (f"admin:{url_name}", url_name):
        with suppress(NoReverseMatch):
            return reverse(name)
    return ""

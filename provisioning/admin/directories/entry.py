"""Test attribute mapping: one entry of the directory with all its attributes, and what the mapping makes of it."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from directories.config import DirectoryConfig, open_connector
from directories.connectors.base import ConnectorError, Inspection, ShownAttribute
from directories.forms.draft import DirectoryDraft
from directories.mapping import Mapper
from provisioning.admin.directories.fragments import drafted
from provisioning.admin.directories.tryout import (
    FOLDER,
    NO_CONNECTION,
    VIEW_USERS,
    mapped,
    outward,
    row_errors,
    user_named,
)
from provisioning.profile.person import person_of

STATES = {True: "Active", False: "Inactive", None: "Not told"}


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One attribute of the entry, and the portal attributes that are mapped to it."""

    shown: ShownAttribute
    portal: str


def entry(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the entry of the user name that was typed, as the page has connection and mapping, saved or not."""
    model_admin.require(request, VIEW_USERS)
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    name = request.POST.get("entry_user", "").strip()
    return render(request, f"{FOLDER}/entry.html", {"name": name, "draft": draft, **_found(draft, name)})


def _found(draft: DirectoryDraft, name: str) -> dict[str, Any]:
    config = draft.config()
    if config is None:
        return {"errors": [NO_CONNECTION]}
    if not name:
        return {"errors": ["Type a user name."]}
    try:
        with open_connector(config) as connector:
            found = connector.inspect(name)
    except ConnectorError as error:
        return {"errors": [error.message]}
    if found is None:
        return {"errors": [f"The directory has no entry called {name} that the portal may see."]}
    context = {"entry": found, "state": STATES[found.account.enabled], "lines": _lines(draft, config, found)}
    return context | _mapped(draft, config, found)


def _lines(draft: DirectoryDraft, config: DirectoryConfig, found: Inspection) -> list[EntryLine]:
    portal: dict[str, list[str]] = {}
    for rule in config.rules:
        if rule.portal_attribute:
            known = draft.catalogue.get((rule.kind, rule.portal_attribute))
            label = known.label if known else rule.portal_attribute
            portal.setdefault(rule.directory_attribute.casefold(), []).append(label)
    return [EntryLine(shown, ", ".join(portal.get(shown.name.casefold(), ()))) for shown in found.attributes]


def _mapped(draft: DirectoryDraft, config: DirectoryConfig, found: Inspection) -> dict[str, Any]:
    """Return what each mapping makes of the entry, and of the portal's user of that name."""
    if not draft.mappings.check():
        return {"errors": row_errors(draft)}
    try:
        mapper = Mapper(config.rules, draft.catalogue)
    except ConnectorError as error:
        return {"errors": [error.message]}
    account, errors = found.account, list[str]()
    context: dict[str, Any] = {"errors": errors, "account": account}
    if account.problem:
        errors.append(account.problem)
    else:
        context |= mapped(config, draft, mapper, account)
    if user := user_named(account.key):
        context["person"] = user
        try:
            person = person_of(user)
            context["outward"] = outward(config, draft, mapper.outbound(person), person)
        except ConnectorError as error:
            errors.append(error.message)
    return context

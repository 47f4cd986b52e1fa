"""Looking before saving: one user's statements tried out, and a real row run through the mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from directories import tryout
from directories.attributes import OF_CONTRACTS, Kind, Person, Value
from directories.config import DirectoryConfig, open_connector
from directories.connectors.base import Capability, ConnectorError, Entry, GroupEntry, RemoteAccount
from directories.forms.draft import DirectoryDraft
from directories.mapping import OF_SOURCES, Mapper
from directories.models import TemplateOperation
from directories.passwords import initial_password
from provisioning.admin.directories.fragments import drafted
from provisioning.admin.users import search
from provisioning.models import Account, Group, GroupAccount, User
from provisioning.models.people import fold
from provisioning.profile.person import person_of

FOLDER = "admin/directories/directory"
VIEW_USERS = "provisioning.view_user"
MOST_PEOPLE = 8
PERSON_BOXES = ("try_user", "sample_user")
NO_CONNECTION = "Correct what is marked under Connection first."


@dataclass(frozen=True, slots=True)
class Sampled:
    """One mapping row of the live sample."""

    directory_attribute: str
    portal_attribute: str
    directory_value: Value
    portal_value: Value


def people(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Find users by how their names begin, for the boxes of this page."""
    model_admin.require(request, "directories.change_directory", VIEW_USERS)
    typed = [request.GET[box] for box in PERSON_BOXES if box in request.GET]
    text = "".join(typed[:1]).strip()[:100]
    found = search.search(User.objects.all(), text).order_by("username_key")[:MOST_PEOPLE] if text else []
    return render(request, f"{FOLDER}/people.html", {"people": found, "text": text})


def try_it(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the statements of one operation with a user's values; on request run them and roll back."""
    model_admin.require(request, VIEW_USERS)
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    context = _tried(draft, request)
    return render(request, f"{FOLDER}/tried.html", context)


def _tried(draft: DirectoryDraft, request: HttpRequest) -> dict[str, Any]:
    operation = request.POST.get("try_operation", "")
    run = request.POST.get("try_run") == "1"
    config = draft.config()
    user = user_named(request.POST.get("try_user", ""))
    if config is None:
        return {"error": NO_CONNECTION}
    if operation not in [name for name, _ in draft.trials]:
        return {"error": "There is no statement for this operation yet."}
    if user is None:
        return {"error": "No user of that name. Type the beginning of a name and choose one."}
    if not draft.check_templates():
        blocks = [block for block in draft.templates.blocks if any(s.errors for s in block.statements)]
        return {"error": "A statement cannot be read yet.", "blocks": blocks}
    try:
        password = initial_password(config.features).stored
        subject = tryout.Subject(_entry(draft, config, user), password, _group(draft, user))
        tried = tryout.try_operation(config, operation, subject, run=run)
    except ConnectorError as error:
        return {"error": error.message}
    return {"tried": tried, "user": user, "operation": TemplateOperation(operation).label, "ran": run}


def sample(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Run a real row of the directory and a user of the portal through the mapping on the page."""
    model_admin.require(request, VIEW_USERS)
    draft = drafted(model_admin, request)
    if isinstance(draft, HttpResponse):
        return draft
    context = {"name": request.POST.get("sample_user", "").strip(), "draft": draft}
    return render(request, f"{FOLDER}/sample.html", context | _sampled(draft, context["name"]))  # type: ignore[arg-type]


def _sampled(draft: DirectoryDraft, name: str) -> dict[str, Any]:
    if not draft.mappings.check():
        return {"errors": row_errors(draft)}
    config = draft.config()
    if config is None:
        return {"errors": [NO_CONNECTION]}
    errors: list[str] = []
    account: RemoteAccount | None = None
    try:
        mapper = Mapper(config.rules, draft.catalogue)
    except ConnectorError as error:
        return {"errors": [error.message]}
    try:
        account = _remote(config, name)
        if account is None:
            errors.append(f"{name} is not in the directory." if name else "The directory has no accounts yet.")
        elif account.problem:
            errors.append(account.problem)
    except ConnectorError as error:
        errors.append(error.message)
    user = user_named(name or (account.key if account else ""))
    found: dict[str, Any] = {"errors": errors, "account": account, "person": user}
    if account and not account.problem:
        found |= mapped(config, draft, mapper, account)
    if user:
        try:
            found["outward"] = outward(config, draft, mapper.outbound(person_of(user)), person_of(user))
        except ConnectorError as error:
            errors.append(error.message)
    return found


def row_errors(draft: DirectoryDraft) -> list[str]:
    """Return what is wrong with the mapping rows of the page."""
    return [
        f"{row.data['mapping_attribute'] or 'A row without a name'}: {error}"
        for row in draft.mappings.rows
        if not row.blank
        for errors in row.errors.values()
        for error in errors
    ]


def mapped(config: DirectoryConfig, draft: DirectoryDraft, mapper: Mapper, account: RemoteAccount) -> dict[str, Any]:
    """Return what each mapping into the portal makes of the account and its first contract, and what is wrong."""
    inbound = mapper.inbound(account.attributes)
    values, attributes = dict(inbound.values), dict(account.attributes)
    problems = [*filter(None, [mapper.missing(inbound.values)]), *inbound.problems, *inbound.left]
    contract = next(iter(account.contracts or ()), None) if mapper.contract_fields else None
    if contract is not None:
        of_contract = mapper.contract(contract, account.attributes)
        values |= of_contract.values
        attributes = {**contract.attributes, **attributes}
        problems += filter(None, [contract.problem, mapper.missing_of_contract(of_contract.values)])
        problems += [*of_contract.problems, *of_contract.left]
    elif mapper.contract_fields:
        problems.append(f"{account.key} has no contract there, so the fields of contracts show nothing.")
    return {"inward": _inward(config, draft, attributes, values), "problems": problems}


def _inward(
    config: DirectoryConfig, draft: DirectoryDraft, attributes: Mapping[str, Value], values: Mapping[Any, Value]
) -> list[Sampled]:
    row = {name.casefold(): value for name, value in attributes.items()}
    return [
        Sampled(
            rule.directory_attribute,
            _label(draft, rule.kind, rule.portal_attribute),
            _joined(row.get(rule.directory_attribute.casefold())),
            values.get((rule.kind, rule.portal_attribute)),
        )
        for rule in config.rules
        if rule.direction != "out"
    ]


def outward(config: DirectoryConfig, draft: DirectoryDraft, sent: dict[str, Value], person: Person) -> list[Sampled]:
    """Return what each mapping out of the portal makes of the person."""
    values = {name.casefold(): value for name, value in sent.items()}
    return [
        Sampled(
            rule.directory_attribute,
            _label(draft, rule.kind, rule.portal_attribute),
            _joined(values.get(rule.directory_attribute.casefold())),
            person.get(rule.kind, rule.portal_attribute),
        )
        for rule in config.rules
        if rule.direction != "in"
    ]


def _joined(value: Value) -> Value:
    """Return several values as people write them."""
    return ", ".join(value) if isinstance(value, tuple) else value


def _label(draft: DirectoryDraft, kind: Kind, name: str) -> str:
    known = {**draft.catalogue, **OF_SOURCES}.get((kind, name))
    words = known.label if known else name
    return f"{words} (contract)" if kind in OF_CONTRACTS else words


def _remote(config: DirectoryConfig, name: str) -> RemoteAccount | None:
    """Return the account of that name, or the first one of the directory."""
    with open_connector(config) as connector:
        if name:
            account = connector.find(Entry(key=name))
            if account and account.contracts is None and Capability.CONTRACTS in connector.capabilities:
                account = next(iter(connector.look_up([account.ref]) or ()), account)
            return account
        for page in connector.accounts(page_size=1):
            return page.accounts[0] if page.accounts else None
    return None


def user_named(name: str) -> User | None:
    """Return the user of that name, without regard to case."""
    return User.objects.select_related("manager").filter(username_key=fold(name)).first() if name else None


def _entry(draft: DirectoryDraft, config: DirectoryConfig, user: User) -> Entry:
    person = person_of(user)
    account = Account.objects.filter(user=user, directory=draft.directory.pk).first() if draft.directory.pk else None
    attributes = Mapper(config.rules, draft.catalogue).outbound(person)
    return Entry(
        key=user.username, ref=account.remote_id if account else "", attributes=attributes, person=person.flat()
    )


def _group(draft: DirectoryDraft, user: User) -> GroupEntry:
    """Return the group that statements of groups are tried for: one of the user's, or an example."""
    group = Group.objects.filter(memberships__user=user).order_by("pk").first()
    if group is None:
        return tryout.EXAMPLE
    account = GroupAccount.objects.filter(group=group, directory=draft.directory.pk or 0).first()
    return GroupEntry(group.name, account.remote_id if account else "", group.description)

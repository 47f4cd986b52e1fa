"""Every address of the portal, tried by every role: the table in ``tests/permission_table.py`` is the expectation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group as Role
from django.db import models, transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from config.models import ScheduledReport
from config.signin.models import SignInSettings
from config.sso.models import IdentityProvider
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.contracts.models import Contract, Department, Location, PrimaryOrder, SourceRecord
from provisioning.events.models import Subscription
from provisioning.gateway.models import Gateway, Machine
from provisioning.guard.models import DoorLimits
from provisioning.models import Account, AttributeDefinition, Change, Group, ImportRun, Membership, PlannedChange, User
from provisioning.models.imports import Action, RunStatus
from provisioning.reconciliation.models import ReconcileRun
from provisioning.recycle.models import DeletedUser
from provisioning.requests.models import Product, ProductRequest, Substitute
from provisioning.restore.models import HeldDirectory
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF, ROLES, codenames
from provisioning.rules.models import BusinessRule
from provisioning.tokens.models import ApiToken
from reports.journal import Line, record
from reports.models import Direction, Event, Operation, Result
from scim.models import Client as Application
from scim.models import RequestLog, Token
from tests.permission_table import ACTIONS, APP_LISTS, EVERYONE, OPEN, OPEN_BELOW, SHOW_SECRETS, TABLE, Rule

pytestmark = pytest.mark.django_db

SECRET = "s3cret-Zebra-81"
LETTERS = {"S": None, "I": IT_STAFF, "H": HELPDESK, "A": AUDITOR, "N": None}
WITHIN = {"token": "token", "request": "requestlog"}  # ids in addresses below one SCIM application
APP_LIST = re.compile(r"^\^\(\?P<app_label>(.*)\)/\$$")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep hundreds of expected refusals out of the report of a failure."""
    caplog.set_level("CRITICAL", "django.request")


@dataclass
class World:
    """One object of each kind; ``pk`` by model label."""

    pk: dict[str, int] = field(default_factory=dict)

    def add(self, obj: models.Model) -> None:
        self.pk[obj._meta.label_lower] = obj.pk


@pytest.fixture
def world() -> World:
    """A portal with one of everything, full of a secret that no page may show."""
    made = World()
    directory = Directory.objects.create(
        name="APPSDB",
        kind="postgresql",
        settings={"host": "db.example.org", "port": 5432, "database": "APPSDB", "user": "rollcall"},
        secrets={"password": SECRET},
    )
    settings = ProvisioningSettings.objects.create(directory=directory, fixed_password=SECRET, initial_password="fixed")
    template = QueryTemplate.objects.create(directory=directory, operation="check", sql="SELECT 1")
    mapping = AttributeMapping.objects.create(
        directory=directory, directory_attribute="EMAIL", portal_attribute="email"
    )
    definition = AttributeDefinition.objects.create(name="badge", label="Badge")
    user = User.objects.create_user("anna", provisioned=False, custom_profile={"badge": "7"})
    User.objects.filter(pk=user.pk).update(password=f"pbkdf2_sha256$1$salt${SECRET}")
    group = Group.objects.create(name="Nurses")
    membership = Membership.objects.create(group=group, user=user)
    account = Account.objects.create(user=user, directory=directory, key="anna", remote_id="anna")
    change = Change.objects.create(
        account=account, directory=directory, reason="updated", parked="2026-01-01T00:00Z", parked_message="Refused."
    )
    run = ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL)
    planned = PlannedChange.objects.create(run=run, action=Action.UPDATE, key="anna", user_id=user.pk)
    line = Line("anna", "APPSDB", Direction.IN, Operation.UPDATE, Result.SUCCESS, "Updated anna.", user_id=user.pk)
    record(line)
    # It may do nothing, so that the check of its service is over soon.
    application = Application.objects.create(
        name="Okta", slug="okta", read=False, create_users=False, update_users=False, sync_groups=False
    )
    token = Token.objects.create(client=application, digest="0", secret=SECRET)
    logged = RequestLog.objects.create(
        client=application, method="GET", path="/scim/okta/v2/Users", status=200, milliseconds=5
    )
    for obj in (application, token, logged):
        made.add(obj)
    made.pk["reports.event"] = Event.objects.latest("id").pk
    made.pk["portal.role"] = Role.objects.create(name="Desk of Amsterdam").pk
    for obj in (directory, settings, template, mapping, definition, user, group, membership):
        made.add(obj)
    deleted = DeletedUser.objects.create(
        user_id=0, username="gone", image={"fields": {}, "memberships": [], "reports": [], "accounts": []}
    )
    held = HeldDirectory.objects.create(directory=directory, why="It was restored.", failure="It did not answer.")
    compared = ReconcileRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    limits = DoorLimits.objects.create(pk=1)
    made.add(SignInSettings.objects.create(pk=1))
    made.add(
        IdentityProvider.objects.create(name="Keycloak", slug="keycloak", issuer="http://127.0.0.1:1", secret=SECRET)
    )
    mailed = ScheduledReport.objects.create(overview="accounts", next_at=timezone.now())
    made.add(mailed)
    department = Department.objects.create(external_id="1", name="Care")
    location = Location.objects.create(external_id="1", name="Delft")
    contract = Contract.objects.create(user=user, external_id="1", department=department, location=location)
    step = PrimaryOrder.objects.create(position=0, field="fte", descending=True)
    said = SourceRecord.objects.create(source=directory, remote_id="anna", key="anna", raw={"values": {}})
    rule = BusinessRule.objects.create(name="Nurses", condition={"all": []})
    receiver = Subscription.objects.create(
        name="SIEM", url="http://127.0.0.1:9", secrets={"secret": f"whsec_{SECRET}aaa", "token": SECRET}
    )
    made.add(rule)
    made.add(receiver)
    product = Product.objects.create(rule=BusinessRule.objects.create(name="VPN", by_request=True, published=True))
    asked = ProductRequest.objects.create(product=product, product_name="VPN", person=user, person_name="anna")
    other = User.objects.create_user("ben", provisioned=False)
    substitute = Substitute.objects.create(user=user, substitute=other, starts="2026-01-01", ends="2026-01-02")
    for obj in (product, asked, substitute):
        made.add(obj)
    for obj in (account, change, run, planned, deleted, held, compared, limits, department, location, contract, step):
        made.add(obj)
    made.add(said)
    gateway = Gateway.objects.create(name="Head office")
    made.add(gateway)
    made.add(Machine.objects.create(gateway=gateway, name="box", public_key="x", portal_key=SECRET))
    ends = {"created_by": "root", "expires_at": "2099-01-01T00:00Z"}
    made.add(ApiToken.objects.create(name="sync", owner=user, digest=SECRET, **ends))
    return made


def sign_in(letter: str) -> Client:
    """Return the browser of someone in that role."""
    user = User.objects.create_user(f"role-{letter}", is_staff=True, is_superuser=letter == "S", provisioned=False)
    if role := LETTERS[letter]:
        user.groups.add(Role.objects.get(name=role))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each address as its route and its URL name."""
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.name or ""


def all_routes() -> list[str]:
    return [route for route, _ in routes(get_resolver().url_patterns)]


def addresses(world: World) -> Iterator[tuple[str, Rule]]:
    """Yield each address with real ids in it, and its rule."""
    for route in all_routes():
        if is_open(route):
            continue
        if labels := APP_LIST.match(route):
            for label in labels[1].split("|"):
                yield f"/{label}/", Rule(APP_LISTS[label], APP_LISTS[label])
        else:
            yield "/" + filled(route, world), TABLE.get(route, Rule("", ""))


def filled(route: str, world: World) -> str:
    """Put ids into a route: those of the model that its folder names."""
    parts = route.split("/")
    pk = world.pk.get(".".join(parts[:2]), 0)
    values = {"panel": "mapping", "content_type_id": "1", "url": "no-such-page", "overview": "accounts"}
    values |= {f"{name}_id": str(world.pk[f"scim.{model}"]) for name, model in WITHIN.items()}
    text = re.sub(r"\(\?P<(\w+)>[^)]*\)\$?", lambda match: values.get(match[1], str(pk)), route)
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: values.get(match[1], str(pk)), text)


def is_open(route: str) -> bool:
    return route in OPEN or route.startswith(OPEN_BELOW)


def refused(response: HttpResponse, address: str) -> bool:
    hidden = response.status_code == 404 and address.strip("/") in APP_LISTS
    return response.status_code in {401, 403} or hidden or sent_to_login(response)


def sent_to_login(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith("/login/")


def ask(client: Client, method: str, address: str) -> HttpResponse:
    """Send the request and forget what it changed."""
    with transaction.atomic():
        response: HttpResponse = getattr(client, method)(address)
        transaction.set_rollback(True)
    return response


def test_the_table_knows_every_address_and_no_other() -> None:
    known = {route for route in all_routes() if not is_open(route) and not APP_LIST.match(route)}
    assert known - TABLE.keys() == set(), "Say in tests/permission_table.py who may open these."
    assert TABLE.keys() - known == set(), "These addresses are gone."
    labels = next(found[1] for route in all_routes() if (found := APP_LIST.match(route)))
    assert set(labels.split("|")) == APP_LISTS.keys()


@pytest.mark.heavy
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("letter", EVERYONE)
def test_each_role_opens_what_it_may_and_sees_no_secret(world: World, letter: str, method: str) -> None:
    client, wrong = sign_in(letter), []
    for address, rule in addresses(world):
        if method == "post" and address == "/logout/":
            continue
        allowed = letter in (rule.read if method == "get" else rule.write)
        response = ask(client, method, address)
        if response.status_code != 405 and (response.status_code >= 500 or refused(response, address) == allowed):
            wrong.append(f"{method} {address}: {response.status_code}, expected {'yes' if allowed else 'no'}")
        content = b"".join(response) if response.streaming else response.content
        shows = allowed and address in {f"/{filled(route, world)}" for route in SHOW_SECRETS}
        if SECRET.encode() in content and not shows:
            wrong.append(f"{method} {address} shows a secret")
    assert not wrong, "\n".join(wrong)


@pytest.mark.heavy
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["nobody", "not staff", "inactive"])
def test_others_are_sent_to_the_sign_in(world: World, who: str, method: str) -> None:
    client, wrong = Client(raise_request_exception=False), []
    if who != "nobody":
        user = User.objects.create_user("other", provisioned=False, is_staff=who == "inactive", is_superuser=True)
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=who != "inactive")
    for address, _ in addresses(world):
        if address in {"/login/", "/logout/"}:
            continue
        response = ask(client, method, address)
        shut = response.status_code in {401, 403} if address.startswith("/api/") else sent_to_login(response)
        if not shut:
            wrong.append(f"{address}: {response.status_code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("letter", EVERYONE)
def test_each_list_offers_only_the_actions_of_the_role(world: World, letter: str) -> None:
    client = sign_in(letter)
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    registered = {model._meta.label_lower: entry for model, entry in admin.site._registry.items()}
    assert registered.keys() == ACTIONS.keys(), "Say in tests/permission_table.py who is offered which actions."
    for label, entry in registered.items():
        if letter not in TABLE[f"{label.replace('.', '/')}/"].read:
            continue
        offered = set(entry.get_actions(request))
        assert offered == {name for name, who in ACTIONS[label].items() if letter in who}, label
        assert offered <= ACTIONS[label].keys()


@pytest.mark.heavy
@pytest.mark.parametrize("letter", EVERYONE)
def test_the_sidebar_leads_only_where_the_role_may_go(world: World, letter: str) -> None:
    client = sign_in(letter)
    navigation = client.get("/").context["sidebar_navigation"]
    links = [item["link"] for group in navigation for item in group["items"]]
    assert links[0] == "/"
    assert len(links) >= {"S": 8, "I": 6, "H": 4, "A": 7, "N": 1}[letter]
    for link in links:
        assert client.get(link).status_code == 200, link
    if letter == "N":
        assert links == ["/"]


@pytest.mark.parametrize("letter", "IHA")
def test_autocomplete_asks_for_rights(world: World, letter: str) -> None:
    parameters = {"app_label": "provisioning", "model_name": "user", "field_name": "manager", "term": "an"}
    assert sign_in(letter).get("/autocomplete/", parameters).status_code == 200
    assert sign_in("N").get("/autocomplete/", parameters).status_code == 403


@pytest.mark.parametrize("page", ["change", "delete", "password"])
def test_it_staff_cannot_take_over_an_administrator(world: World, page: str) -> None:
    root = User.objects.create_superuser("root", "start-pw")
    data = {"username": "root", "post": "yes", "password1": "new-Pw-1234", "password2": "new-Pw-1234", "is_active": ""}
    response = sign_in("I").post(f"/provisioning/user/{root.pk}/{page}/", data)
    assert response.status_code == 403
    root.refresh_from_db()
    assert root.is_active
    assert root.check_password("start-pw")


def test_it_staff_cannot_give_rights(world: World) -> None:
    pk = world.pk["provisioning.user"]
    roles = list(Role.objects.values_list("pk", flat=True))
    data = {"username": "anna", "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": roles}
    sign_in("I").post(f"/provisioning/user/{pk}/change/", data)
    anna = User.objects.get(pk=pk)
    assert (anna.is_staff, anna.is_superuser, anna.groups.count()) == (False, False, 0)


def test_no_role_reaches_rights_and_every_permission_of_the_table_exists() -> None:
    for role in ROLES:
        held = {
            (permission.content_type.app_label, permission.codename)
            for permission in Role.objects.get(name=role).permissions.select_related("content_type")
        }
        assert held == codenames(role)
        assert not {pair for pair in held if pair[0] in {"auth", "admin", "sessions", "contenttypes"}}
        assert not held & {("portal", f"{action}_role") for action in ("add", "change", "delete")}
    for role, table in ROLES.items():
        for label in table:
            assert apps.get_model(label), f"{role}: {label}"


@pytest.mark.heavy
def test_lost_keys_break_no_page(world: World, settings: Any) -> None:
    """As after the keys of the environment were lost: whatever needs no secret is shown, and the rest says why."""
    client = sign_in("S")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    broken = {address for address, _ in addresses(world) if ask(client, "get", address).status_code >= 500}
    assert not broken
    for address in ("/directories/directory/", f"/directories/directory/{world.pk['directories.directory']}/change/"):
        assert "ENCRYPTION_KEYS lacks the key" in client.get(address).content.decode()

"""Every model that the admin shows: what people add, change and delete there is in the evidence, before and after."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.urls import get_resolver
from django.utils import timezone

from config.models import Role, ScheduledReport
from config.roles import ending
from config.sso.models import IdentityProvider
from directories.models import Directory, PushToken
from provisioning import services
from provisioning.admin.configuration.things import thing_of
from provisioning.contracts.models import Department, Location
from provisioning.events.models import Subscription
from provisioning.gateway import enrolment
from provisioning.gateway.models import Gateway, Machine
from provisioning.guard.models import DoorLimits
from provisioning.models import AttributeDefinition, Group, User
from provisioning.requests.models import Product, Substitute
from provisioning.rules.models import BusinessRule
from provisioning.second_person import DOOR_LABELS
from provisioning.tokens.models import ApiToken
from reports.models import Evidence, EvidenceKind
from scim.models import Client
from tests.config.sso.test_sso import FORM as PROVIDER
from tests.provisioning.admin import roll
from tests.provisioning.admin.pages import form_values
from tests.provisioning.requests.test_admin import form as product_form
from tests.provisioning.rules.test_pages import FORM as RULE

pytestmark = pytest.mark.django_db

DATA = "data about people, whose every change is a line of the report"
KEPT = "the portal writes it by itself, and people only look, or act on people and accounts, each a line of the report"
EXEMPT = {
    "provisioning.user": DATA,
    "contracts.contract": DATA,
    "contracts.sourcerecord": KEPT,
    "recycle.deleteduser": KEPT,
    "provisioning.scheduleddeletion": KEPT,
    "receipts.receipt": KEPT,
    "requests.productrequest": KEPT,
    "provisioning.importrun": KEPT,
    "provisioning.change": KEPT,
    "provisioning.groupchange": KEPT,
    "reconciliation.reconcilerun": KEPT,
    "restore.helddirectory": KEPT,
    "reports.event": KEPT,
    "reports.evidence": KEPT,
    "provisioning.appliedblueprint": "taking one back changes what has lines of its own",
    "notices.notice": "notices are each person's own",
}
Step = tuple[str, dict[str, Any]]


def steps_of_role(client: Browser) -> Iterator[Step]:
    right = Permission.objects.get(codename="view_user", content_type__app_label="provisioning")
    yield "/portal/role/add/", {"name": "Readers"}
    pk = Role.objects.get(name="Readers").pk
    yield f"/portal/role/{pk}/change/", {"name": "Watchers", "permissions": [right.pk]}
    yield f"/portal/role/{pk}/delete/", {"told": ending.digest(ending.uses(Role.objects.get(pk=pk)))}


def steps_of_mailed_report(client: Browser) -> Iterator[Step]:
    boss = User.objects.create_superuser("boss", email="boss@example.org")
    data = {"overview": "turnover", "rhythm": "weekly", "recipients": [boss.pk]}
    yield "/portal/scheduledreport/add/", data
    pk = ScheduledReport.objects.get().pk
    yield f"/portal/scheduledreport/{pk}/change/", {**data, "rhythm": "monthly"}
    yield f"/portal/scheduledreport/{pk}/delete/", {"post": "yes"}


def steps_of_sign_in(client: Browser) -> Iterator[Step]:
    yield "/signin/signinsettings/", {"self_service": "on"}
    yield "/signin/signinsettings/", {}


def steps_of_provider(client: Browser) -> Iterator[Step]:
    yield "/sso/identityprovider/add/", PROVIDER
    pk = IdentityProvider.objects.get().pk
    yield f"/sso/identityprovider/{pk}/change/", {**PROVIDER, "client_secret": "", "name": "Entra ID"}
    yield f"/sso/identityprovider/{pk}/delete/", {"post": "yes"}


def steps_of_staff(client: Browser) -> Iterator[Step]:
    role = Role.objects.order_by("pk").first()
    assert role is not None
    names = {"username": "helen", "first_name": "Helen", "last_name": "Desk", "email": "h@example.org"}
    yield "/portal/staff/add/", {**names, "role": str(role.pk)}
    pk = User.objects.get(username="helen").pk
    yield f"/provisioning/user/{pk}/change/", roll.form(first_name="Helen", last_name="Desk", is_superuser="on")


def steps_of_attribute(client: Browser) -> Iterator[Step]:
    data = {"label": "Size", "name": "size", "type": "text", "choices": "", "position": "0"}
    yield "/provisioning/attributedefinition/add/", data
    pk = AttributeDefinition.objects.get().pk
    yield f"/provisioning/attributedefinition/{pk}/change/", {**data, "label": "Shoe size"}
    yield f"/provisioning/attributedefinition/{pk}/delete/", {"post": "yes"}


def steps_of_department(client: Browser) -> Iterator[Step]:
    data = {"external_id": "1", "name": "Care", "code": "C"}
    yield "/contracts/department/add/", data
    pk = Department.objects.get().pk
    yield f"/contracts/department/{pk}/change/", {**data, "name": "Health"}
    yield f"/contracts/department/{pk}/delete/", {"post": "yes"}


def steps_of_location(client: Browser) -> Iterator[Step]:
    data = {"external_id": "1", "name": "Quay", "time_zone": "Europe/Amsterdam"}
    yield "/contracts/location/add/", data
    pk = Location.objects.get().pk
    yield f"/contracts/location/{pk}/change/", {**data, "time_zone": "Europe/Berlin"}
    yield f"/contracts/location/{pk}/delete/", {"post": "yes"}


def steps_of_order(client: Browser) -> Iterator[Step]:
    yield "/contracts/primaryorder/", {"field": ["fte"], "direction": ["highest"]}
    yield "/contracts/primaryorder/", {"field": ["hours"], "direction": ["highest"]}


def steps_of_directory(client: Browser) -> Iterator[Step]:
    added = "/directories/directory/add/?kind=push"
    yield added, {**form_values(client.get(added)), "name": ["HR"]}
    pk = Directory.objects.get().pk
    page = f"/directories/directory/{pk}/change/"
    yield page, {**form_values(client.get(page)), "description": ["What HR pushes."]}
    tokens = f"/directories/directory/{pk}/tokens/"
    yield tokens, {"do": "make", "label": "Payroll", "days": "30"}
    yield tokens, {"do": "withdraw", "token": PushToken.objects.get().pk}
    yield f"/directories/directory/{pk}/delete/", {"post": "yes"}


def steps_of_subscription(client: Browser) -> Iterator[Step]:
    data = {
        **{"name": "SIEM", "url": "https://siem.example.org/hook", "envelope": "webhook", "kinds": ["user.created"]},
        **{"fields_sent": ["profile.username"], "give_up_days": 5, "_save": "1"},
    }
    yield "/events/subscription/add/", data
    pk = Subscription.objects.get().pk
    yield f"/events/subscription/{pk}/change/", {**data, "give_up_days": 6}
    yield f"/events/subscription/{pk}/delete/", {"post": "yes"}


def steps_of_gateway(client: Browser) -> Iterator[Step]:
    yield "/gateway/gateway/add/", {"name": "hospital", "description": ""}
    gateway = Gateway.objects.get()
    yield f"/gateway/gateway/{gateway.pk}/change/", {"description": "In the basement"}
    yield f"/gateway/gateway/{gateway.pk}/code/", {}
    machine = Machine.objects.create(gateway=gateway, name="m1", public_key="p", portal_key="k")
    enrolment.record(gateway, "The machine m1 was enrolled for the gateway hospital.", "root")
    yield f"/gateway/gateway/{gateway.pk}/machines/{machine.pk}/withdraw/", {}
    yield f"/gateway/gateway/{gateway.pk}/delete/", {"post": "yes"}


def steps_of_group(client: Browser) -> Iterator[Step]:
    crm = roll.directory("CRM", sync_groups=True, push_groups="chosen")
    yield "/provisioning/group/add/", {"name": "Guards", "description": ""}
    pk = Group.objects.get().pk
    yield f"/provisioning/group/{pk}/change/", {"name": "Guards", "description": "", "directories": [crm.pk]}
    yield "/provisioning/group/", {"action": "mark_privileged", "_selected_action": [pk]}
    yield f"/provisioning/group/{pk}/delete/", {"post": "yes"}


def steps_of_limits(client: Browser) -> Iterator[Step]:
    data = {name: getattr(DoorLimits(), name) for name in DOOR_LABELS}
    yield "/guard/doorlimits/", {**data, "max_off": 7}
    yield "/guard/doorlimits/", {**data, "max_off": 9}


def steps_of_product(client: Browser) -> Iterator[Step]:
    data = product_form(step_kind=["manager", "", "", ""], step_who=[""] * 4)
    yield "/requests/product/add/", data
    pk = Product.objects.get().pk
    yield f"/requests/product/{pk}/change/", {**data, "name": "Remote access"}
    yield f"/requests/product/{pk}/remove/", {"how": "revoke"}


def steps_of_substitute(client: Browser) -> Iterator[Step]:
    ann, ben = roll.person("ann"), roll.person("ben")
    today = timezone.localdate()
    data = {"user": ann.pk, "substitute": ben.pk, "starts": str(today), "ends": str(today + dt.timedelta(days=3))}
    yield "/requests/substitute/add/", data
    pk = Substitute.objects.get().pk
    yield f"/requests/substitute/{pk}/change/", {**data, "ends": str(today + dt.timedelta(days=9))}
    yield f"/requests/substitute/{pk}/delete/", {"post": "yes"}


def steps_of_rule(client: Browser) -> Iterator[Step]:
    services.save_group(Group(name="Ward staff"), "root")
    yield "/rules/businessrule/add/", RULE
    pk = BusinessRule.objects.get().pk
    yield f"/rules/businessrule/{pk}/change/", {**RULE, "name": "Care staff"}
    yield f"/rules/businessrule/{pk}/decide/publish/", {}
    yield f"/rules/businessrule/{pk}/decide/remove/", {"how": "revoke"}


def steps_of_token(client: Browser) -> Iterator[Step]:
    yield "/tokens/apitoken/make/", {"name": "sync", "days": "90", "users": "read"}
    yield f"/tokens/apitoken/{ApiToken.objects.get().pk}/revoke/", {}


def steps_of_application(client: Browser) -> Iterator[Step]:
    yield "/scim/client/add/", {"name": "Okta", "provider": ""}
    pk = Client.objects.get().pk
    yield f"/scim/client/{pk}/disable/", {}
    yield f"/scim/client/{pk}/delete/", {"post": "yes"}


STEPS: Mapping[str, Callable[[Browser], Iterator[Step]]] = {
    "portal.role": steps_of_role,
    "portal.scheduledreport": steps_of_mailed_report,
    "portal.staff": steps_of_staff,
    "signin.signinsettings": steps_of_sign_in,
    "sso.identityprovider": steps_of_provider,
    "provisioning.attributedefinition": steps_of_attribute,
    "provisioning.group": steps_of_group,
    "contracts.department": steps_of_department,
    "contracts.location": steps_of_location,
    "contracts.primaryorder": steps_of_order,
    "directories.directory": steps_of_directory,
    "events.subscription": steps_of_subscription,
    "gateway.gateway": steps_of_gateway,
    "guard.doorlimits": steps_of_limits,
    "requests.product": steps_of_product,
    "requests.substitute": steps_of_substitute,
    "rules.businessrule": steps_of_rule,
    "tokens.apitoken": steps_of_token,
    "scim.client": steps_of_application,
}


def test_each_model_of_the_admin_has_its_steps_or_a_reason() -> None:
    assert get_resolver().url_patterns  # the portal's pages are registered when its addresses are read
    registered = {model._meta.label_lower for model in admin.site._registry}
    assert registered - set(STEPS) == set(EXEMPT) & registered
    assert set(STEPS) <= registered


@pytest.mark.parametrize("label", STEPS)
def test_what_people_do_leaves_a_row_with_before_and_after(label: str) -> None:
    client, subjects, changes = roll.root(), set[str](), list[Any]()
    kept = Evidence.objects.filter(kind=EvidenceKind.CONFIGURATION)
    for address, data in STEPS[label](client):
        last = kept.order_by("-seq").values_list("seq", flat=True).first() or 0
        answer = client.post(address, data)
        assert answer.status_code in (200, 302), (address, answer.content.decode()[-3000:])
        rows = list(kept.filter(seq__gt=last))
        assert rows, (address, answer.status_code, answer.content.decode()[-3000:])
        assert all(thing_of(row.subject) for row in rows)
        assert {row.actor for row in rows} == {"root"}
        row = rows[-1]
        subjects.add(row.subject)
        changes.append((address, row.payload["changes"]))
    assert len(subjects) == 1, "one history of one thing"
    assert any(before is not None and after is not None for _, pairs in changes[1:] for before, after in pairs.values())
    empty = [address for address, pairs in changes if not pairs and not address.endswith("/code/")]
    assert not empty
    if changes[-1][0].endswith(("/delete/", "/remove/")):
        assert all(after is None for _, after in changes[-1][1].values())

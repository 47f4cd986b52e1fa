"""Every page, wide and narrow, dark and light: nothing sticks out, nothing fails, and axe finds nothing serious."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from config.overviews.pages import OVERVIEWS
from directories.models import Directory, PushToken, QueryTemplate
from provisioning import directory_settings, services
from provisioning.contracts.models import Contract, Department, PlannedDepartment, SourceRecord
from provisioning.events.models import Attempt, EventDelivery, OutgoingEvent, Stream, Subscription
from provisioning.imports import engine
from provisioning.models import (
    Account,
    Change,
    Group,
    GroupAccount,
    GroupChange,
    Membership,
    Nesting,
    PlannedChange,
    User,
)
from provisioning.requests import services as requests
from provisioning.requests.products import ProductDraft
from provisioning.requests.products import save as save_product
from provisioning.rules.models import Entitlement, Granted
from provisioning.rules.services import RuleDraft
from reports.models import Evidence, SavedFilter
from scim.models import RequestLog
from scim.upkeep import clients
from tests.browser.conftest import NARROW, WIDE, darken, settled, sticking_out
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb, save_directory
from tests.provisioning.rules.conftest import rule

PAGES = (
    "index",
    "provisioning_user_changelist",
    "provisioning_user_add",
    "provisioning_user_import",
    "provisioning_user_export",
    "provisioning_group_changelist",
    "provisioning_group_add",
    "directories_directory_changelist",
    "directories_directory_add",
    "gateway_gateway_changelist",
    "gateway_gateway_add",
    "scim_client_changelist",
    "scim_client_add",
    "provisioning_importrun_start",
    "provisioning_importrun_changelist",
    "reports_event_changelist",
    "provisioning_user_past",
    "provisioning_user_duplicates",
    "contracts_department_changelist",
    "contracts_department_add",
    "contracts_location_changelist",
    "contracts_location_add",
    "contracts_contract_changelist",
    "contracts_primaryorder_changelist",
    "contracts_sourcerecord_changelist",
    "rules_businessrule_changelist",
    "rules_businessrule_add",
    "rules_businessrule_grid",
    "rules_businessrule_matrix",
    "rules_businessrule_people",
    "rules_businessrule_findings",
    "rules_businessrule_accounts",
    "events_subscription_changelist",
    "events_subscription_add",
    "requests_product_changelist",
    "requests_product_add",
    "requests_productrequest_changelist",
    "requests_substitute_changelist",
    "requests_substitute_add",
    "provisioning_scheduleddeletion_changelist",
    "receipts_receipt_changelist",
    "receipts_receipt_compare",
    "reports_evidence_changelist",
    "reconciliation_reconcilerun_changelist",
    "recycle_deleteduser_changelist",
    "provisioning_appliedblueprint_changelist",
    "guard_doorlimits_changelist",
    "notices_notice_choices",
    "provisioning_change_changelist",
    "provisioning_attributedefinition_changelist",
    "provisioning_attributedefinition_add",
    "portal_role_changelist",
    "portal_role_add",
    "portal_staff_changelist",
    "portal_staff_add",
    "portal_scheduledreport_changelist",
    "portal_scheduledreport_add",
    "signin_signinsettings_changelist",
    "sso_identityprovider_changelist",
    "sso_identityprovider_add",
    "tokens_apitoken_changelist",
)
OWN_PAGES = ("my_account", "my_password", "my_sessions", "my_second_factor", "mfa_activate_totp", "mfa_add_webauthn")
TABS = ("connection", "templates", "mapping", "features", "health")
USER_TABS = ("contracts", "rules", "accounts", "groups")
SOURCES = ("http_json", "files", "script", "push", "script_target")  # the kinds that a form alone sets up
SCIM_TABS = ("connection", "mapping", "features", "log", "activity")
COLOURS = ["color-contrast", "link-in-text-block"]  # what differs between the themes
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Links that lead nowhere or that the keyboard does not reach, and names of columns without their capital letter.
DEAD = """
() => [
    ...[...document.querySelectorAll("a[href=''], a:not([href]):not([tabindex])")].filter((link) => link.offsetParent),
    ...[...document.querySelectorAll("#result_list [data-label]")].filter((cell) => /^[a-z]/.test(cell.dataset.label)),
].map((element) => `dead or nameless: ${element.outerHTML.slice(0, 200)}`)
"""
RIGHTS = "/portal/role/add/"  # boxes to tick reach below the bar of buttons, which axe takes for too little room
PARTS = 3  # of the pages, so that several workers look at them
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"


@pytest.fixture
def addresses(transactional_db: None, sqlite_directory: Database) -> list[str]:
    """The pages of a portal where an import, a preview and a refusal happened to a name without a place to break it."""
    appsdb = make_appsdb(sqlite_directory)
    appsdb.add(LONG.lower(), LONG, LONG, f"{LONG.lower()}@example.org")
    directory = save_directory(appsdb, name=LONG, import_users=True, create_users=True)
    runs = []
    for preview in (False, True):
        runs.append(services.start_import(directory, preview=preview, actor="root"))
        engine.execute(runs[-1].pk)
        appsdb.execute("UPDATE USERS SET LASTNAME = %s", LONG * 2)
    account = Account.objects.get()
    refused = {"parked": timezone.now(), "parked_code": "too_long", "parked_message": f"{LONG} is too long."}
    Change.objects.create(account=account, directory=directory, reason="user saved", **refused)
    application = clients.add(LONG, "root").client
    asked = {"method": "GET", "path": f"/scim/v2/Users?filter=userName%20eq%20%22{LONG * 3}%22", "done": LONG * 3}
    RequestLog.objects.create(client=application, status=400, milliseconds=5, response_body=LONG * 20, **asked)
    groups = [
        Group.objects.create(name=LONG, description=LONG * 3),
        Group.objects.create(name=LONG[1:], owner=directory),
    ]
    Membership.objects.bulk_create(Membership(group=group, user=account.user) for group in groups)
    Nesting.objects.create(parent=groups[0], child=groups[1])
    department = Department.objects.create(source=directory, external_id=LONG, name=LONG, manager_ref=LONG)
    contract = Contract.objects.create(account=account, external_id=LONG, title=LONG, department=department)
    raw = {"values": {LONG: LONG * 5}, "contracts": [[LONG, {LONG: LONG * 5}, ""]]}
    said = SourceRecord.objects.create(
        source=directory, remote_id=LONG, key=LONG, raw=raw, blocked=True, reason=f"{LONG} is blocked."
    )
    PlannedDepartment.objects.create(run=runs[1], number=LONG, name=LONG, parent=LONG, head=LONG, problem=LONG * 2)
    whole = {"contract:1": {"title": LONG}}
    PlannedChange.objects.create(run=runs[1], action="update", key=LONG, before=whole, after={"contract:1": None})
    PlannedChange.objects.create(run=runs[1], action="block", key=LONG, message=f"{LONG} is blocked.")
    held = GroupAccount.objects.create(directory=directory, group=groups[0], key=LONG)
    left = {"state": "active", "remote_id": "7", "pushed_digest": "x"}  # by a deleted group, to be taken over
    GroupAccount.objects.create(directory=directory, key=LONG, **left)
    GroupChange.objects.create(group_account=held, directory=directory, reason="group saved", **refused)
    given = rule(LONG, f'user.title eq "{LONG * 3}"', directory, groups[0], ("profile.title", LONG), category=LONG)
    former = Group.objects.create(name="Former")
    stopped = rule(LONG[1:], 'user.groups eq "Former"', ("profile.title", LONG * 2), position=200)
    former.delete()
    for entitlement in Entitlement.objects.all():
        Granted.objects.create(user=account.user, entitlement=entitlement, contract=contract, wins=False)
    receiver = Subscription.objects.create(name=LONG, url=f"https://{LONG}.example.com", kinds=["user.created"])
    told = OutgoingEvent.objects.create(kind="user.created", subject="user 1", identifier=LONG, told=True)
    stream = Stream.objects.create(subscription=receiver, subject="user 1")
    EventDelivery.objects.create(subscription=receiver, stream=stream, event=told, reason="user.created", **refused)
    Attempt.objects.create(
        subscription=receiver, event=told.pk, ident=told.ident, kind=LONG[:32], identifier=LONG, words=LONG * 5
    )
    fields = [{"label": LONG, "kind": "choice", "choices": [LONG]}]
    wanted = save_product(
        None,
        ProductDraft(
            rule=RuleDraft(LONG, LONG, groups=[groups[0].pk], by_request=True),
            text=LONG * 3,
            risk=LONG * 3,
            owner=account.user_id,
            groups=[groups[0].pk],
            fields=fields,
            days=30,
            most=3,
        ),
        LONG,
    )
    person = account.user
    assert person is not None
    asked = requests.ask(wanted, [person], person, [(LONG, LONG * 2)], LONG * 3).made[0]
    others = [Directory.objects.create(name=kind, kind=kind) for kind in ("ldap", "active_directory")]
    files = Directory.objects.create(name="Files", kind="files", settings={"file": f"{LONG}-*.csv"})
    moved = Directory.objects.create(name="Moved", kind="gateway", settings={"gateway": LONG, "name": LONG})
    pushes = Directory.objects.create(name="Pushes", kind="push")
    PushToken.objects.create(directory=pushes, label=LONG, digest="x", expires_at=timezone.now())
    PushToken.objects.create(directory=pushes, label=LONG, digest="y")
    twin = User.objects.create(username=f"{LONG.lower()}2", first_name=LONG, last_name=LONG, department=LONG)
    leaver = User.objects.create(username=f"{LONG.lower()}3", first_name=LONG, last_name=LONG, department=LONG)
    services.delete_users([leaver.pk], LONG, by_person=True)
    directory_settings.record(directory, f"{LONG} added it.", LONG)
    QueryTemplate.objects.filter(directory=directory).update(sql=f"SELECT {LONG}\nFROM {LONG * 3}")
    directory_settings.record(directory, f"{LONG} changed it.", LONG)
    subject = f"directory {directory.pk}"
    versions = list(Evidence.objects.filter(subject=subject).order_by("seq").values_list("seq", flat=True))
    evidence = reverse("admin:reports_evidence_changelist")
    scim_page = reverse("admin:scim_client_change", args=[application.pk])
    page = reverse("admin:directories_directory_change", args=[directory.pk])
    return [
        *(reverse(f"admin:{name}") for name in PAGES),
        *(reverse(name) for name in OWN_PAGES),
        reverse("admin:provisioning_user_gone", args=[leaver.pk]),
        f"{evidence}?subject={subject.replace(' ', '+')}",
        f"{evidence}compare/?one={versions[-2]}&other={versions[-1]}",
        reverse("admin:reports_evidence_put_back", args=[versions[-2]]),
        reverse("overviews"),
        *(reverse("overview", args=[name]) for name in OVERVIEWS),
        reverse("overview_licences_edit", args=[directory.pk]),
        f"{reverse('admin:reports_event_changelist')}?result=skipped",
        *(reverse("admin:provisioning_importrun_change", args=[run.pk]) for run in runs),
        *(f"{page}#{tab}" for tab in TABS),
        *(f"{scim_page}#{tab}" for tab in SCIM_TABS),
        *(
            f"{reverse('admin:directories_directory_change', args=[other.pk])}#{tab}"
            for other in others
            for tab in TABS
            if tab != "templates"
        ),
        *(reverse("admin:provisioning_group_change", args=[group.pk]) for group in groups),
        reverse("admin:provisioning_groupchange_changelist"),
        reverse("admin:contracts_contract_change", args=[contract.pk]),
        reverse("admin:contracts_sourcerecord_change", args=[said.pk]),
        reverse("admin:contracts_department_change", args=[department.pk]),
        reverse("admin:auth_user_password_change", args=[account.user_id]),
        reverse("admin:scim_client_delete", args=[application.pk]),
        *(reverse(f"admin:events_subscription_{name}", args=[receiver.pk]) for name in ("change", "log", "given_up")),
        reverse("admin:rules_businessrule_change", args=[given.pk]),
        reverse("admin:rules_businessrule_change", args=[stopped.pk]),
        *(reverse("admin:rules_businessrule_decide", args=[given.pk, what]) for what in ("publish", "unpublish")),
        reverse("admin:requests_product_change", args=[wanted.pk]),
        reverse("admin:requests_product_remove", args=[wanted.pk]),
        reverse("admin:requests_productrequest_change", args=[asked.pk]),
        f"{reverse('my:home')}?for={person.pk}",
        f"{reverse('my:catalogue')}?for={person.pk}",
        f"{reverse('my:product', args=[wanted.pk])}?for={person.pk}",
        reverse("my:request", args=[asked.pk]),
        f"{reverse('my:team')}?q=donau",
        *(f"{reverse('admin:directories_directory_add')}?kind={kind}" for kind in SOURCES),
        reverse("admin:directories_directory_upload", args=[files.pk]),
        *(reverse("admin:directories_directory_move", args=[one.pk]) for one in (directory, moved)),
        reverse("admin:directories_directory_tokens", args=[pushes.pk]),
        f"{reverse('admin:directories_directory_change', args=[pushes.pk])}#connection",
        f"{reverse('admin:provisioning_user_merge')}?goes={twin.username}&stays={LONG.lower()}",
        *(reverse(f"admin:provisioning_user_{name}", args=[account.user_id]) for name in ("why", "leave")),
        reverse("admin:provisioning_user_change", args=[account.user_id]),
        *(f"{reverse('admin:provisioning_user_change', args=[account.user_id])}#{tab}" for tab in USER_TABS),
        reverse("admin:provisioning_user_delete", args=[account.user_id]),
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_is_for_everybody(
    page: Page, sign_in: Callable[[Page, User], None], addresses: list[str], problems: list[str], part: int
) -> None:
    """The fixture ``problems`` fails the test on any script error, console error or failed request."""
    faults: dict[str, str] = {}  # each with the first page that has it
    if part == 0:
        look_at(page, "/login/", faults)
    root = User.objects.create_superuser("root")
    SavedFilter.objects.create(user=root, name=LONG, filters={"result": "failed"})
    sign_in(page, root)
    for address in addresses[part::PARTS]:
        look_at(page, address, faults)
    page.goto("about:blank")
    assert not faults, "\n".join(f"{where}: {fault}" for fault, where in faults.items())


def look_at(page: Page, address: str, faults: dict[str, str]) -> None:
    """Note what is wrong with a page, in both themes."""
    page.goto("about:blank")
    page.goto(address)
    settled(page)
    for dark in (True, False):
        darken(page, dark)
        page.set_viewport_size(NARROW)
        found = [f"sticks out: {element}" for element in sticking_out(page)[-3:]]
        if not dark:
            page.set_viewport_size(WIDE)
        found += axe_faults(page, only_colours=dark or address == RIGHTS)
        found += page.evaluate(DEAD)
        for fault in found:
            faults.setdefault(fault, f"{address} {'dark' if dark else 'light'}")


def axe_faults(page: Page, *, only_colours: bool) -> list[str]:
    """Return what axe finds that is serious or critical: the rule, the element and what is wrong with it."""
    chosen = {"type": "rule", "values": COLOURS} if only_colours else {"type": "tag", "values": STANDARDS}
    found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": chosen}).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for fault in found
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]

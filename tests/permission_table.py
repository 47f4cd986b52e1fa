"""Who may do what on each address of the portal: the expectation that ``tests/test_permissions.py`` checks.

One letter a role: S superuser, I IT staff, H helpdesk, A auditor, N staff without a role. An address that is not in
the table fails the test, and so does an entry without an address.
"""

from dataclasses import dataclass

EVERYONE = "SIHAN"


@dataclass(frozen=True)
class Rule:
    """``read``: who gets an answer to GET; ``write``: to an empty POST. The others are refused.

    A method that an address does not know (405) is refused to all alike and not looked at.
    """

    read: str
    write: str


def model(folder: str, view: str, add: str, change: str, delete: str, history: str = "") -> dict[str, Rule]:
    """Return the rules of the six pages that Django's admin has for a model; ``history``: who sees it, if not all."""
    item = f"{folder}<path:object_id>/"
    return {
        folder: Rule(view, view),
        f"{folder}add/": Rule(add, add),
        f"{item}history/": Rule(history or view, history or view),
        f"{item}delete/": Rule(delete, delete),
        f"{item}change/": Rule(view, change),
        item: Rule(EVERYONE, EVERYONE),  # leads to the change page, which asks
    }


def action(route: str, who: str) -> dict[str, Rule]:
    """Return the rule of an address that the same people may GET and POST."""
    return {route: Rule(who, who)}


# Addresses outside the admin, which ask nobody to sign in; their own tests say what they show.
GATEWAY_DOOR = {"api/v1/gateway/enrol", "api/v1/gateway/exchange"}  # asks machines for a code and for signatures
OPEN = {
    "api/v1/",
    "healthz",
    "readyz",
    "metrics",
    "scim/token",
    "events/keys.json",
    "admin/",
    "welcome/<uidb64>/<token>/",
    *GATEWAY_DOOR,
    *("login/forgotten/", "login/again/", "login/again/password/", "login/second/", "login/passkey/"),
    *("login/again/code/", "login/again/passkey/", "login/with/<slug:slug>/", "login/with/<slug:slug>/back/"),
}
OPEN_BELOW = "^scim/"  # the SCIM service asks applications for a token, not people for a session

PORTAL = {
    "": Rule(EVERYONE, EVERYONE),
    "login/": Rule(EVERYONE, EVERYONE),
    "logout/": Rule(EVERYONE, EVERYONE),
    "<slug:app>/<slug:model>/<path:object_id>/history/": Rule(
        EVERYONE, EVERYONE
    ),  # asks as the page does that it is of
    "start/": Rule(EVERYONE, EVERYONE),  # shows what the role may see
    "search/": Rule(EVERYONE, EVERYONE),  # shows what the role may see
    "password_change/": Rule(EVERYONE, EVERYONE),
    "password_change/done/": Rule(EVERYONE, EVERYONE),
    "jsi18n/": Rule(EVERYONE, EVERYONE),
    "autocomplete/": Rule("", ""),  # without parameters nothing; see test_autocomplete_asks_for_rights
    "(?P<url>.*)$": Rule(EVERYONE, EVERYONE),
    **action("r/<path:content_type_id>/<path:object_id>/", EVERYONE),
}

PEOPLE = {
    **model("provisioning/user/", view="SIHA", add="SI", change="SI", delete="SI"),
    **action("provisioning/user/import/", "SI"),
    **action("provisioning/user/process_import/", "SI"),
    **action("provisioning/user/export/", "SIHA"),
    "provisioning/user/<path:object_id>/accounts/": Rule("SIHA", "SI"),  # POST retries and syncs
    **action("provisioning/user/<path:object_id>/leave/", "SI"),
    "provisioning/user/<path:object_id>/groups/": Rule("SIHA", ""),
    "provisioning/user/<path:object_id>/happened/": Rule("SIHA", ""),
    "provisioning/user/deleted/<int:user_id>/": Rule("SIHA", "SIHA"),
    "provisioning/user/deleted/<int:user_id>/happened/": Rule("SIHA", "SIHA"),
    "provisioning/user/<path:object_id>/sources/": Rule("SIHA", ""),
    "provisioning/user/<path:object_id>/rename/": Rule("SI", "SI"),
    "provisioning/user/duplicates/": Rule("SI", ""),
    **action("provisioning/user/merge/", "SI"),
    "provisioning/user/as-of/": Rule("SIHA", ""),
    "provisioning/user/<path:object_id>/why/": Rule("SIHA", ""),
    "provisioning/user/<path:object_id>/on-demand/<int:directory_id>/": Rule("SIHA", "SI"),  # POST does it
    "provisioning/group/<path:object_id>/panel/": Rule("SIHA", "SI"),  # POST takes a group out
    **action("provisioning/user/<id>/password/", "SI"),
    **model("provisioning/group/", view="SIHA", add="SI", change="SI", delete="SI", history="SIA"),
    **model("provisioning/attributedefinition/", view="SIA", add="SI", change="SI", delete="SI"),
    **action("provisioning/appliedblueprint/", "SIA"),
    **action("provisioning/appliedblueprint/<int:number>/undo/", "SI"),
    **model("portal/role/", view="SA", add="S", change="S", delete="S"),
    **action("portal/role/<path:object_id>/copy/", "S"),
    **action("portal/staff/", "SA"),
    **action("portal/staff/add/", "S"),
    **action("portal/staff/<int:object_id>/link/", "S"),
    "portal/staff/<int:object_id>/roles/": Rule("SA", "S"),
    "portal/staff/<int:object_id>/roles/<int:grant_id>/take/": Rule("", "S"),
    **action("portal/staff/<int:object_id>/second-factor/", "S"),
}

DIRECTORIES = {
    **model("directories/directory/", view="SIA", add="SI", change="SI", delete="SI"),
    **action("directories/directory/<int:object_id>/health/", "SIA"),
    **action("directories/directory/<int:object_id>/recompute/", "SIA"),
    **{
        rule: who
        for name in ("test", "url", "suggest", "sample", "entry", "try", "people", "panel/<slug:panel>")
        for rule, who in action(f"directories/directory/fragment/{name}/", "SI").items()
    },
    **{
        rule: who
        for name in (
            "make-default",
            "clone",
            "enable",
            "disable",
            "push",
            "undo-pushes",
            "second-person",
            "upload",
            "tokens",
            "move",
        )
        for rule, who in action(f"directories/directory/<int:object_id>/{name}/", "SI").items()
    },
}

GATEWAYS = {
    **model("gateway/gateway/", view="SIA", add="SI", change="SI", delete="SI"),
    "gateway/gateway/<int:pk>/code/": Rule("", "SI"),
    **action("gateway/gateway/<int:pk>/machines/", "SIA"),
    **action("gateway/gateway/<int:pk>/machines/<int:machine_pk>/withdraw/", "SI"),
}

RUN = "provisioning/importrun/<int:run_id>/"
IMPORTS = {
    **model("provisioning/importrun/", view="SIA", add=EVERYONE, change="SIA", delete=""),  # "add" leads to the start
    **action("provisioning/importrun/start/", "SI"),
    **action(f"{RUN}progress/", "SIA"),
    **action(f"{RUN}cancel/", "SI"),
    **action(f"{RUN}approve/", "SI"),
    **action(f"{RUN}refuse/", "SI"),
    **action(f"{RUN}undo/", "SI"),
    **action(f"{RUN}plan.csv", "SIA"),
}

RECYCLE = {
    **model("recycle/deleteduser/", view="SIA", add="", change="", delete=""),
    **action("recycle/deleteduser/<int:row_id>/restore/", "SI"),
}

CONTRACTS = {
    "provisioning/user/<path:object_id>/contracts/": Rule("SIHA", ""),
    **model("contracts/contract/", view="SIHA", add="SI", change="SI", delete="SI"),
    **model("contracts/department/", view="SIHA", add="SI", change="SI", delete="SI", history="SIA"),
    **model("contracts/location/", view="SIHA", add="SI", change="SI", delete="SI", history="SIA"),
    **model("contracts/sourcerecord/", view="SIA", add="", change="", delete=""),
    **model("contracts/primaryorder/", view="SIA", add="", change="SIA", delete=""),
    "contracts/primaryorder/": Rule("SIA", "SI"),  # the settings: POST saves them
    "provisioning/user/<path:object_id>/rules/": Rule("SIHA", ""),
    **model("rules/businessrule/", view="SIA", add="SI", change="SI", delete="SI"),
    "rules/businessrule/fragment/": Rule("", "SIA"),  # counts for whom a condition holds, and writes nothing
    "rules/businessrule/evaluate/": Rule("", "SI"),
    "rules/businessrule/people/": Rule("SIA", "SIA"),
    "rules/businessrule/grid/": Rule("SIA", "SIA"),
    "rules/businessrule/grid/export/": Rule("SIA", "SIA"),
    "rules/businessrule/matrix/": Rule("SIA", "SIA"),
    "rules/businessrule/findings/": Rule("SIA", "SIA"),
    "rules/businessrule/accounts/": Rule("SIA", "SI"),
    "rules/businessrule/<path:object_id>/decide/<str:what>/": Rule("SI", "SI"),
}

RECEIVERS = "events/subscription/"
RECEIVER = f"{RECEIVERS}<int:object_id>/"
EVENTS = {
    **model(RECEIVERS, view="SIA", add="SI", change="SI", delete="SI"),
    **action(f"{RECEIVER}test/", "SI"),
    **action(f"{RECEIVER}switch/", "SI"),
    **action(f"{RECEIVER}try/", "SI"),
    **action(f"{RECEIVER}show/", "SI"),
    **action(f"{RECEIVER}rotate/", "SI"),
    **action(f"{RECEIVER}again/", "SI"),
    **action(f"{RECEIVER}given-up/decide/", "SI"),
    **action(f"{RECEIVER}given-up/", "SIA"),
    **action(f"{RECEIVER}log/", "SIA"),
    **action(f"{RECEIVERS}new-key/", "SI"),
}

REQUESTS = {
    **model("requests/product/", view="SIHA", add="SI", change="SI", delete="SI", history="SIA"),
    "requests/product/fragment/": Rule("", "SIHA"),  # counts for whom a condition holds, and writes nothing
    **action("requests/product/<path:object_id>/remove/", "SI"),
    **model("requests/productrequest/", view="SIHA", add="", change="SIHA", delete=""),
    "requests/productrequest/<int:pk>/end/": Rule("", "SIH"),
    **model("requests/substitute/", view="SIA", add="SI", change="SI", delete="SI"),
}
# Pages of self-service: whoever is signed in opens them, and sees their own; see tests/provisioning/requests.
MY = {
    rule: who
    for name in (
        "",
        "access/<int:pk>/return/",
        "catalogue/",
        "catalogue/<int:pk>/",
        "catalogue/<int:pk>/picture/",
        "requests/",
        "requests/<int:pk>/",
        "requests/<int:pk>/withdraw/",
        "approvals/",
        "approvals/substitutes/",
        "approvals/<int:pk>/",
        "decide/<str:token>/",
        "team/",
    )
    for rule, who in action(f"my/{name}", EVERYONE).items()
}

RECONCILED = "reconciliation/reconcilerun/"
RECONCILIATION = {
    **model(RECONCILED, view="SIA", add="", change="SIA", delete=""),
    **action(f"{RECONCILED}start/<int:directory_id>/", "SI"),
    f"{RECONCILED}settings/<int:directory_id>/": Rule("SIA", "SI"),
    **action(f"{RECONCILED}<int:run_id>/progress/", "SIA"),
    **action(f"{RECONCILED}<int:run_id>/cancel/", "SI"),
    **action(f"{RECONCILED}<int:run_id>/act/", "SI"),
}

OPERATIONS = {
    **action("provisioning/scheduleddeletion/", "SIHA"),
    **action("provisioning/scheduleddeletion/decide/", "SI"),
    **action("provisioning/change/", "SIA"),
    **action("provisioning/change/decide/", "SI"),
    **action("provisioning/change/retry/", "SI"),
    **action("provisioning/change/try/", "SI"),
    **action("provisioning/groupchange/", "SIA"),
    **action("provisioning/groupchange/decide/", "SI"),
    **action("provisioning/groupchange/retry/", "SI"),
    **action("provisioning/groupchange/try/", "SI"),
}

LOOK_FIRST = {
    **model("guard/doorlimits/", view="SIA", add="", change="SI", delete=""),
    "guard/doorlimits/": Rule("SIA", "SI"),  # the one page itself
    **action("guard/doorlimits/second-person/", "SI"),
    **action("notices/notice/", "SIHA"),
    **action("notices/notice/choices/", "SIHA"),
    **action("restore/helddirectory/", "SIA"),
    **action("restore/helddirectory/<int:held_id>/look/", "SI"),
    **action("restore/helddirectory/<int:held_id>/release/", "SI"),
    **action("restore/helddirectory/<int:held_id>/refuse/", "SI"),
}

SIGN_IN = {
    **model("signin/signinsettings/", view="SA", add="", change="S", delete=""),
    "signin/signinsettings/": Rule("SA", "S"),  # the one page itself
    **model("sso/identityprovider/", view="SA", add="S", change="S", delete="S"),
    **action("sso/identityprovider/<int:object_id>/test/", "S"),
    **{
        rule: who
        for name in ("account/", "password/", "sessions/", "second-factor/")
        for rule, who in action(f"my/{name}", EVERYONE).items()
    },
    **{
        rule: who
        for name in ("app/", "app/remove/", "passkey/", "passkey/<int:pk>/remove/", "codes/", "codes/new/")
        for rule, who in action(f"my/second-factor/{name}", EVERYONE).items()
    },
}

REPORTS = {
    **action("reports/evidence/", "SA"),
    **action("reports/evidence/compare/", "SIA"),
    **action("reports/evidence/<int:seq>/put-back/", "SIA"),  # without a number there is nothing to put back
    **{
        rule: who
        for name in ("", "csv/", "xlsx/")
        for rule, who in action(f"overview/<slug:overview>/{name}", "SIHA").items()
    },
    **action("overview/", "SIHA"),
    **model("portal/scheduledreport/", view="SIA", add="SI", change="SI", delete="SI"),
    **action("overview/licences/<int:directory_id>/", "SI"),
    **action("reports/event/", "SIHA"),
    **action("reports/event/<int:pk>/", "SIHA"),
    **action("reports/event/export/", "SIHA"),
    **action("reports/event/filters/save/", "SIHA"),
    **action("reports/event/filters/<int:pk>/", "SIHA"),
    **action("reports/event/filters/<int:pk>/change/", "SIHA"),
    **action("reports/event/filters/<int:pk>/delete/", "SIHA"),
    **{
        rule: who
        for name in ("", "export/", "compare/")
        for rule, who in action(f"receipts/receipt/{name}", "SIHA").items()
    },
    **action("receipts/receipt/<int:receipt_id>/", "SIHA"),
    **action("receipts/receipt/<int:receipt_id>/panel/", "SIHA"),
    **action("receipts/receipt/<int:receipt_id>/exception/", "SI"),
}

# Answers with 401 or 403 instead of leading to the sign-in; POST alone.
CLIENT = "scim/client/<int:object_id>/"
SCIM = {
    **model("scim/client/", view="SIHA", add="SI", change="SI", delete="SI", history="SIA"),
    **action("scim/client/fragment/mapping/", "SI"),
    **{
        rule: who
        for name in ("enable", "disable", "default-mapping", "conformance", "token/add", "undo")
        for rule, who in action(f"{CLIENT}{name}/", "SI").items()
    },
    **{
        rule: who
        for name in ("show", "renew", "revoke")
        for rule, who in action(f"{CLIENT}token/<int:token_id>/{name}/", "SI").items()
    },
    **action(f"{CLIENT}activity/", "SIHA"),
    **action(f"{CLIENT}log/", "SIHA"),
    **action(f"{CLIENT}log/<int:request_id>/", "SIHA"),
    **action(f"{CLIENT}log/<int:request_id>/replay/", "SI"),
}
# The addresses that show a secret, to those who may open them; that they looked is in the report.
SHOW_SECRETS = (f"{CLIENT}token/<int:token_id>/show/", f"{RECEIVER}show/")

SOURCE = "api/v1/sources/<str:name>/"


def listed(name: str, view: str, add: str = "") -> dict[str, Rule]:
    """Return the rules of a list of the API and of one of its rows, which nobody adds to."""
    return {f"api/v1/{name}": Rule(view, add), f"api/v1/{name}/<int:pk>": Rule(view, "")}


API = {
    **action("api/v1/schema/", EVERYONE),
    **action("api/v1/docs/", EVERYONE),
    **listed("users", view="SIHA", add="SI"),
    **listed("groups", view="SIHA", add="SI"),
    **listed("memberships", view="SIHA", add="SI"),
    **listed("runs", view="SIA", add="SI"),
    "api/v1/runs/<int:pk>/changes": Rule("SIA", ""),
    **{f"api/v1/rules/<int:pk>/{name}": Rule("", "SI") for name in ("publish", "take-back")},
    "api/v1/subscriptions/<int:pk>/rotate": Rule("", "SI"),
    **{f"api/v1/runs/<int:pk>/{name}": Rule("", "SI") for name in ("approve", "cancel", "undo")},
    **{
        rule: who
        for name in ("operations", "group-operations")
        for rule, who in {**listed(name, "SIA"), f"api/v1/{name}/<int:pk>/retry": Rule("", "SI")}.items()
    },
    **listed("events", view="SIHA"),
    **listed("evidence", view="SA"),
    **{
        rule: who
        for name in (
            *("attribute-mappings", "query-templates", "provisioning-settings"),
            *("entitlements", "source-records"),
        )
        for rule, who in listed(name, "SIA").items()
    },
    **{
        rule: who
        for name in ("directories", "attribute-definitions", "rules", "subscriptions")
        for rule, who in listed(name, "SIA", add="SI").items()
    },
    **{rule: who for name in ("departments", "locations", "requests") for rule, who in listed(name, "SIHA").items()},
    **listed("contracts", view="SIHA", add="SI"),
    **listed("products", view="SIHA", add="SI"),
    **{f"api/v1/requests/<int:pk>/{name}": Rule("", "SIHA") for name in ("approve", "refuse")},
    **action("api/v1/users/<str:username>/password", "SI"),
    **action(f"{SOURCE}records", "SI"),
    **action(f"{SOURCE}departments", "SI"),
    **action(f"{SOURCE}deliveries/<int:number>", "SI"),
    **action(f"{SOURCE}deliveries/<int:number>/close", "SI"),
}
TOKENS = {
    **action("tokens/apitoken/", "SIA"),
    **action("tokens/apitoken/make/", "SI"),
    **action("tokens/apitoken/<int:pk>/revoke/", "SI"),
    **action("tokens/apitoken/<int:pk>/take-over/", "S"),
}

# The list of an app's pages: for those who may open one of them.
APP_LISTS = {
    "contracts": "SIHA",
    "rules": "SIA",
    "events": "SIA",
    "requests": "SIHA",
    "reports": "SIHA",
    "provisioning": "SIHA",
    "directories": "SIA",
    "portal": "SIA",
    "reconciliation": "SIA",
    "recycle": "SIA",
    "restore": "SIA",
    "receipts": "SIHA",
    "notices": "SIHA",
    "guard": "SIA",
    "gateway": "SIA",
    "scim": "SIHA",
    "signin": "SA",
    "sso": "SA",
    "tokens": "SIA",
}

WATCHED = REQUESTS | MY | SIGN_IN | RECYCLE | RECONCILIATION | LOOK_FIRST | CONTRACTS | EVENTS | GATEWAYS | TOKENS
TABLE = PORTAL | PEOPLE | WATCHED | DIRECTORIES | IMPORTS | OPERATIONS | REPORTS | API | SCIM

# The actions that each role which may open a list is offered there.
ACTIONS = {
    "restore.helddirectory": {},
    "notices.notice": {},
    "guard.doorlimits": {},
    "events.subscription": {},
    "signin.signinsettings": {},
    "sso.identityprovider": {"delete_selected": "S"},
    "provisioning.user": {
        "activate": "SI",
        "deactivate": "SI",
        "disable_everywhere": "SI",
        "sync_now": "SI",
        "delete_selected": "SI",
        "invite": "SI",
        "export_csv": "SIHA",
        "export_xlsx": "SIHA",
    },
    "provisioning.group": {"delete_selected": "SI", "mark_privileged": "S", "unmark_privileged": "S"},
    "recycle.deleteduser": {"restore": "SI"},
    "provisioning.attributedefinition": {"delete_selected": "SI"},
    "provisioning.appliedblueprint": {},
    "contracts.contract": {},
    "contracts.department": {},
    "contracts.location": {"delete_selected": "SI"},
    "contracts.sourcerecord": {},
    "contracts.primaryorder": {},
    "rules.businessrule": {},
    "requests.product": {},
    "requests.productrequest": {},
    "requests.substitute": {"delete_selected": "SI"},
    "portal.role": {},
    "portal.staff": {},
    "portal.scheduledreport": {"delete_selected": "SI", "send_now": "SI"},
    "directories.directory": {},
    "gateway.gateway": {},
    "tokens.apitoken": {},
    "scim.client": {},
    "provisioning.importrun": {},
    "provisioning.scheduleddeletion": {},
    "reconciliation.reconcilerun": {},
    "provisioning.change": {},
    "provisioning.groupchange": {},
    "reports.event": {},
    "reports.evidence": {},
    "receipts.receipt": {},
}

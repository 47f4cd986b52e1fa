"""Who may do what: the portal's roles as Django permission groups, one table for all of them.

A later model's permissions are added to the table, and that model's migration calls ``grant`` again. ``grant`` only
adds, so that a permission which an administrator gave a role stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.management import create_permissions

ALL = ("view", "add", "change", "delete")
VIEW = ("view",)

IT_STAFF = "IT staff"
HELPDESK = "Helpdesk"
AUDITOR = "Auditor"

ABOUT: Mapping[str, str] = {
    IT_STAFF: "Everything about people, directories, imports and reports; no rights of others.",
    HELPDESK: "Looks at users, their accounts, groups and the report.",
    AUDITOR: "Looks at everything; secrets show nowhere.",
}

# role -> model -> actions. Staff rights, superusers and roles themselves stay with superusers: no role holds them.
ROLES: Mapping[str, Mapping[str, Iterable[str]]] = {
    IT_STAFF: {
        "provisioning.user": (*ALL, "set_password"),
        "provisioning.group": ALL,
        "provisioning.membership": ALL,
        "provisioning.attributedefinition": ALL,
        "provisioning.appliedblueprint": ("view", "change"),
        "provisioning.account": VIEW,
        "provisioning.scheduleddeletion": ("view", "change"),
        "provisioning.change": ("view", "change"),
        "provisioning.nesting": ALL,
        "provisioning.groupaccount": VIEW,
        "provisioning.groupchange": ("view", "change"),
        "provisioning.importrun": ("view", "add", "change"),
        "provisioning.plannedchange": VIEW,
        "provisioning.plannedgroup": VIEW,
        "provisioning.plannedmember": VIEW,
        "provisioning.decision": VIEW,
        "recycle.deleteduser": ("view", "change"),
        "events.subscription": ALL,
        "guard.loss": VIEW,
        "contracts.contract": ALL,
        "contracts.department": ALL,
        "contracts.location": ALL,
        "contracts.sourcerecord": VIEW,
        "contracts.primaryorder": ("view", "change"),
        "rules.businessrule": ALL,
        "rules.entitlement": ALL,
        "rules.granted": VIEW,
        "rules.holding": VIEW,
        "requests.product": ALL,
        "requests.productrequest": ("view", "add", "change", "decide"),
        "requests.substitute": ALL,
        "guard.doorlimits": ("view", "change"),
        "notices.notice": VIEW,
        "notices.managermails": ("view", "change"),
        "restore.helddirectory": ("view", "change"),
        "receipts.receipt": VIEW,
        "reconciliation.reconcilerun": ("view", "add", "change"),
        "reconciliation.finding": ("view", "change"),
        "reconciliation.reconcilesettings": ("view", "change"),
        "gateway.gateway": ALL,
        "gateway.machine": ("view", "change"),
        "tokens.apitoken": ("view", "add", "delete"),
        "directories.directory": ALL,
        "directories.querytemplate": ALL,
        "directories.attributemapping": ALL,
        "directories.provisioningsettings": ALL,
        "scim.client": ALL,
        "scim.clientmapping": ALL,
        "scim.token": (*ALL, "show"),  # to show a token again in clear is a right of its own
        "scim.userlink": VIEW,
        "scim.grouplink": VIEW,
        "scim.requestlog": VIEW,
        "reports.event": VIEW,
        "portal.scheduledreport": ALL,
    },
    HELPDESK: {
        "notices.notice": VIEW,
        "provisioning.user": VIEW,
        "provisioning.account": VIEW,
        "provisioning.scheduleddeletion": VIEW,
        "provisioning.group": VIEW,
        "provisioning.membership": VIEW,
        "provisioning.nesting": VIEW,
        "provisioning.groupaccount": VIEW,
        "contracts.contract": VIEW,
        "contracts.department": VIEW,
        "contracts.location": VIEW,
        "rules.granted": VIEW,
        "rules.holding": VIEW,
        "requests.product": VIEW,
        "requests.productrequest": ("view", "add", "change"),
        "receipts.receipt": VIEW,
        "scim.client": VIEW,
        "scim.requestlog": VIEW,
        "reports.event": VIEW,
    },
    AUDITOR: {
        "provisioning.user": VIEW,
        "provisioning.group": VIEW,
        "provisioning.membership": VIEW,
        "provisioning.attributedefinition": VIEW,
        "provisioning.appliedblueprint": VIEW,
        "provisioning.account": VIEW,
        "provisioning.scheduleddeletion": VIEW,
        "provisioning.change": VIEW,
        "provisioning.nesting": VIEW,
        "provisioning.groupaccount": VIEW,
        "provisioning.groupchange": VIEW,
        "provisioning.importrun": VIEW,
        "provisioning.plannedchange": VIEW,
        "provisioning.plannedgroup": VIEW,
        "provisioning.plannedmember": VIEW,
        "provisioning.decision": VIEW,
        "recycle.deleteduser": VIEW,
        "events.subscription": VIEW,
        "guard.loss": VIEW,
        "contracts.contract": VIEW,
        "contracts.department": VIEW,
        "contracts.location": VIEW,
        "contracts.sourcerecord": VIEW,
        "contracts.primaryorder": VIEW,
        "rules.businessrule": VIEW,
        "rules.entitlement": VIEW,
        "rules.granted": VIEW,
        "rules.holding": VIEW,
        "requests.product": VIEW,
        "requests.productrequest": VIEW,
        "requests.substitute": VIEW,
        "guard.doorlimits": VIEW,
        "notices.notice": VIEW,
        "notices.managermails": VIEW,
        "restore.helddirectory": VIEW,
        "receipts.receipt": VIEW,
        "reconciliation.reconcilerun": VIEW,
        "reconciliation.finding": VIEW,
        "reconciliation.reconcilesettings": VIEW,
        "gateway.gateway": VIEW,
        "gateway.machine": VIEW,
        "tokens.apitoken": VIEW,
        "directories.directory": VIEW,
        "directories.querytemplate": VIEW,
        "directories.attributemapping": VIEW,
        "directories.provisioningsettings": VIEW,
        "scim.client": VIEW,
        "scim.clientmapping": VIEW,
        "scim.token": VIEW,
        "scim.userlink": VIEW,
        "scim.grouplink": VIEW,
        "scim.requestlog": VIEW,
        "reports.event": VIEW,
        "reports.evidence": VIEW,
        "portal.role": VIEW,
        "portal.scheduledreport": VIEW,
        "signin.signinsettings": VIEW,
        "sso.identityprovider": VIEW,
    },
}


def codenames(role: str) -> set[tuple[str, str]]:
    """Return the role's permissions as pairs of app label and codename."""
    pairs = ((*model.split("."), action) for model, actions in ROLES[role].items() for action in actions)
    return {(app, f"{action}_{model}") for app, model, action in pairs}


def grant(apps: Any) -> None:
    """Create the roles and give each the permissions of the table, as far as their models exist in ``apps``.

    Works in a migration of a fresh database, where no permission exists yet: Django creates them only after the last
    migration, so they are created here, from the migration's own view of the models.
    """
    there = {config.label for config in apps.get_app_configs()}
    for label in sorted({model.split(".")[0] for role in ROLES.values() for model in role} & there):
        config = apps.get_app_config(label)
        if getattr(config, "models_module", None) is None:
            config.models_module = True  # a migration's stand-in has none, and create_permissions would skip it
        create_permissions(config, apps=apps, verbosity=0)
    role_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    known = {
        (permission.content_type.app_label, permission.codename): permission
        for permission in permission_model.objects.select_related("content_type")
    }
    for name in ROLES:
        role, _ = role_model.objects.get_or_create(name=name)
        role.permissions.add(*(known[pair] for pair in codenames(name) if pair in known))

"""The rights that the portal's pages ask for: in words, by what they are about, and who may put which into a role."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet
from django.forms.models import ModelChoiceIterator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from provisioning.admin import protection
from provisioning.models import Grant
from provisioning.roles import ALL, ROLES, codenames

VERBS = {"view": "See", "add": "Add", "change": "Change", "delete": "Delete"}
WORDS = {
    "change_change": "Try refused changes again and push users to directories",
    "add_importrun": "Import users, preview, approve and cancel",
    "change_importrun": "Change imports that wait",
    "view_change": "See what failed and what waits",
    "view_event": "See the provisioning report",
    "view_evidence": "See the chain of evidence",
    "set_password_user": "Set passwords of users in directories",
    "decide_productrequest": "Decide requests that nobody else can",
    "add_reconcilerun": "Compare directories with the portal",
    "change_finding": "Decide about the differences that were found",
    "change_appliedblueprint": "Apply blueprints and undo them",
    "change_deleteduser": "Restore deleted users",
    "change_machine": "Enrol and withdraw machines of gateways",
    **{
        f"{verb}_nesting": f"{words} which groups are in which groups"
        for verb, words in (("view", "See"), ("add", "Say"), ("change", "Change"), ("delete", "Undo"))
    },
    "view_groupchange": "See what failed and what waits of groups",
    "change_groupchange": "Try refused changes of groups again and push groups to directories",
    "view_helddirectory": "See directories that wait after a restore",
    "change_helddirectory": "Release directories that wait after a restore",
    "view_finding": "See the differences that were found",
    "view_decision": "See decisions about imports",
    "view_loss": "See the losses that the guard counted",
    "view_granted": "See what rules give people",
    "view_holding": "See what people hold by requests",
    "show_token": "Show tokens of SCIM applications again",
    "view_requestlog": "See the live log of SCIM applications",
}
AREAS: Mapping[str, tuple[str, ...]] = {
    "People": (
        *("provisioning.user", "recycle.deleteduser", "receipts.receipt", "provisioning.attributedefinition"),
        *("contracts.contract", "contracts.department", "contracts.location"),
    ),
    "Groups": ("provisioning.group", "provisioning.membership", "provisioning.nesting", "provisioning.groupaccount"),
    "Directories": (
        *("directories.directory", "directories.querytemplate", "directories.attributemapping"),
        *("directories.provisioningsettings", "gateway.gateway", "gateway.machine", "provisioning.account"),
        *("provisioning.change", "provisioning.groupchange", "provisioning.scheduleddeletion"),
        *("reconciliation.reconcilerun", "reconciliation.finding", "reconciliation.reconcilesettings"),
        "restore.helddirectory",
    ),
    "Imports": (
        *("provisioning.importrun", "provisioning.plannedchange", "provisioning.plannedgroup"),
        *("provisioning.plannedmember", "provisioning.decision", "contracts.sourcerecord", "contracts.primaryorder"),
        *("guard.doorlimits", "guard.loss"),
    ),
    "Rules and requests": (
        *("rules.businessrule", "rules.entitlement", "rules.granted", "rules.holding"),
        *("requests.product", "requests.productrequest", "requests.substitute"),
    ),
    "Applications": (
        *("scim.client", "scim.clientmapping", "scim.token", "scim.userlink", "scim.grouplink", "scim.requestlog"),
        "events.subscription",
    ),
    "Reports and notices": (
        *("reports.event", "reports.evidence", "portal.scheduledreport", "notices.notice", "notices.managermails"),
    ),
    "The portal itself": (
        *("portal.role", "signin.signinsettings", "sso.identityprovider", "tokens.apitoken"),
        "provisioning.appliedblueprint",
    ),
}
"""What rights are about, in the order of the pages."""

ORDER = {model: place for place, model in enumerate(model for models in AREAS.values() for model in models)}
VERB_ORDER = {verb: place for place, verb in enumerate(ALL)}


def asked() -> "QuerySet[Permission]":
    """Return every right that a page of the portal asks for."""
    pairs = set().union(*map(codenames, ROLES)) | {("portal", f"{verb}_role") for verb in VERBS}
    known = Permission.objects.select_related("content_type").filter(codename__in={name for _, name in pairs})
    held = {app for app, _ in pairs}
    return known.filter(content_type__app_label__in=held)


def givable(actor: Any) -> "QuerySet[Permission]":
    """Return the rights that ``actor`` may put into a role: those that they have for everybody and for good.

    What ends by itself would else be kept by a role that does not.
    """
    if protection.is_superuser(actor):
        return asked()
    lasting = Grant.objects.everywhere().filter(user=actor.pk, until=None)
    held = Permission.objects.filter(Q(group__grants__in=lasting) | Q(user=actor.pk))
    return asked().filter(pk__in=held.values("pk"))


def in_words(right: Permission) -> str:
    """Return the right as an instruction: "Change users"."""
    verb, _, thing = right.codename.partition("_")
    model = right.content_type.model_class()
    things = str(model._meta.verbose_name_plural) if model else thing
    return WORDS.get(right.codename, f"{VERBS.get(verb, verb.capitalize())} {things}")


def by_area(rights: Iterable[Permission]) -> Iterator[tuple[str, list[Permission]]]:
    """Yield the rights by what they are about, in the order in which people read them."""
    left = sorted(rights, key=_place)
    for area, models in AREAS.items():
        if found := [one for one in left if _model(one) in models]:
            yield area, found
    if rest := [one for one in left if _model(one) not in ORDER]:
        yield "More", rest


def _model(right: Permission) -> str:
    return f"{right.content_type.app_label}.{right.content_type.model}"


def _place(right: Permission) -> tuple[int, int, str]:
    verb = right.codename.partition("_")[0]
    return ORDER.get(_model(right), len(ORDER)), VERB_ORDER.get(verb, len(VERB_ORDER)), right.codename


class RightsWidget(UnfoldAdminCheckboxSelectMultipleWidget):  # type: ignore[misc]
    """Boxes to tick, each area a group with its name."""

    template_name = "admin/portal/role/rights.html"


class _ByArea(ModelChoiceIterator):
    def __iter__(self) -> Iterator[Any]:
        for area, rights in by_area(self.queryset):
            yield area, [self.choice(one) for one in rights]


class RightsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Rights in words, by area."""

    iterator = _ByArea

    def __init__(self, rights: "QuerySet[Permission]") -> None:
        super().__init__(rights, label="Rights", required=False, widget=RightsWidget)

    def label_from_instance(self, obj: Any) -> str:
        """Say the right in words."""
        return in_words(obj)

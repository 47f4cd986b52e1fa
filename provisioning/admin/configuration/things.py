"""The things whose configuration is in the chain of evidence: how their lasting names begin, and who may see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from reports.models import KnownState
from reports.presentation import Viewer

EVIDENCE = "reports.view_evidence"


@dataclass(frozen=True, slots=True)
class Thing:
    """``begins``: what their subjects begin with, and ``earlier`` what they began with in older rows.

    ``permission`` is the right to see them, ``change`` the right to change them, which is enough to see their history.
    ``page`` is the page of one, whose number follows in the subject, or of the only one there is; ``by`` is what else
    of it follows. A row tells all of a thing, unless not ``whole``.
    """

    begins: str
    title: str
    permission: str
    change: str = ""
    page: str = ""
    earlier: str = ""
    whole: bool = True
    by: str = "pk"

    def url(self, subject: str) -> str:
        """Return the address of the page about a subject, "" where it has none of its own."""
        if not self.page:
            return ""
        if subject == self.begins:
            return reverse(f"admin:{self.page}")
        number = subject.removeprefix(self.begins)
        return reverse(f"admin:{self.page}", args=[number]) if self.by == "pk" and number.isdecimal() else ""

    def is_about(self, page: str) -> bool:
        """Return whether a page, by its name, is the one of a thing of this kind, whose rows tell all of it."""
        return self.whole and bool(self.page) and self.page == page

    def may_see(self, viewer: Viewer) -> bool:
        """Return whether somebody may see the history of one."""
        return viewer.has_perm(self.permission) and (viewer.has_perm(EVIDENCE) or self.may_change(viewer))

    def may_change(self, viewer: Viewer) -> bool:
        """Return whether somebody may change one."""
        return bool(self.change) and viewer.has_perm(self.change)


def _usual(begins: str, title: str, model: str, *, earlier: str = "", by: str = "pk") -> Thing:
    """Return the thing whose rights and page are those that Django's admin gives to a model."""
    app, _, name = model.partition(".")
    rights = (f"{app}.view_{name}", f"{app}.change_{name}")
    return Thing(begins, title, *rights, f"{app}_{name}_change", earlier, by=by)


ROLES = "portal.view_role"
THINGS = (
    _usual("directory ", "Directories", "directories.directory"),
    Thing(
        "reconciliation of directory ",
        "Reconciliation",
        "reconciliation.view_reconcilesettings",
        "reconciliation.change_reconcilesettings",
        "reconciliation_reconcilerun_settings",
    ),
    Thing(
        "accounts in directory ",
        "Whose members get accounts",
        "rules.view_businessrule",
        "rules.change_businessrule",
    ),
    Thing("licences ", "Licences", "directories.view_directory", "directories.change_directory"),
    _usual("attribute ", "Custom profile attributes", "provisioning.attributedefinition", by="name"),
    _usual("SCIM application ", "SCIM applications", "scim.client"),
    _usual("subscription ", "Events", "events.subscription"),
    Thing("keys of events", "Keys of events", "events.view_subscription", "events.change_subscription"),
    _usual("business rule ", "Rules", "rules.businessrule", earlier="rule "),
    _usual("self-service product ", "Products", "requests.product", earlier="product "),
    _usual("substitute ", "Substitutes", "requests.substitute"),
    _usual("group ", "Groups", "provisioning.group"),
    _usual("department ", "Departments", "contracts.department"),
    _usual("location ", "Locations", "contracts.location"),
    Thing(
        "order of contracts",
        "Contracts",
        "contracts.view_primaryorder",
        "contracts.change_primaryorder",
        "contracts_primaryorder_changelist",
    ),
    Thing(
        "limits of other doors",
        "Guard limits",
        "guard.view_doorlimits",
        "guard.change_doorlimits",
        "guard_doorlimits_changelist",
    ),
    Thing("manager mails", "Mails to managers", "notices.view_managermails", "notices.change_managermails"),
    _usual("report by mail ", "Reports by mail", "portal.scheduledreport"),
    _usual("gateway ", "Gateways", "gateway.gateway"),
    _usual("role ", "Roles", "portal.role"),
    Thing("rights of user ", "Rights of staff", ROLES, page="provisioning_user_change", earlier="staff ", whole=False),
    Thing("second factor ", "Second factors", ROLES, whole=False),
    Thing("API token ", "API tokens", "tokens.view_apitoken", "tokens.change_apitoken"),
    Thing(
        "sign-in",
        "Sign-in",
        "signin.view_signinsettings",
        "signin.change_signinsettings",
        "signin_signinsettings_changelist",
    ),
    _usual("identity provider ", "Identity providers", "sso.identityprovider"),
)


def seen_by(viewer: Viewer) -> list[Thing]:
    """Return the things whose history somebody may see."""
    return [thing for thing in THINGS if thing.may_see(viewer)]


def address_of(subject: str) -> str:
    """Return the address of the history of one thing."""
    return f"{reverse('admin:reports_evidence_changelist')}?{urlencode({'subject': subject})}"


def thing_of(subject: str) -> Thing | None:
    """Return what a subject is."""
    return next((one for one in THINGS if subject.startswith((one.begins, one.earlier or one.begins))), None)


def of(things: Iterable[Thing]) -> Q:
    """Return the condition of the rows about these things."""
    found = Q(pk__in=[])
    for thing in things:
        found |= Q(subject__startswith=thing.begins)
        if thing.earlier:
            found |= Q(subject__startswith=thing.earlier)
    return found


def named(subject: str) -> list[str]:
    """Return the subjects under which rows tell of the same thing."""
    former = KnownState.objects.filter(subject=subject).values_list("former", flat=True).first()
    return [subject, former] if former else [subject]

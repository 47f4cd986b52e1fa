"""The things whose configuration is in the chain of evidence: how their lasting names begin, and who may see them."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse

from reports.presentation import Viewer


@dataclass(frozen=True, slots=True)
class Thing:
    """``begins``: what their subjects begin with. With ``page`` a number follows, which opens the page."""

    begins: str
    title: str
    permission: str
    page: str = ""

    def url(self, subject: str) -> str:
        """Return the address of the page about a subject, "" where it has none of its own."""
        number = subject.removeprefix(self.begins)
        return reverse(f"admin:{self.page}", args=[number]) if self.page and number.isdecimal() else ""


THINGS = (
    Thing("directory ", "Directories", "directories.view_directory", "directories_directory_change"),
    Thing("reconciliation of directory ", "Reconciliation", "reconciliation.view_reconcilerun"),
    Thing("attribute ", "Custom profile attributes", "provisioning.view_attributedefinition"),
    Thing("SCIM application ", "SCIM applications", "scim.view_client", "scim_client_change"),
    Thing("subscription ", "Events", "events.view_subscription", "events_subscription_change"),
    Thing("rule ", "Rules", "rules.view_businessrule"),
    Thing("product ", "Products", "requests.view_product"),
    Thing("order of contracts", "Contracts", "contracts.view_primaryorder"),
    Thing("limits of other doors", "Guard limits", "guard.view_doorlimits"),
    Thing("manager mails", "Mails to managers", "notices.view_managermails"),
    Thing("role ", "Roles", "portal.view_role", "portal_role_change"),
    Thing("staff ", "Rights of staff", "portal.view_role"),
    Thing("second factor ", "Second factors", "portal.view_role"),
    Thing("sign-in", "Sign-in", "signin.view_signinsettings"),
    Thing("identity provider ", "Identity providers", "sso.view_identityprovider", "sso_identityprovider_change"),
)


def seen_by(viewer: Viewer) -> list[Thing]:
    """Return the things that somebody may see."""
    return [thing for thing in THINGS if viewer.has_perm(thing.permission)]


def thing_of(subject: str) -> Thing | None:
    """Return what a subject is."""
    return next((thing for thing in THINGS if subject.startswith(thing.begins)), None)


def of(things: Iterable[Thing]) -> Q:
    """Return the condition of the rows about these things."""
    found = Q(pk__in=[])
    for thing in things:
        found |= Q(subject__startswith=thing.begins)
    return found

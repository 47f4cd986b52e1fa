"""Which pages ask once more who it is before they open or save: those that give rights, show secrets, or end much."""

from collections.abc import Callable
from typing import Any

from django.forms import CheckboxInput
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from config.signin import again
from provisioning.admin import protection
from provisioning.models import Grant, User

OPENING = frozenset(
    {
        "portal_role_add",
        "portal_role_copy",
        "portal_role_delete",
        "portal_staff_add",
        "portal_staff_link",
        "portal_staff_second_factor",
        "directories_directory_delete",
        "scim_client_delete",
        "sso_identityprovider_delete",
    }
)
"""Pages that ask when they are opened, and again when they are sent too late."""

SAVING = frozenset(
    {
        "gateway_gateway_code",
        "portal_role_change",
        "portal_role_changelist",
        "portal_staff_roles",
        "portal_staff_role_take",
        "reports_evidence_put_back",
        "signin_signinsettings_changelist",
        "sso_identityprovider_changelist",
        "tokens_apitoken_take_over",
    }
)
"""Pages that anybody with the right may look at, and that ask when something is sent."""

SECRET = frozenset(
    {
        "auth_user_password_change",
        "directories_directory_move",
        "directories_directory_tokens",
        "scim_client_token_add",
        "scim_client_token_show",
        "scim_client_token_renew",
        "sso_identityprovider_add",
        "sso_identityprovider_change",
        "tokens_apitoken_make",
    }
)
"""As ``SAVING``, but what was sent holds or brings a secret: it is not kept while somebody proves who they are."""

USER = frozenset({"provisioning_user_add", "provisioning_user_change"})
"""As ``SAVING``, where what is sent changes what somebody may do in the portal."""


class AskAgain(MiddlewareMixin):
    """Leads to a new proof where one is needed."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Return the way to the proof, and back from there to what was asked for."""
        found = request.resolver_match
        if found is None or found.app_name != "admin" or not request.user.is_authenticated:
            return None
        name, sent = found.url_name or "", request.method == "POST"
        if name in SECRET and sent:
            return again.missing(request, keep=False)
        asks = (
            name in OPENING
            or (sent and name in SAVING)
            or (sent and name in USER and _gives_rights(request, kwargs.get("object_id")))
        )
        return again.missing(request) if asks else None


def _gives_rights(request: HttpRequest, pk: str | None) -> bool:
    """Return whether the form of a user, a new one without ``pk``, changes what they may do in the portal."""
    if not protection.is_superuser(request.user):
        return False  # nobody else's form has the fields
    if pk is not None and not pk.isdecimal():
        return True  # the admin reads more spellings of a number than one: "_35" and " 5" are 5
    user = User.objects.filter(pk=pk).only("is_staff", "is_superuser").first() if pk else User()
    if user is None or user.pk == request.user.pk:
        return False
    by_hand = Grant.objects.current().filter(user=user.pk, source="")
    held = {str(role) for role in by_hand.values_list("role_id", flat=True)} if pk else set()
    staff, superuser = (
        CheckboxInput().value_from_datadict(request.POST, request.FILES, name) for name in ("is_staff", "is_superuser")
    )
    wanted = (staff, superuser, set(request.POST.getlist("groups")))
    return (user.is_staff, user.is_superuser, held) != wanted

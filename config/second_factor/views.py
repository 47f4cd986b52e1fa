"""The pages of second factors: one's own, and the second step of a sign-in."""

from typing import Any

from allauth.mfa.base.views import AuthenticateView, ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.http import HttpResponse
from django.urls import reverse, reverse_lazy
from django.views.generic import TemplateView

from config.my.pages import OwnPage, ProvenPage
from config.second_factor import held
from config.signin.views import OfPortal

HERE = "my_second_factor"


class SecondFactor(OwnPage, TemplateView):
    """Which second factors one has."""

    title = "Second factor"
    here = HERE
    template_name = "my/second_factor.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Read them."""
        theirs = list(Authenticator.objects.filter(user_id=self.request.user.pk).order_by("created_at"))
        codes = next((one for one in theirs if one.type == Authenticator.Type.RECOVERY_CODES), None)
        shown = {
            "app": next((one for one in theirs if one.type == Authenticator.Type.TOTP), None),
            "passkeys": [one for one in theirs if one.type == Authenticator.Type.WEBAUTHN],
            "codes": codes,
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "needed": held.is_needed(self.request),
        }
        return super().get_context_data(**shown, **kwargs)


class AddApp(ProvenPage, ActivateTOTPView):  # type: ignore[misc]
    """Shows the secret of a new authenticator app, once, and asks for the first code."""

    title = "Add an authenticator app"
    here = HERE
    template_name = "my/app.html"

    def get_success_url(self) -> str:
        """Go on to the recovery codes, or to where one was stopped."""
        return _after_adding(self)


class RemoveApp(ProvenPage, DeactivateTOTPView):  # type: ignore[misc]
    """Asks before the app is removed."""

    title = "Remove the authenticator app"
    here = HERE
    template_name = "my/remove_factor.html"
    success_url = reverse_lazy(HERE)


class AddPasskey(ProvenPage, AddWebAuthnView):  # type: ignore[misc]
    """Lets the browser make a passkey."""

    title = "Add a passkey"
    here = HERE
    template_name = "my/passkey.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the form, which allauth's view leaves out of a page with errors."""
        return {"form": self.get_form(), **super().get_context_data(**kwargs), **kwargs}

    def get_success_url(self) -> str:
        """Go on to the recovery codes, or to where one was stopped."""
        return _after_adding(self)


class RemovePasskey(ProvenPage, RemoveWebAuthnView):  # type: ignore[misc]
    """Asks before a passkey is removed."""

    title = "Remove a passkey"
    here = HERE
    template_name = "my/remove_factor.html"
    success_url = reverse_lazy(HERE)


class Codes(ProvenPage, ViewRecoveryCodesView):  # type: ignore[misc]
    """Shows new recovery codes, once."""

    title = "Recovery codes"
    here = HERE
    template_name = "my/codes.html"


class NewCodes(ProvenPage, GenerateRecoveryCodesView):  # type: ignore[misc]
    """Makes other recovery codes in place of those that there are."""

    title = "New recovery codes"
    here = HERE
    template_name = "my/new_codes.html"


class SecondStep(OfPortal, AuthenticateView):  # type: ignore[misc]
    """The second step of a sign-in."""

    title = "Second factor"


class ProveByCode(OfPortal, ReauthenticateView):  # type: ignore[misc]
    """Asks for a code before what is dangerous."""

    title = "Confirm that it is you"


class ProveByPasskey(OfPortal, ReauthenticateWebAuthnView):  # type: ignore[misc]
    """Asks for a passkey before what is dangerous."""

    title = "Confirm that it is you"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what allauth's view leaves out: the form and the other ways."""
        more = {"form": self.get_form(), "reauthentication_alternatives": self.get_reauthentication_alternatives()}
        return {**more, **super().get_context_data(**kwargs)}

    def form_invalid(self, form: Any) -> HttpResponse:
        """Say what is wrong on the page itself."""
        answer: HttpResponse = self.render_to_response(self.get_context_data(form=form))
        return answer


def _after_adding(view: Any) -> str:
    held.look(view.request, view.request.user)
    return reverse("mfa_view_recovery_codes" if view.did_generate_recovery_codes else HERE)

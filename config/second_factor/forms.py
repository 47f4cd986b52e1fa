"""The forms of second factors: the portal's look, its own limits, and each code once over all processes."""

import datetime as dt
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm
from django.core.exceptions import ValidationError
from django.forms import TextInput
from unfold.widgets import UnfoldBooleanSwitchWidget

from config.second_factor.adapter import WRONG_KEY
from config.signin import counting, limits
from config.signin.addresses import client_address, network_of
from config.signin.forms import LOOK
from config.signin.limits import TryLimit

ONCE = TryLimit(most=1, window=dt.timedelta(minutes=5))
"""A code of an app is taken once; it changes sooner than that."""


def _code_box() -> TextInput:
    return TextInput(
        attrs={"class": LOOK, "autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": "", "maxlength": 20}
    )


class _Counted:
    """Counts wrong codes against the account, over all processes, and takes no code twice."""

    user: Any
    authenticator: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"]  # type: ignore[attr-defined]
        code.label, code.widget = "Code", _code_box()

    def clean_code(self) -> str:
        """Return the code; refuse it after too many wrong ones."""
        place = counting.key("code", str(self.user.pk))
        rules = {place: limits.CODES}
        try:
            counted = counting.count(rules, decided=False)
        except counting.TooManyTries as error:
            raise ValidationError(f"Too many wrong codes. {error}", code="too_many_login_attempts") from None
        try:
            code: str = super().clean_code()  # type: ignore[misc]
            self._take(code)
        except ValidationError:
            counting.was_wrong(counted, rules)
            raise
        counting.was_right(counted, place)
        return code

    def _take(self, code: str) -> None:
        """Note that a code of an app was used; recovery codes are noted by allauth, in the database."""
        held = getattr(self, "authenticator", None)
        if held is None or held.type != Authenticator.Type.TOTP:
            return
        digits = "".join(sign for sign in code if sign.isdigit())
        try:
            counting.count({counting.key("code used", str(self.user.pk), digits): ONCE})
        except counting.TooManyTries:
            raise get_adapter().validation_error("incorrect_code") from None


class CodeForm(_Counted, AuthenticateForm):  # type: ignore[misc]
    """The second step of a sign-in."""


class ProveByCodeForm(_Counted, ReauthenticateForm):  # type: ignore[misc]
    """A code before what is dangerous."""


class AppForm(_Counted, ActivateTOTPForm):  # type: ignore[misc]
    """The first code of a new app."""


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey: its name, and whether it signs in alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, alone = self.fields["name"], self.fields["passwordless"]
        name.label, name.widget = "Name", TextInput(attrs={"class": LOOK, "autocomplete": "off", "maxlength": 60})
        name.help_text = "By which you will know it: My phone, the key on my ring."
        alone.label, alone.initial, alone.widget = "Sign in with it alone", True, UnfoldBooleanSwitchWidget()
        alone.help_text = (
            "Without user name and password. The passkey then asks for its PIN, a finger or your face. Switch this off "
            "for a key that can do none of these: it is asked for after the password."
        )


class PasskeySignInForm(LoginWebAuthnForm):  # type: ignore[misc]
    """A sign-in with a passkey alone. Refused while an address pauses after too many wrong sign-ins."""

    def clean_credential(self) -> Authenticator:
        """Return the passkey; a wrong one counts as a wrong password does."""
        address = counting.key("address", network_of(client_address(context.request)))
        rules = {address: limits.ADDRESS}
        try:
            counted = counting.count(rules, decided=False)
        except counting.TooManyTries as error:
            raise ValidationError(f"Too many wrong sign-ins. {error}", code="too_many_login_attempts") from None
        try:
            held: Authenticator = super().clean_credential()
        except ValidationError:
            counting.was_wrong(counted, rules)
            raise ValidationError(WRONG_KEY) from None
        counting.was_right(counted)
        return held

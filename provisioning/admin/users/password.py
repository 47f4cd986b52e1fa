"""Setting a user's password: in the directories that take passwords from the portal, in the portal itself, or in both.

A directory's password may be set by whoever has the right to. The portal's own is a way in as soon as its owner becomes
staff, so only superusers set that one; and nobody else touches the passwords of people who can sign in already.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from provisioning import reach, services
from provisioning.admin import protection
from provisioning.models import User

PERMISSION = reach.SET_PASSWORD
LONGEST = 256


class PasswordForm(forms.Form):
    """The password, twice, and where it goes; ``directories`` and ``portal`` are there as far as they may be chosen."""

    password1 = forms.CharField(
        label="New password",
        max_length=LONGEST,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters, not only digits, no common password and nothing like the person's name.",
    )
    password2 = forms.CharField(
        label="The same again",
        max_length=LONGEST,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, user: User, names: list[str], *, portal: bool, data: Any = None) -> None:
        super().__init__(data)
        self.user = user
        if names:
            label, about = ", ".join(names), "The password of the user's account there. It is set within seconds."
            self.fields["directories"] = _box(label, about, True)
        if portal:
            about = "What the user signs in to this portal with. Only staff can sign in."
            self.fields["portal"] = _box("This portal", about, not names)

    def clean(self) -> dict[str, Any]:
        """Refuse two that differ, one that is too simple, and one for nowhere."""
        cleaned = super().clean() or self.cleaned_data
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", "The two passwords are not the same.")
        if first:
            try:
                validate_password(first, self.user)
            except ValidationError as error:
                self.add_error("password1", error)
        if not (cleaned.get("directories") or cleaned.get("portal")):
            raise ValidationError("Choose where the password is to be set.")
        return cleaned


def _box(label: str, help_text: str, initial: bool) -> forms.BooleanField:
    return forms.BooleanField(
        label=label, help_text=help_text, required=False, initial=initial, widget=UnfoldBooleanWidget()
    )


class UserPassword(admin.ModelAdmin):  # type: ignore[type-arg]
    """The page behind "Set password"; its address is Django's own."""

    @method_decorator(sensitive_post_parameters())
    @method_decorator(csrf_protect)
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Show the form, and set the password where it is to be set."""
        user = self.get_object(request, unquote(id))
        if user is None:
            raise Http404("There is no such user.")
        if not may_set(request, user):
            raise PermissionDenied
        superuser = protection.is_superuser(request.user)
        may_there = reach.extends_to(request.user, PERMISSION, user)
        names = list(services.password_takers().values()) if may_there else []
        data = request.POST if request.method == "POST" else None
        form = PasswordForm(user, names, portal=superuser, data=data)
        if request.method == "POST" and form.is_valid():
            self._set(request, user, form.cleaned_data)
            return HttpResponseRedirect(reverse("admin:provisioning_user_change", args=[user.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Set the password of {user}",
            "form": form,
            "original": user,
            "opts": self.opts,
            "nowhere": not form.fields.keys() & {"directories", "portal"},
        }
        return TemplateResponse(request, "provisioning/user/password.html", context)

    def _set(self, request: HttpRequest, user: User, chosen: dict[str, Any]) -> None:
        actor, clear = request.user.get_username(), chosen["password1"]
        if chosen.get("portal"):
            services.set_portal_password(user, clear, actor)
            update_session_auth_hash(request, user)  # whoever sets their own stays signed in
            messages.success(request, f"The portal password of {user} was set.")
        if chosen.get("directories"):
            if reached := services.set_password(user, clear, actor):
                message = f"The password of {user} is on its way to {', '.join(reached)}: see Accounts below."
                messages.success(request, message)
            else:
                messages.warning(request, f"{user} has no account in a directory that takes passwords.")


def may_set(request: HttpRequest, user: User) -> bool:
    """Return whether the actor may set a password of this user somewhere."""
    actor = request.user
    if protection.is_superuser(actor):
        return True
    return reach.extends_to(actor, PERMISSION, user) and protection.may_change(actor, user)

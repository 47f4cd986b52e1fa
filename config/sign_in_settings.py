"""The page "Sign-in": who may sign in to the portal besides staff."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from config.second_factor import held
from config.signin import sessions
from config.signin.models import SignInSettings
from provisioning.admin.kept_by_portal import KeptByPortal
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

ADDRESS = "admin:signin_signinsettings_changelist"
NO_MAIL = (
    "The portal has no mail server, so it sends no invitations and nobody can ask for a new password. Set EMAIL_HOST, "
    "or make links by hand on the pages of users."
)


class SignInSettingsForm(forms.ModelForm[SignInSettings]):
    """The settings."""

    actor: Any = None

    def clean_second_factor(self) -> bool:
        """Let nobody ask of others what they do not have themselves: they would lock themselves out."""
        wanted: bool = self.cleaned_data["second_factor"]
        if wanted and "second_factor" in self.changed_data and not held.has_one(self.actor):
            raise ValidationError("Add a second factor of your own first: the menu below your name, Your account.")
        return wanted


@transaction.atomic
def save(wanted: SignInSettings, actor: str) -> int:
    """Keep the settings, and sign staff out who lack a factor that they ask for; return how many sessions that ends."""
    wanted.save()
    words = f"{actor} changed who signs in, and how."
    how: dict[str, Any] = {"direction": Direction.PORTAL, "operation": Operation.SETTINGS, "result": Result.SUCCESS}
    record(Line(identifier="", application="", message=words, actor=actor, **how))
    evidence.changed("sign-in", described(wanted), words, actor)
    return sessions.end_all(held.staff_without()) if wanted.second_factor else 0


def described(held: SignInSettings) -> dict[str, Any]:
    """Describe the settings, as the evidence has them."""
    return {field.name: getattr(held, field.name) for field in held._meta.concrete_fields if not field.primary_key}


class SettingsHeading(str):
    """The row as the heading of its page takes it: no step below the list, which is the page itself."""

    __slots__ = ()
    pk = SignInSettings.ONE


@admin.register(SignInSettings)
class SignInSettingsAdmin(KeptByPortal, ModelAdmin):  # type: ignore[misc]
    """One row, which is there from its first save on."""

    form = SignInSettingsForm
    fieldsets = ((None, {"fields": ("self_service", "mails", "second_factor")}),)
    readonly_fields = ("mails",)
    warn_unsaved_form = True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the one page that there is."""
        SignInSettings.objects.get_or_create(pk=SignInSettings.ONE)
        extra = {"title": "Sign-in", "subtitle": None, "original": SettingsHeading("Sign-in"), **(extra_context or {})}
        answer: HttpResponse = self.changeform_view(request, str(SignInSettings.ONE), "", extra)
        return answer

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Tell the form who asks."""
        made = super().get_form(request, obj, change=change, **kwargs)
        made.actor = request.user
        return made

    @display(description="Mails")  # type: ignore[untyped-decorator]
    def mails(self, held: SignInSettings) -> SafeString | str:
        """Say whether invitations can be sent, and where."""
        if not settings.EMAIL_HOST:
            return NO_MAIL
        users = reverse("admin:provisioning_user_changelist")
        words = (
            'Invitations are sent from the list of <a class="text-link" href="{}">Users</a>: choose people, then '
            "Invite selected users to sign in. Links in mails lead to {} (PORTAL_URL)."
        )
        return format_html(words, users, settings.PORTAL_URL)

    def save_model(self, request: HttpRequest, obj: SignInSettings, form: Any, change: bool) -> None:
        """Keep them, with a line in the report and in the evidence."""
        if not form.changed_data:
            return
        number = save(obj, request.user.get_username())
        if "second_factor" in form.changed_data and obj.second_factor:
            messages.info(request, f"Staff who have no second factor were signed out: {number} sessions ended.")

    def response_change(self, request: HttpRequest, obj: SignInSettings) -> HttpResponse:
        """Show what holds now."""
        messages.success(request, "Saved. The settings hold from now on.")
        return HttpResponseRedirect(reverse(ADDRESS))

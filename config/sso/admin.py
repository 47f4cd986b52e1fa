"""The pages of identity providers: superusers edit them, auditors look; the secret is never shown."""

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminURLInputWidget

from config.sso.models import IdentityProvider, RoleMapping
from config.sso.people import assignable
from config.sso.provider import callback_path
from config.sso.service import ProviderFailed, ProviderService
from directories.connectors.outgoing import address_problem
from directories.encryption import is_lost
from provisioning import services
from provisioning.admin import protection
from provisioning.admin.gone import GoneIsNotFound
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

LOST = "The stored one cannot be read: its key is not among ENCRYPTION_KEYS. Type it again."
KEEP = "Leave it empty to keep the one that is stored."
WORKS = "{name} answers as OpenID Connect wants it, and the portal has {number} of its keys."


class ProviderForm(forms.ModelForm[IdentityProvider]):
    """A provider. What is typed as its secret replaces the stored one; nothing typed keeps it."""

    issuer = forms.URLField(
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget(),
        help_text=IdentityProvider._meta.get_field("issuer").help_text,
    )
    client_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="As the provider gave it. A public client has none: PKCE stands in for it.",
    )

    class Meta:
        model = IdentityProvider
        fields = (
            *("name", "slug", "enabled", "issuer", "client_id", "authority", "scopes"),
            *("match_by", "claim", "superusers", "groups_claim"),
        )
        widgets = {"authority": UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "client_secret" in self.fields:
            if is_lost(self.instance, "secret"):
                self.fields["client_secret"].help_text = LOST
            elif self.instance.secret:
                self.fields["client_secret"].help_text = KEEP

    def clean_issuer(self) -> str:
        """Refuse what is no address; where it leads is looked at when it is opened."""
        issuer: str = self.cleaned_data["issuer"]
        if problem := address_problem(issuer):
            raise ValidationError(problem)
        return issuer

    def save(self, commit: bool = True) -> IdentityProvider:
        """Seal the secret, where one was typed."""
        if typed := self.cleaned_data.get("client_secret"):
            self.instance.secret = typed
        return super().save(commit)


class RoleMappingInline(TabularInline):  # type: ignore[misc]
    """Which group has which role."""

    model = RoleMapping
    extra = 1
    verbose_name = "group with a role"
    verbose_name_plural = "Groups with roles: whoever has one is staff; none makes a superuser"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name each box for who cannot see the heading of its column; offer roles that give no rights to others."""
        if db_field.name == "role":
            kwargs["queryset"] = assignable()
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = str(db_field.verbose_name).capitalize()
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Show them with their provider."""
        return bool(request.user.has_perm("sso.view_identityprovider"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers give rights."""
        return protection.is_superuser(request.user)

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(IdentityProvider)
class ProviderAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Identity providers, for superusers: whoever names one decides who comes in."""

    form = ProviderForm
    inlines = (RoleMappingInline,)
    list_display = ("name", "issuer", "match_by", "state")
    readonly_fields = ("send_back",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "enabled", "issuer", "client_id", "client_secret", "send_back")}),
        ("Whom it lets in", {"fields": ("match_by", "claim", "superusers")}),
        ("More", {"fields": ("scopes", "groups_claim", "authority")}),
    )
    warn_unsaved_form = True
    change_form_outer_before_template = "admin/sso/identityprovider/test.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the test."""
        view = self.admin_site.admin_view(self.test_view)
        return [path("<int:object_id>/test/", view, name="sso_identityprovider_test"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers alone."""
        return protection.is_superuser(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return protection.is_superuser(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return protection.is_superuser(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: IdentityProvider | None = None) -> Any:
        """Keep the short name: it is registered at the provider."""
        return [*self.readonly_fields, *(["slug"] if obj else [])]

    def get_fieldsets(self, request: HttpRequest, obj: IdentityProvider | None = None) -> Any:
        """Leave the box of the secret out for those who only look."""
        if self.has_change_permission(request, obj):
            return self.fieldsets
        title, options = self.fieldsets[0]
        return [
            (title, {"fields": [name for name in options["fields"] if name != "client_secret"]}),
            *self.fieldsets[1:],
        ]

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask the provider for its description and its keys, and say how that went."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = get_object_or_404(IdentityProvider, pk=object_id)
        try:
            with ProviderService(row) as service:
                keys = service.keys(service.configuration()).get("keys")
        except ProviderFailed as error:
            messages.error(request, f"{row.name} cannot be used yet. {error}")
        else:
            number = len(keys) if isinstance(keys, list) else 0
            messages.success(request, WORKS.format(name=row.name, number=number))
        return HttpResponseRedirect(reverse("admin:sso_identityprovider_change", args=[row.pk]))

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: IdentityProvider, form: Any, change: bool) -> None:
        """Save it. Another issuer knows other people: whoever was linked is looked for anew."""
        super().save_model(request, obj, form, change)
        if change and "issuer" in form.changed_data:
            SocialAccount.objects.filter(provider=obj.slug).delete()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the groups, and keep what changed as evidence."""
        super().save_related(request, form, formsets, change)
        self._keep(request, form.instance, "changed" if change else "added")

    def delete_model(self, request: HttpRequest, obj: IdentityProvider) -> None:
        """Delete it with its links. Roles that it gave stay: take them away on the pages of people."""
        with transaction.atomic():
            SocialAccount.objects.filter(provider=obj.slug).delete()
            services.keep_roles_by_hand(obj.slug)
            self._keep(request, obj, "deleted")
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        """The same for each."""
        for row in queryset:
            self.delete_model(request, row)

    def _keep(self, request: HttpRequest, row: IdentityProvider, verb: str) -> None:
        actor = request.user.get_username()
        words = f"{actor} {verb} the identity provider {row.name}."
        how: dict[str, Any] = {"direction": Direction.PORTAL, "operation": Operation.SETTINGS, "result": Result.SUCCESS}
        record(Line(identifier="", application=row.name, message=words, actor=actor, **how))
        state: dict[str, Any] | None = None
        if verb != "deleted":
            plain = [field.name for field in row._meta.concrete_fields if field.name not in {"id", "secret"}]
            state = {name: getattr(row, name) for name in plain}
            lost = is_lost(row, "secret")
            state |= {"secret": evidence.UNREADABLE if lost else evidence.masked(row.secret) if row.secret else ""}
            state |= {"roles": sorted(f"{one.group}: {one.role}" for one in row.mappings.select_related("role"))}
        evidence.changed(f"identity provider {row.pk}", state, words, actor)

    @display(description="Address to register there")  # type: ignore[untyped-decorator]
    def send_back(self, row: IdentityProvider) -> str:
        """Say where the provider has to send people back to."""
        return f"{settings.PORTAL_URL}{callback_path(row)}" if row.slug else "It is shown here once this is saved."

    @display(description="State", label={"On": "success", "Off": "warning"})  # type: ignore[untyped-decorator]
    def state(self, row: IdentityProvider) -> str:
        """Say whether it is offered."""
        return "On" if row.enabled else "Off"

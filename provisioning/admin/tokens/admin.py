"""The page "API tokens": one's own, those of services, making one, which is shown once, and revoking."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group as Role
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from provisioning.admin import protection
from provisioning.models import User
from provisioning.tokens import issuing
from provisioning.tokens.families import FAMILIES, WRITTEN
from provisioning.tokens.issuing import READ, WRITE
from provisioning.tokens.models import ApiToken

MOST = 200
LASTS = {"30": "30 days", "90": "90 days", "180": "180 days", "365": "A year"}
SEES_ALL = "portal.view_role"
SCOPES = {"": "Nothing", READ: "Read", WRITE: "Read and write"}
NO_SCOPE = "Choose what the token may read or write."


class TokenForm(forms.Form):
    """What a new token is called, how long it works, and what it may; superusers make tokens of services as well."""

    name = forms.CharField(label="What it is for", max_length=60)
    days = forms.ChoiceField(label="How long it works", choices=list(LASTS.items()), initial="90")

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        if protection.is_superuser(request.user):
            self.fields["role"] = forms.ModelChoiceField(
                label="Whose rights it has",
                queryset=Role.objects.order_by("name"),
                required=False,
                empty_label="Mine: a personal token",
                help_text="Of a service: rights of the role, as far as you have them. You answer for it.",
            )
        for family, label in FAMILIES.items():
            offered = [(scope, words) for scope, words in SCOPES.items() if scope != WRITE or family in WRITTEN]
            self.fields[family] = forms.ChoiceField(label=label, choices=offered, required=False)
        for field in self.fields.values():
            field.widget.attrs["class"] = "rc-select"

    @property
    def scopes(self) -> dict[str, str]:
        """What it may, by family."""
        return {family: scope for family in FAMILIES if (scope := self.cleaned_data.get(family))}

    def clean(self) -> dict[str, Any]:
        """Refuse a token for nothing."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.scopes:
            raise forms.ValidationError(NO_SCOPE)
        return cleaned


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):  # type: ignore[misc]
    """Everybody sees their own tokens; those who may see roles see all of them, without their secrets."""

    actions = None

    def get_urls(self) -> list[URLPattern]:
        """The page and its buttons; a token has no page of its own."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="tokens_apitoken_changelist"),
            path("make/", wrap(never_cache(require_POST(self.make_view))), name="tokens_apitoken_make"),
            path("<int:pk>/take-over/", wrap(require_POST(self.take_over_view)), name="tokens_apitoken_take_over"),
            path("<int:pk>/revoke/", wrap(require_POST(self.revoke_view)), name="tokens_apitoken_revoke"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the tokens, and the form of a new one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, TokenForm(request))

    def make_view(self, request: HttpRequest) -> HttpResponse:
        """Make a token and show its secret, this once."""
        user = request.user
        if not self.has_add_permission(request) or not isinstance(user, User):
            raise PermissionDenied
        form = TokenForm(request, request.POST)
        if not form.is_valid():
            return self._page(request, form)
        given = form.cleaned_data
        token, secret = issuing.make(
            name=given["name"],
            holder=given.get("role") or user,
            scopes=form.scopes,
            days=int(given["days"]),
            maker=user,
        )
        return self._page(request, TokenForm(request), made=token, secret=secret)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let nobody use a token any more: whoever owns it does that, or a superuser."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        token = get_object_or_404(_mine(request), pk=pk)
        if issuing.revoke(token, request.user.get_username()):
            messages.success(request, f"{token.name} is revoked: requests with it are refused at once.")
        return HttpResponseRedirect(reverse("admin:tokens_apitoken_changelist"))

    def take_over_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let a superuser answer for the token of a service from now on."""
        user = request.user
        if not protection.is_superuser(user) or not isinstance(user, User):
            raise PermissionDenied
        token = get_object_or_404(ApiToken.objects.select_related("maker", "role").filter(owner=None), pk=pk)
        try:
            issuing.take_over(token, user)
        except issuing.StillAnswered as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"You answer for {token.name} from now on. It works as long as it is not over.")
        return HttpResponseRedirect(reverse("admin:tokens_apitoken_changelist"))

    def _page(self, request: HttpRequest, form: TokenForm, **made: Any) -> HttpResponse:
        sees_all = request.user.has_perm(SEES_ALL)
        tokens = ApiToken.objects.all() if sees_all else ApiToken.objects.filter(owner=request.user.pk)
        may_revoke = self.has_delete_permission(request)
        mine = set(_mine(request).values_list("pk", flat=True)) if may_revoke else set()
        rows = [
            {"token": one, "ended": issuing.ended(one), "may": _may(one), "revocable": one.pk in mine}
            | {"who": issuing.answerer(one), "nobody": one.owner_id is None and not issuing.answers(one)}
            for one in tokens.select_related("owner", "role", "maker")[:MOST]
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "API tokens",
            "opts": self.opts,
            "form": form,
            "rows": rows,
            "sees_all": sees_all,
            "any_left": any(row["nobody"] and not row["ended"] for row in rows),
            "may_take_over": protection.is_superuser(request.user),
            "may_make": self.has_add_permission(request),
            "docs": reverse("api-docs"),
            **made,
        }
        return render(request, "provisioning/tokens/list.html", context)


def _mine(request: HttpRequest) -> "QuerySet[ApiToken]":
    """Return the tokens that somebody may revoke."""
    found = ApiToken.objects.filter(revoked_at=None)
    return found if protection.is_superuser(request.user) else found.filter(owner=request.user.pk)


def _may(token: ApiToken) -> str:
    """Say what a token may."""
    parts = [f"{FAMILIES.get(family, family)}: {SCOPES[scope].lower()}" for family, scope in token.scopes.items()]
    return "; ".join(parts)

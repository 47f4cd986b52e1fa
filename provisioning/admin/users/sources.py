"""Which source each attribute of one user follows, on the user page."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from provisioning import reach
from provisioning.admin.panels import loaded_later, viewed
from provisioning.contracts import fields
from provisioning.contracts.models import Employment, ProfileSource
from provisioning.imports.users import authority
from provisioning.imports.users.authority import Followed
from provisioning.imports.users.labels import Labels
from provisioning.models import User
from provisioning.profile.facts import facts
from provisioning.profile.person import catalogue


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One attribute: its value, what it follows in words, "" for the portal alone, and who is not followed."""

    label: str
    value: Any
    follows: str
    others: str


class SourcesPanel(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the panel and its address to the user page."""

    @admin.display(description="Where values come from")
    def sources_panel(self, user: User) -> SafeString:
        """Load the panel after the page."""
        return loaded_later("provisioning_user_sources", user.pk, "Looking at the sources …")

    def get_urls(self) -> list[URLPattern]:
        """Add the panel's address."""
        view = self.admin_site.admin_view(require_GET(self.sources_view))
        return [path("<path:object_id>/sources/", view, name="provisioning_user_sources"), *super().get_urls()]

    def sources_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show it to who may see the user."""
        user = viewed(self, request, object_id)
        return TemplateResponse(
            request, "provisioning/user/sources.html", {"rows": source_rows(user, reach.hidden(request.user))}
        )


def source_rows(user: User, hidden: Collection[str] = ()) -> list[SourceRow]:
    """Return the attributes that the user has, or that something says of them: the number of queries is fixed."""
    known = catalogue()
    labels, values = Labels(known), facts(user, known)
    by_source = authority.followed(user.pk)
    has_contract = Employment.objects.filter(user=user, primary__isnull=False).exists()
    by_contract = dict(ProfileSource.objects.values_list("attribute", "field")) if has_contract else {}
    named = {f"{kind.value}.{name}": None for kind, name in known if name != "active" and name not in hidden}
    return [
        SourceRow(
            labels[each],
            values.get(labels[each]),
            _follows(each, by_source, by_contract),
            ", ".join(one.name for one in by_source[each].others) if each in by_source else "",
        )
        for each in [*named, *(each for each in by_source if each not in named and not _is(each, hidden))]
        if each in by_source or each in by_contract or values.get(labels[each]) is not None
    ]


def _is(each: str, hidden: Collection[str]) -> bool:
    return each.partition(".")[2] in hidden


def _follows(name: str, by_source: Mapping[str, Followed], by_contract: Mapping[str, str]) -> str:
    words = []
    if name in by_contract:
        words.append(f"the primary contract ({fields.label(by_contract[name])})")
    if one := by_source.get(name):
        words += [f"{source.name} (rank {source.rank})" for source in one.by]
    if len(words) > 1:
        return f"whoever changed it last: {', '.join(words)}"
    return words[0] if words else ""

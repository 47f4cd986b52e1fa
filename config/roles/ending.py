"""A role that is deleted: who and what loses it, and what is kept of that."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.urls import reverse

from config.models import Role
from config.sso.models import RoleMapping
from provisioning import services
from provisioning.models import Grant, User
from provisioning.tokens.models import ApiToken
from reports import evidence
from reports.models import SavedFilter

LISTED = 20


@dataclass(slots=True)
class Use:
    """Some that lose something with a role: in words, the first of them by name and page, and how many more."""

    words: str
    names: list[dict[str, str]]
    more: int = 0
    ids: list[int] = field(default_factory=list)


def uses(role: Role) -> list[Use]:
    """Return who and what uses the role now."""
    people = holders(role)
    tokens = ApiToken.objects.filter(role=role, revoked_at=None).order_by("name", "pk")
    mappings = RoleMapping.objects.filter(role=role).select_related("provider").order_by("pk")
    shared = SavedFilter.objects.filter(role=role).select_related("user").order_by("pk")
    found = [
        _use("These people have it no more, and lose what no other role gives them:", people, _person),
        _use("These API tokens of services, which work no more:", tokens, lambda one: (one.name, "")),
        _use("These groups of identity providers give it no more:", mappings, _mapping),
        _use("These saved filters are shared with its people no more:", shared, lambda one: (one.name, "")),
    ]
    return [use for use in found if use.ids]


def digest(found: Iterable[Use]) -> str:
    """Return what stands for the uses that were shown, to tell whether they are still the same."""
    return hashlib.sha256(repr([(use.words, use.ids) for use in found]).encode()).hexdigest()[:32]


def holders(role: Group) -> Any:
    """Return the people who have the role."""
    return User.objects.filter(pk__in=Grant.objects.current().filter(role=role).values("user"))


@transaction.atomic
def delete(role: Role, actor: str) -> None:
    """Delete the role; whoever loses it has a line in the report and in the evidence."""
    for grant in Grant.objects.current().filter(role=role).select_related("user"):
        services.take_role(grant, actor)
    keep(role, "deleted", actor)
    role.delete()


def keep(role: Role, verb: str, actor: str) -> None:
    """Keep what was done to a role as evidence; ``verb`` is what was done to it."""
    state = None if verb == "deleted" else described(role)
    evidence.changed(f"role {role.pk}", state, f"{actor} {verb} the role {role.name}.", actor)


def described(role: Role) -> dict[str, Any]:
    """Describe a role, as the evidence has it."""
    held = role.permissions.values_list("content_type__app_label", "codename")
    return {"name": role.name, "rights": sorted(".".join(pair) for pair in held)}


def _use(words: str, rows: Any, named: Any) -> Use:
    ids = list(rows.values_list("pk", flat=True))
    names = [dict(zip(("name", "url"), named(one), strict=True)) for one in rows[:LISTED]]
    return Use(words, names, more=max(len(ids) - LISTED, 0), ids=ids)


def _person(user: User) -> tuple[str, str]:
    return f"{user.get_full_name()} ({user.username})", reverse("admin:provisioning_user_change", args=[user.pk])


def _mapping(one: RoleMapping) -> tuple[str, str]:
    return f"{one.group} of {one.provider}", reverse("admin:sso_identityprovider_change", args=[one.provider_id])

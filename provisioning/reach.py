"""Whom somebody sees, and whom they may act on: everybody, or the people for whom a role was given to them.

A role that was given for some people (``Grant.within``) is unknown to ``has_perm``: whatever door asks that stays shut
for whoever has nothing else. The doors that open for some people ask here, with the row or for a queryset. So a new
door leaks nothing before somebody taught it to ask.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from directories.models import Directory
from provisioning.contracts import tree
from provisioning.contracts.models import Contract, Department
from provisioning.groups import nesting
from provisioning.models import Account, Grant, Group, Membership, User
from provisioning.models.accounts import AccountState

SEE = "provisioning.view_user"
CHANGE = "provisioning.change_user"
SET_PASSWORD = "provisioning.set_password_user"
LIMITABLE = frozenset({SEE, CHANGE, SET_PASSWORD})
"""The rights that a role gives where it was given for some people; its others it gives only for everybody."""

KINDS = ("departments", "groups", "directories")
NOT_SHOWN = frozenset({"manager"})
"""Attributes that name other people: not shown to whoever sees only some, nor taken from them."""


def people(actor: Any, right: str) -> "QuerySet[User]":
    """Return the people to whom the right extends: everybody, some or nobody."""
    if actor.has_perm(right):
        return User.objects.all()
    found = _limits(actor).get(right)
    return User.objects.filter(pk__in=_ids(found)) if found else User.objects.none()


def extends_to(actor: Any, right: str, user: User) -> bool:
    """Return whether the right extends to one person."""
    return bool(actor.has_perm(right)) or people(actor, right).filter(pk=user.pk).exists()


def has_anywhere(actor: Any, right: str) -> bool:
    """Return whether the right extends to anybody at all: for doors whose rows are asked for besides."""
    return bool(actor.has_perm(right)) or right in _limits(actor)


def hidden(actor: Any) -> frozenset[str]:
    """Return the profile attributes that are not shown to ``actor``, of anybody."""
    return frozenset() if actor.has_perm(SEE) else NOT_SHOWN


def in_words(within: Mapping[str, list[int]]) -> str:
    """Name the departments, groups and directories of a limit."""
    words = []
    for kind, model, said in (
        ("departments", Department, "department {} and below"),
        ("groups", Group, "group {}"),
        ("directories", Directory, "accounts in {}"),
    ):
        names = model._default_manager.filter(pk__in=within.get(kind, ())).order_by("name", "pk")
        words += [said.format(name) for name in names.values_list("name", flat=True)]
    return ", ".join(words) or "nobody: what it was limited to is gone"


Limits = Mapping[str, Mapping[str, set[int]]]


def _limits(actor: Any) -> Limits:
    """Return, by right, for whom the actor's limited roles give it; read once for each request's actor."""
    if not isinstance(actor, User) or not actor.is_active or not actor.is_staff:
        return {}
    known: Limits | None = vars(actor).get("_reach")
    if known is None:
        known = vars(actor)["_reach"] = _read(actor)
    return known


def _read(actor: User) -> Limits:
    app, codenames = "provisioning", [right.partition(".")[2] for right in LIMITABLE]
    rows = Grant.objects.current().filter(
        user=actor,
        within__isnull=False,
        role__permissions__content_type__app_label=app,
        role__permissions__codename__in=codenames,
    )
    found: dict[str, dict[str, set[int]]] = {}
    for within, codename in rows.order_by().values_list("within", "role__permissions__codename"):
        limit = found.setdefault(f"{app}.{codename}", {kind: set() for kind in KINDS})
        for kind in KINDS:
            limit[kind].update((within or {}).get(kind, ()))
    return found


def _ids(limit: Mapping[str, set[int]]) -> "QuerySet[Any]":
    """Return the ids of the people of a limit as one query: each kind is read from its own index."""
    parts: list[QuerySet[Any, Any]] = []
    if departments := limit["departments"]:
        parents = dict(Department.objects.values_list("pk", "parent_id"))
        not_over = Q(ends__isnull=True) | Q(ends__gte=timezone.localdate())
        there = Contract.objects.filter(not_over, department__in=tree.subtree(departments, parents)).order_by()
        parts.append(there.filter(user__isnull=False).values("user_id"))
        parts.append(there.filter(account__user__isnull=False).values("account__user_id"))
    if groups := limit["groups"]:
        parts.append(Membership.objects.filter(group__in=nesting.below(groups)).order_by().values("user_id"))
    if directories := limit["directories"]:
        held = Account.objects.filter(directory__in=directories, user__isnull=False)
        parts.append(held.exclude(state=AccountState.ABSENT).order_by().values("user_id"))
    if not parts:
        return User.objects.none().values("pk")
    return parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0]

"""Attributes that stand in other tables: asked for as a set of ids, so that the database begins at their index.

A condition of its own for each resource (``EXISTS ... OR ...``) would have the whole roll read.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Exists, F, OuterRef, Q

from config.filter_syntax import WAYS
from provisioning.models import Group, Membership, Nesting, User
from scim.models import Client, GroupLink, Reach, UserLink
from scim.resources.comparing import folded


def link_column(model: Any, owner: str, client: Client, name: str) -> Callable[[str, Any], Q]:
    """Ask for a column of what the client knows of a resource; ``owner`` is the resource there."""

    def query(operator: str, value: Any) -> Q:
        links = model.objects.filter(~Q(**{name: ""}), client=client)
        return Q(pk__in=links.filter(_comparison(name, operator, value)).values(f"{owner}_id"))

    return query


def user_name(client: Client) -> Callable[[str, Any], Q]:
    """Ask for the name that the client calls a user by: its own where it has one, else the portal's."""

    def query(operator: str, value: Any) -> Q:
        if operator == "pr":
            return Q(pk__isnull=False)
        wanted = folded(value)
        named = UserLink.objects.filter(~Q(user_name_key=""), client=client)
        renamed = Exists(named.filter(user=OuterRef("pk")))
        plain = User.objects.order_by().filter(_comparison("username_key", operator, wanted)).exclude(renamed)
        called = named.filter(_comparison("user_name_key", operator, wanted))
        return Q(pk__in=plain.values("pk").union(called.values("user_id"), all=True))

    return query


def group_name(client: Client) -> Callable[[str, Any], Q]:
    """Ask for the name that the client calls a group by, in the same way (``GroupRules.called``)."""

    def query(operator: str, value: Any) -> Q:
        if operator == "pr":
            return Q(pk__isnull=False)
        wanted = folded(value)
        named = GroupLink.objects.filter(~Q(name_key=""), client=client, stands_for=F("group__name_key"))
        renamed = Exists(named.filter(group=OuterRef("pk")))
        plain = Group.objects.order_by().filter(_comparison("name_key", operator, wanted)).exclude(renamed)
        called = named.filter(_comparison("name_key", operator, wanted))
        return Q(pk__in=plain.values("pk").union(called.values("group_id"), all=True))

    return query


def members(operator: str, value: Any) -> Q:
    """Ask for the groups that a user or a group is directly in; staff of the portal are never named."""
    people = Membership.objects.filter(user__is_staff=False, user__is_superuser=False)
    nested = Nesting.objects.all()
    if operator != "pr":
        people, nested = people.filter(user__scim_id=value), nested.filter(child__scim_id=value)
    return Q(pk__in=people.values("group_id").union(nested.values("parent_id"), all=True))


def groups_of(client: Client) -> Callable[[str, Any], Q]:
    """Ask for the users who are directly in a group, of those that the client sees."""

    def query(operator: str, value: Any) -> Q:
        found = Membership.objects.all()
        if client.reach == Reach.OWN:
            found = found.filter(group__scim_links__client=client, group__scim_links__owned=True)
        if operator != "pr":
            found = found.filter(group__scim_id=value)
        return Q(pk__in=found.values("user_id"))

    return query


def _comparison(column: str, operator: str, value: Any) -> Q:
    return Q() if operator == "pr" else Q(**{f"{column}__{WAYS[operator]}": value})

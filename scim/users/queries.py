"""What nearly every request reads, as prepared queries: one user, and what belongs to a few of them."""

import uuid
from collections import defaultdict
from collections.abc import Collection
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, CharField, Exists, FilteredRelation, OuterRef, Q, QuerySet, UUIDField

from config.database.prepared import Parameter, Prepared
from provisioning.models import Membership, User
from scim.access.visibility import seen
from scim.models import Client, Reach, UserLink

_OF_MANAGERS = ["manager__username", "manager__scim_id", "manager__is_staff", "manager__is_superuser"]
_FIELDS = [field.name for field in User._meta.concrete_fields]
_CLIENT = Parameter("client", BigIntegerField())
_USER = Parameter("user", BigIntegerField())


def with_manager(users: "QuerySet[User]") -> "QuerySet[User]":
    """Read users with what is shown of their managers, and no more of them."""
    return users.select_related("manager").only(*_FIELDS, *_OF_MANAGERS)


def _with_link(users: "QuerySet[User]") -> "QuerySet[User]":
    """Read users with their managers and, as ``known``, what the client knows of them; no ``only`` goes with that."""
    known = FilteredRelation("scim_links", condition=Q(scim_links__client_id=_CLIENT))
    return users.annotate(known=known).select_related("manager", "known")  # type: ignore[misc]


def _user(reach: Reach) -> "QuerySet[User]":
    return _with_link(seen(reach, _CLIENT)).order_by().filter(scim_id=Parameter("scim_id", UUIDField()))


def _locked(reach: Reach) -> "QuerySet[User]":
    found = with_manager(seen(reach, _CLIENT)).order_by().filter(scim_id=Parameter("scim_id", UUIDField()))
    return found.select_for_update(of=("self",), no_key=True)


def _named(reach: Reach) -> "QuerySet[User]":
    key = Parameter("key", CharField())
    aliases = UserLink.objects.exclude(user_name_key="").filter(client_id=_CLIENT)
    renamed = aliases.filter(user=OuterRef("pk"))
    plain = User.objects.order_by().filter(username_key=key).exclude(Exists(renamed))
    called = aliases.filter(user_name_key=key)
    found = _with_link(seen(reach, _CLIENT)).order_by("pk")
    return found.filter(pk__in=plain.values("pk").union(called.values("user_id"), all=True))


def _groups(reach: str, client: Any, rows: "QuerySet[Membership]") -> "QuerySet[Membership, Any]":
    if reach == Reach.OWN:
        rows = rows.filter(group__scim_links__client_id=client, group__scim_links__owned=True)
    return rows.order_by("group__name_key").values_list("user_id", "group__scim_id", "group__name")


def _groups_of_one(reach: Reach) -> "QuerySet[Membership, Any]":
    return _groups(reach, _CLIENT, Membership.objects.filter(user_id=_USER))


_OF_NAME = Prepared(
    lambda: (
        with_manager(User.objects.filter(username_key=Parameter("key", CharField())))
        .order_by()
        .select_for_update(of=("self",), no_key=True)
    )
)
_ALIASES = Prepared(
    lambda: (
        UserLink.objects.exclude(user_name_key="").filter(user_name_key=Parameter("key", CharField())).order_by("pk")
    )
)
_HOLDERS = Prepared(
    lambda: (
        User.objects.filter(username_key=Parameter("username", CharField()))
        .order_by()
        .values_list("pk")
        .union(
            UserLink.objects.exclude(user_name_key="")
            .filter(user_name_key=Parameter("user_name", CharField()))
            .values_list("user_id"),
            all=True,
        )
    )
)
_USERS = {reach: Prepared(partial(_user, reach)) for reach in Reach}
_LOCKED = {reach: Prepared(partial(_locked, reach)) for reach in Reach}
_NAMED = {reach: Prepared(partial(_named, reach)) for reach in Reach}
_LINK = Prepared(lambda: UserLink.objects.filter(client_id=_CLIENT, user_id=_USER))
_GROUPS = {reach: Prepared(partial(_groups_of_one, reach)) for reach in Reach}


def user(client: Client, scim_id: uuid.UUID) -> User | None:
    """Return the user of that id whom the client sees, with what it knows of them."""
    found = _USERS[Reach(client.reach)].first(client=client.pk, scim_id=scim_id)
    return found and _known(client, found)


def locked(client: Client, scim_id: uuid.UUID) -> User | None:
    """Return the user of that id whom the client sees, locked until the transaction ends."""
    return _LOCKED[Reach(client.reach)].first(client=client.pk, scim_id=scim_id)


def called(client: Client, key: str) -> list[User]:
    """Return whom the client calls by that user name (folded): ``relations.user_name`` for equality.

    What it knows of them comes with them.
    """
    return [_known(client, found) for found in _NAMED[Reach(client.reach)].models(client=client.pk, key=key)]


def _known(client: Client, user: User) -> User:
    """Note whose ``known`` the user came with; Django leaves it out where there is none."""
    vars(user).update(known=vars(user).get("known"), known_to=client.pk)
    return user


def named(key: str) -> list[User]:
    """Return the user of that name in the portal (folded), whoever sees them, locked until the transaction ends."""
    return _OF_NAME.models(key=key)


def is_held(username: str, user_name: str) -> bool:
    """Return whether anybody has that name in the portal, or is called so by a client (both folded)."""
    return bool(_HOLDERS.rows(username=username, user_name=user_name))


def aliases(key: str) -> list[UserLink]:
    """Return what each client knows of whom it alone calls by that name (folded)."""
    return _ALIASES.models(key=key)


def links_of(client: Client, users: Collection[User]) -> dict[int, UserLink]:
    """Return what the client knows of each user, read only where it did not come with them."""
    if all(vars(user).get("known_to") == client.pk for user in users):
        return {user.pk: vars(user)["known"] for user in users if vars(user)["known"] is not None}
    return links(client, [user.pk for user in users])


def links(client: Client, user_ids: Collection[int]) -> dict[int, UserLink]:
    """Return what the client knows of each user."""
    if len(user_ids) == 1:
        found = [*_LINK.models(client=client.pk, user=next(iter(user_ids)))]
    else:
        found = [*UserLink.objects.filter(client=client, user__in=user_ids)]
    return {each.user_id: each for each in found}


def groups(client: Client, user_ids: Collection[int]) -> dict[int, list[tuple[Any, str]]]:
    """Return (id, name) of the groups, of those that the client sees, that each user is directly in."""
    if len(user_ids) == 1:
        rows = _GROUPS[Reach(client.reach)].rows(client=client.pk, user=next(iter(user_ids)))
    else:
        rows = list(_groups(client.reach, client.pk, Membership.objects.filter(user__in=user_ids)))
    found: dict[int, list[tuple[Any, str]]] = defaultdict(list)
    for user_id, group, name in rows:
        found[user_id].append((group, name))
    return found

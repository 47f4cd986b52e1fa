"""The image of users that are about to be deleted: taken a page at a time, whatever the door, in a few queries.

Passwords, and the rights and roles of staff, are never in it. Other parts of the portal that keep something of a user
register a ``Keeper``, which is asked for its part of the image and later given it back.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from config.database import bulk
from provisioning.models import Account, Membership, User
from provisioning.models.people import FoldedField
from provisioning.recycle.models import DeletedUser

LEFT_OUT = {"id", "password", "last_login", "is_staff", "is_superuser", "manager", "updated_at"}
FIELDS = [
    field for field in User._meta.concrete_fields if field.name not in LEFT_OUT and not isinstance(field, FoldedField)
]
Part = Any  # JSON


@dataclass(frozen=True, slots=True)
class Keeper:
    """A part of images: ``take`` returns it for these users by id, ``give`` restores it and returns what it could not.

    Both are asked for many users at once, in the caller's transaction.
    """

    name: str
    take: Callable[[Collection[int]], Mapping[int, Part]]
    give: Callable[[Mapping[int, Part]], Mapping[int, list[str]]]


@dataclass(frozen=True, slots=True)
class Heir:
    """A part of the portal whose rows of a user go to another one, into whom the user is merged.

    ``hand_over`` (who goes, who stays) returns what went over, and ``take_back`` (that, who has it, whose it was) gives
    it back, both in the caller's transaction.
    """

    name: str
    hand_over: Callable[[User, User], Part]
    take_back: Callable[[Part, User, User], None]


KEEPERS: list[Keeper] = []
HEIRS: list[Heir] = []


def register(keeper: Keeper) -> None:
    """Have a part of the portal asked for what it keeps of users."""
    if all(one.name != keeper.name for one in KEEPERS):
        KEEPERS.append(keeper)


def inherit(heir: Heir) -> None:
    """Have a part of the portal asked whenever a user is merged into another."""
    if all(one.name != heir.name for one in HEIRS):
        HEIRS.append(heir)


def keep(users: Collection[User], actor: str) -> None:
    """Put users into the recycle bin, in the transaction that deletes them."""
    if not users:
        return
    ids = [user.pk for user in users]
    memberships: dict[int, list[Part]] = {}
    rows = Membership.objects.filter(user__in=ids).order_by("pk").values_list("user_id", "group_id", "group__name")
    for user_id, group_id, name in rows:
        memberships.setdefault(user_id, []).append([group_id, name])
    reports: dict[int, list[int]] = {}
    for pk, manager in User.objects.filter(manager__in=ids).order_by("pk").values_list("pk", "manager_id"):
        reports.setdefault(manager, []).append(pk)
    accounts: dict[int, list[int]] = {}
    for pk, user_id in Account.objects.filter(user__in=ids).order_by("pk").values_list("pk", "user_id"):
        accounts.setdefault(user_id, []).append(pk)
    others = {keeper.name: keeper.take(ids) for keeper in KEEPERS}
    bulk.insert(
        DeletedUser,
        [
            {
                "user_id": user.pk,
                "username": user.username,
                "full_name": user.get_full_name(),
                "department": user.department,
                "deleted_by": actor[:255],
                "image": {
                    "fields": {field.name: plain(getattr(user, field.name)) for field in FIELDS},
                    "manager": [user.manager_id, user.manager.username] if user.manager else None,
                    "signed_in": user.may_sign_in,
                    "memberships": memberships.get(user.pk, []),
                    "reports": reports.get(user.pk, []),
                    "accounts": accounts.get(user.pk, []),
                    **{name: part[user.pk] for name, part in others.items() if user.pk in part},
                },
            }
            for user in users
        ],
    )


def plain(value: Any) -> Any:
    """Return the value as JSON holds it; its field reads it back."""
    return value if value is None or isinstance(value, str | int | float | bool | dict | list) else str(value)

"""How roles and the settings of the sign-in are put back."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Q

from config import sign_in_settings
from config.models import Role
from config.roles.admin import built_in
from config.roles.ending import described, holders, keep
from config.roles.rights import givable, in_words
from config.second_factor import held
from config.signin.models import SignInSettings
from provisioning.admin.configuration.put_back import Restorer, register
from provisioning.admin.configuration.restorers import number_of
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart, stored
from provisioning.models import User


def role_item(number: str, then: dict[str, Any], kept: list[str]) -> BlueprintItem:
    """Return a role as it was."""
    return {"id": number_of(number), "name": then["name"], "rights": then["rights"]}


def write_role(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Write a role; a right that is not there any more is refused."""
    role = stored(Role.objects.all(), wanted, Q(name=wanted["name"]))
    assert isinstance(role, Role)
    before, after = described(role), {"name": wanted["name"], "rights": list(wanted["rights"])}
    if before == after:
        return WrittenPart("role", before, after)
    if built_in(role):
        raise PartRefused("It comes with the portal, whose updates keep it. Copy it, and change the copy.")
    codes = {right.rpartition(".")[2] for right in after["rights"]}
    known = Permission.objects.filter(codename__in=codes).select_related("content_type")
    rights = {f"{one.content_type.app_label}.{one.codename}": one for one in known}
    if gone := sorted(set(after["rights"]) - set(rights)):
        raise PartRefused(f"There is no right {', '.join(gone)} any more. Tick the rights on the role's page.")
    given = {right: rights[right] for right in after["rights"]}
    own = set(givable(User.objects.get(username=actor)).values_list("pk", flat=True))
    beyond = [one for right, one in given.items() if right not in before["rights"] and one.pk not in own]
    if beyond:
        words = "; ".join(in_words(one) for one in beyond)
        raise PartRefused(f"You do not have these rights yourself, so you cannot put them into a role: {words}.")
    role.name = after["name"]
    role.save()
    role.permissions.set(given.values())
    keep(role, "changed", actor)
    return WrittenPart("role", before, after)


def people_of_role(before: BlueprintItem, after: BlueprintItem) -> Iterator[str]:
    """Say how many have it."""
    number = holders(Role.objects.get(name=after["name"])).count()
    yield f"{number:,} {'person has' if number == 1 else 'people have'} this role."


def sign_in_item(_: str, then: dict[str, Any], kept: list[str]) -> BlueprintItem:
    """Return the settings of the sign-in as they were; what is new since stays."""
    now = sign_in_settings.described(SignInSettings.objects.get_or_create(pk=SignInSettings.ONE)[0])
    return {"name": "", **{name: then.get(name, value) for name, value in now.items()}}


def write_sign_in(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Write the settings; nobody asks of others what they do not have themselves."""
    row = SignInSettings.objects.get(pk=SignInSettings.ONE)
    before = sign_in_settings.described(row)
    after = {name: wanted[name] for name in before}
    if before != after:
        asks = after["second_factor"] and not before["second_factor"]
        if asks and not held.has_one(User.objects.get(username=actor)):
            raise PartRefused("Add a second factor of your own first: the menu below your name, Your account.")
        for name, value in after.items():
            setattr(row, name, value)
        sign_in_settings.save(row, actor)
    return WrittenPart("settings", before, after)


register("role ", Restorer(role_item, write_role, people_of_role))
register("sign-in", Restorer(sign_in_item, write_sign_in))

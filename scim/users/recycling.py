"""What applications know of a user, as a part of the image of one who is deleted."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q

from config.database import bulk
from provisioning.models.people import fold
from provisioning.recycle.images import Keeper
from scim.models import Client, UserLink

KEPT = ("client_id", "external_id", "user_name", "kept", "owned", "said_active")


def take(user_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the links of these users."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in UserLink.objects.filter(user__in=user_ids).order_by("pk").values("user_id", *KEPT):
        found.setdefault(row.pop("user_id"), []).append(row)
    return found


def give(parts: Mapping[int, list[dict[str, Any]]]) -> dict[int, list[str]]:
    """Make the links again; return which identifiers somebody else has by now."""
    clients = dict(Client.objects.values_list("pk", "name"))
    links = [{"user_id": user, **link} for user, held in parts.items() for link in held if link["client_id"] in clients]
    others = UserLink.objects.filter(
        Q(external_id__in=[link["external_id"] for link in links if link["external_id"]])
        | Q(user_name_key__in=[fold(link["user_name"]) for link in links if link["user_name"]])
    )
    taken = set()
    for client, external, name in others.values_list("client_id", "external_id", "user_name_key"):
        taken |= {(client, "id", external), (client, "name", name)}
    missing: dict[int, list[str]] = {}
    for link in links:
        client = link["client_id"]
        if link["external_id"] and (client, "id", link["external_id"]) in taken:
            words = f"the identifier {link['external_id']} of {clients[client]} is somebody else's by now"
            missing.setdefault(link["user_id"], []).append(words)
            link["external_id"] = ""
        if link["user_name"] and (client, "name", fold(link["user_name"])) in taken:
            words = f"the name {link['user_name']} in {clients[client]} is somebody else's by now"
            missing.setdefault(link["user_id"], []).append(words)
            link["user_name"] = ""
    bulk.insert(UserLink, links, ignore_conflicts=True)
    return missing


KEEPER = Keeper("scim", take, give)

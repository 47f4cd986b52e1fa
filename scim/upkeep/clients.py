"""SCIM applications as people set them up: added, changed, switched off, deleted, each with its line in the report."""

import re
from collections.abc import Iterable

from django.db import transaction
from django.utils.text import slugify

from config.database import bulk
from scim.access import tokens
from scim.access.tokens import Issued, record
from scim.models import Client, ClientMapping, GroupLink, Provider, RequestLog, UserLink
from scim.resources import mapping

_HINTS = {
    Provider.OKTA: "okta",
    Provider.ENTRA: "entra|azure|microsoft",
    Provider.ONELOGIN: "one ?login",
    Provider.JUMPCLOUD: "jump ?cloud",
    Provider.GOOGLE: "google|workspace",
    Provider.KEYCLOAK: "keycloak",
    Provider.AUTHENTIK: "authentik",
    Provider.PING: "ping",
    Provider.SAILPOINT: "sail ?point",
}


@transaction.atomic
def add(name: str, actor: str, provider: str = "") -> Issued:
    """Add an application with its default mapping and a first token; the product is guessed from the name."""
    client = Client(name=name, slug=free_slug(name), provider=provider or guess(name))
    client.save()
    set_default_mapping(client)
    record(client, f"{actor} added the SCIM application {client}.", actor)
    return tokens.issue(client, actor, "First token")


def guess(name: str) -> Provider:
    """Return the product that the name speaks of."""
    found = (product for product, words in _HINTS.items() if re.search(rf"\b(?:{words})", name, re.IGNORECASE))
    return next(found, Provider.OTHER)


def free_slug(name: str) -> str:
    """Return what stands for the application in its address: its name in small letters, numbered when taken."""
    stem = slugify(name)[:44].strip("-_").replace("_", "-") or "scim"
    stem = re.sub("-{2,}", "-", stem)
    taken = set(Client.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    return next(
        slug for number in range(1, len(taken) + 2) if (slug := f"{stem}-{number}" if number > 1 else stem) not in taken
    )


def set_default_mapping(client: Client) -> None:
    """Give the application the mapping that every application starts with."""
    client.mappings.all().delete()
    rows = [*mapping.defaults()]
    for row in rows:
        row.client = client
    ClientMapping.objects.bulk_create(rows)


@transaction.atomic
def set_enabled(client: Client, enabled: bool, actor: str) -> bool:
    """Switch the application on or off; return False when it was so already. Off, every request is refused."""
    if not Client.objects.filter(pk=client.pk).exclude(enabled=enabled).update(enabled=enabled):
        return False
    client.enabled = enabled
    record(client, f"{actor} switched the SCIM application {client} {'on' if enabled else 'off'}.", actor)
    return True


def changed(client: Client, names: Iterable[str], actor: str) -> None:
    """Record what somebody changed; names of settings only."""
    what = ", ".join(dict.fromkeys(names))
    if what:
        record(client, f"{actor} changed the SCIM application {client}: {what}.", actor)


@transaction.atomic
def remove(client: Client, actor: str) -> None:
    """Delete the application, its tokens and log. The people and groups that it brought stay.

    The big tables are emptied by statements: Django's cascade would load every row.
    """
    for rows in (RequestLog.objects, UserLink.objects, GroupLink.objects):
        bulk.delete(rows.filter(client=client))
    record(client, f"{actor} deleted the SCIM application {client}. Its people and groups stay.", actor, gone=True)
    client.delete()

"""Who on the roll is meant when an application creates a user: nobody, somebody it may claim, or a conflict."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from directories.attributes import Kind
from provisioning.models import User
from provisioning.models.people import fold
from scim.errors import conflict
from scim.models import Client, Match, UserLink
from scim.users import queries
from scim.users.draft import Draft


@dataclass(frozen=True, slots=True)
class Found:
    """A user that the application may have, and what it knows of them already."""

    user: User
    link: UserLink | None


def match(client: Client, draft: Draft) -> Found | None:
    """Return whom the draft means, locked; None when they are new. Raise ScimError 409 when they are taken."""
    named = queries.named(fold(draft.username))
    called = queries.alias(client, fold(draft.user_name))
    if called is not None:
        named = _locked(User.objects.filter(pk=called.user_id))
    if named:
        return _named(client, draft, named[0])
    found = _by_rule(client, draft)
    _check_staff(found)
    if len(found) > 1:
        raise conflict(f"{_words(client)} belongs to more than one person on the roll.")
    if not found:
        return None
    link = _link(client, found[0])
    if link is not None and link.deleted_at is None:
        if client.match == Match.EMAIL:
            return None  # two people of the application share an address
        raise conflict("The externalId belongs to another user of this application.")
    return Found(found[0], link)


def _named(client: Client, draft: Draft, user: User) -> Found:
    """Return the user of that very name if the application may have them."""
    _check_staff([user])
    link = _link(client, user)
    if link is not None and link.deleted_at is None:
        raise conflict("A user of this userName exists already.")
    if link is None and client.match != Match.USERNAME and user not in _by_rule(client, draft):
        raise conflict(
            "A user of this name is on the roll already, and the rule by which this application recognises people "
            f"({client.get_match_display().lower()}) does not say that it is the same person."
        )
    return Found(user, link)


def _by_rule(client: Client, draft: Draft) -> list[User]:
    email = draft.values.get((Kind.PROFILE, "email"))
    if client.match == Match.EXTERNAL_ID and draft.external_id:
        return _locked(
            User.objects.filter(pk__in=UserLink.objects.filter(external_id=draft.external_id).values("user"))
        )
    if client.match == Match.EMAIL and email:
        return _locked(User.objects.filter(email_key=fold(str(email))))
    return []


def _check_staff(users: Iterable[User]) -> None:
    """Refuse to take over whoever may sign in to the portal."""
    if any(user.is_staff or user.is_superuser for user in users):
        raise conflict("The name or address belongs to staff of the portal, whom no application may touch.")


def _link(client: Client, user: User) -> UserLink | None:
    return UserLink.objects.filter(client=client, user=user).first()


def _locked(users: "QuerySet[User]") -> list[User]:
    rows = users.select_related("manager").order_by("pk").select_for_update(of=("self",), no_key=True)
    return list(rows[:2])


def _words(client: Client) -> str:
    return "The externalId" if client.match == Match.EXTERNAL_ID else "The e-mail address"


def taken(client: Client, user: User, user_name: str) -> bool:
    """Return whether another user that the client sees goes by the name already."""
    key = fold(user_name)
    aliases = UserLink.objects.filter(client=client, user_name_key=key).exclude(user=user)
    return aliases.exists() or User.objects.filter(username_key=key).exclude(pk=user.pk).exists()

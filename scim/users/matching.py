"""Whose a user name is: nobody's, somebody's whom the application may claim, a leaver's who gives it up, or a conflict.

A name belongs to one person over the whole roll (RFC 7643 section 4.1.1): the portal's own user names count, and the
names by which any application calls people. Whom an application deleted does not count (RFC 7644 section 3.6), and
comes back only by the same externalId: the next one of that name may be another person.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from directories.attributes import Kind
from provisioning.models import User
from provisioning.models.people import fold
from scim.access.visibility import is_staff
from scim.errors import ScimError, conflict
from scim.models import Client, Match, UserLink
from scim.users import queries
from scim.users.draft import Draft

TAKEN = (
    "A user of this userName exists already. If that is another person, rename them in the portal, on their page under "
    "Rename, or choose another userName."
)


@dataclass(frozen=True, slots=True)
class MatchedUser:
    """A user in the portal, locked, and what the application knows of them already.

    ``leaver``: not whom the application means, but somebody who had the name before and can give it up.
    """

    user: User
    link: UserLink | None
    leaver: bool = False


def match(client: Client, draft: Draft) -> MatchedUser | None:
    """Return whom a new user of the application is in the portal; None when they are new. Raise ScimError 409."""
    holder = holder_of(client, draft)
    if holder is not None:
        return _of_holder(client, draft, holder)
    found = _by_rule(client, draft)
    _check_staff(found)
    if len(found) > 1:
        raise conflict(f"{_words(client)} belongs to more than one person on the roll.")
    if not found:
        return None
    link = _link(client, found[0])
    if link is None or _comes_back(client, draft, found[0], link):
        return MatchedUser(found[0], link)
    if client.match == Match.EMAIL:
        return None  # two people of the application share an address
    raise conflict("The externalId belongs to another user of this application.", f"It is that of {found[0]}.")


def holder_of(client: Client, draft: Draft, besides: User | None = None) -> User | None:
    """Return who has a name of the draft, locked: first for the application itself, then for others, then the portal.

    ``besides`` is whom the draft is about.
    """
    if not queries.is_held(fold(draft.username), fold(draft.user_name)):
        return None
    links = [link for link in queries.aliases(fold(draft.user_name)) if besides is None or link.user_id != besides.pk]
    links = [link for link in links if link.deleted_at is None or link.client_id == client.pk]
    for link in sorted(links, key=lambda link: link.client_id != client.pk)[:1]:
        return next(iter(_locked(User.objects.filter(pk=link.user_id))), None)
    return next((user for user in queries.named(fold(draft.username)) if user != besides), None)


def gives_up(user: User, draft: Draft) -> bool:
    """Return whether somebody has left, for every application that knows them, and so can lose the draft's name.

    An application for which they still exist under another name, as after Entra's soft deletion, is none of those.
    """
    if user.is_active or is_staff(user):
        return False
    links = UserLink.objects.filter(user=user).values_list("deleted_at", "user_name_key")
    names = {"", fold(draft.user_name), fold(draft.username)}
    return bool(links) and all(deleted is not None or name not in names for deleted, name in links)


def taken(holder: User) -> ScimError:
    """Return the error for a name that somebody has; who that is, only the portal's report says."""
    return conflict(TAKEN, f"{holder} has the name. Give one of the two another: people are renamed on their page.")


def _of_holder(client: Client, draft: Draft, user: User) -> MatchedUser:
    """Return the user of that very name if the application may have them, or the name."""
    _check_staff([user])
    link = _link(client, user)
    if link is not None:
        if _comes_back(client, draft, user, link):
            return MatchedUser(user, link)
        if gives_up(user, draft):
            return MatchedUser(user, link, leaver=True)
        if link.deleted_at is None:
            raise taken(user)
        raise conflict(
            "A user of this name, whom this application deleted under another externalId, is still active in the "
            "portal.",
            f"It is {user}. Deactivate or rename that person.",
        )
    if client.match != Match.USERNAME and user not in _by_rule(client, draft):
        raise conflict(
            "A user of this name is on the roll already, and the rule by which this application recognises people "
            f"({client.get_match_display().lower()}) does not say that it is the same person. If it is another one, "
            "rename them in the portal, on their page under Rename.",
            f"It is {user}.",
        )
    return MatchedUser(user, link)


def _comes_back(client: Client, draft: Draft, user: User, link: UserLink) -> bool:
    """Return whether somebody whom the application deleted is whom it means now.

    The externalId says so, under the same name or where it is the application's rule; without one on both sides,
    nothing does.
    """
    if link.deleted_at is None or not link.external_id or link.external_id != draft.external_id:
        return False
    called = fold(link.user_name or user.username)
    return client.match == Match.EXTERNAL_ID or called in (fold(draft.user_name), fold(draft.username))


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
    if any(is_staff(user) for user in users):
        raise conflict("The name or address belongs to staff of the portal, whom no application may touch.")


def _link(client: Client, user: User) -> UserLink | None:
    """Return what the client knows of a user; read after the user was locked, it is what the last request left."""
    return queries.links(client, [user.pk]).get(user.pk)


def _locked(users: "QuerySet[User]") -> list[User]:
    rows = users.select_related("manager").order_by("pk").select_for_update(of=("self",), no_key=True)
    return list(rows[:2])


def _words(client: Client) -> str:
    return "The externalId" if client.match == Match.EXTERNAL_ID else "The e-mail address"

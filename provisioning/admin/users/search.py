"""The search of the users list: by any part of what people are called, as the search box of every page."""

from django.db.models import QuerySet

from provisioning.models import User
from provisioning.search import find
from provisioning.search.text import Wanted

HELP = "Any part of a name, e-mail, phone or number"
MOST = 1000  # people who are named to the list one by one; more are looked for in the order of the list


def search(users: QuerySet[User], text: str) -> QuerySet[User]:
    """Keep the users who are found by the text."""
    if not text.strip():
        return users
    ids = find.ids_of_people(text, MOST)
    if ids is None:
        return users.filter(Wanted.of(text).condition("search_text__text"))
    return users.filter(pk__in=ids)

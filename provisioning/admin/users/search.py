"""The search of the users list: by how names begin, so that indexes answer it."""

from django.db.models import Q, QuerySet

from provisioning.admin.users.filters import spellings
from provisioning.models import User
from provisioning.models.people import fold

FOLDED = ("username_key", "email_key", "first_name_key", "last_name_key")
HELP = "Beginning of a name, e-mail or number"  # the employee number; no more words fit the box
MOST_WORDS = 8


def search(users: QuerySet[User], text: str) -> QuerySet[User]:
    """Keep the users of whom every word begins some name, address or employee number."""
    for word in text.split()[:MOST_WORDS]:
        folded = fold(word)
        condition = Q()
        for field in FOLDED:
            condition |= Q(**{f"{field}__startswith": folded})
        for spelling in spellings(word):
            condition |= Q(employee_number__startswith=spelling)
        users = users.filter(condition)
    return users

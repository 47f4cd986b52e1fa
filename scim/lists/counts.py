"""How many resources a client sees, without counting them.

On PostgreSQL, triggers write a line into ``scim_tally`` for each statement that adds or deletes people or groups: how
many came or went. Their sum is exact at any moment and for every transaction, as the lines are committed with what they
count; writers never wait for each other, since nobody updates a line. SQLite counts, as its portals are small.
"""

from django.db import connection
from django.db.models import Q

from provisioning.models import User
from scim import groups as teams
from scim.models import Client, Reach, UserLink
from scim.users import api as people


def users(client: Client) -> int:
    """Return how many users the client sees: all, less staff, less those whom it has deleted."""
    if client.reach == Reach.OWN or connection.vendor != "postgresql":
        return people.visible(client).order_by().count()
    hidden = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True))
    gone = UserLink.objects.filter(client=client, deleted_at__isnull=False, user__is_staff=False)
    return _summed("user") - hidden.count() - gone.filter(user__is_superuser=False).count()


def groups(client: Client) -> int:
    """Return how many groups the client sees."""
    if client.reach == Reach.OWN or connection.vendor != "postgresql":
        return teams.visible(client).order_by().count()
    return _summed("group")


def _summed(kind: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(delta) FROM scim_tally WHERE kind = %s", [kind])
        return int(cursor.fetchone()[0] or 0)

"""Pushing everyone to a directory, a page of users a transaction.

How far it has come is kept on the directory, so that neither a lost message nor a dead worker stops it.
"""

import time

from django.db import transaction

from directories.models import Directory
from provisioning.models import User
from provisioning.outbound.accounts import outbox, scope
from provisioning.outbound.groups import outbox as groups

PAGE = 1000
BUDGET = 3.0  # seconds of work at a time; a request that starts a push ends soon, and workers get to other tasks


def start(directory_id: int, actor: str) -> bool:
    """Begin again from the first user; return whether users are left for later."""
    with transaction.atomic():
        Directory.objects.filter(pk=directory_id).update(push_cursor=0, push_actor=actor)
        for page in outbox.pages(scope.orphans(directory_id)):
            outbox.enqueue({directory_id: page}, "push", actor, leaving=set(page))
    groups.push_all(directory_id, actor)
    return next_pages(directory_id)


def next_pages(directory_id: int) -> bool:
    """Enqueue pages of users for some seconds; return whether any are left."""
    started = time.monotonic()
    while _next_page(directory_id):
        if time.monotonic() - started > BUDGET:
            return True
    return False


def unfinished() -> list[int]:
    """Return the directories that not everyone was pushed to yet."""
    return list(Directory.objects.filter(push_cursor__isnull=False).values_list("pk", flat=True))


@transaction.atomic
def _next_page(directory_id: int) -> bool:
    directory = Directory.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=directory_id)
    row = directory.filter(push_cursor__isnull=False).values_list("push_cursor", "push_actor").first()
    if row is None:
        return False  # done, or another worker is at it
    cursor, actor = row
    users = list(User.objects.filter(pk__gt=cursor).order_by("pk").values_list("pk", flat=True)[:PAGE])
    if users:
        found = scope.accounts_for(users, only=directory_id)
        outbox.enqueue(found.by_directory, "push", actor, leaving=found.leaving, gone=found.gone)
    last = users[-1] if len(users) == PAGE else None
    Directory.objects.filter(pk=directory_id).update(push_cursor=last)
    return last is not None

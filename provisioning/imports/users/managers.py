"""Managers, once everybody is in the portal: a row may name someone whom a later row creates."""

from collections.abc import Iterator

from config.database import keyset
from provisioning.imports.decisions import to_apply
from provisioning.imports.runs import Lease, caused_by
from provisioning.imports.users.plan import MANAGER
from provisioning.imports.users.writing import save_users, user_ids
from provisioning.models import ImportRun, PlannedChange, User
from provisioning.models.imports import Action
from provisioning.models.people import fold
from provisioning.outbound.accounts import outbox

PAGE = 1000


def link_managers(run: ImportRun, lease: Lease) -> None:
    """Set the managers that the plan names and that are not set yet; names of nobody stay without one.

    It may run any number of times: what is set already is left alone.
    """
    for changes in _pages(run):
        with lease.page():
            _link(run, {fold(change.key): fold(change.after[MANAGER]) for change in changes})


def _pages(run: ImportRun) -> Iterator[list[PlannedChange]]:
    named = to_apply(run).filter(action__in=[Action.CREATE, Action.UPDATE], after__has_key=MANAGER)
    rows = named.only("key", "after")
    for page in keyset.pages(rows, PAGE):
        if changes := [change for change in page if change.after[MANAGER]]:
            yield changes


def _link(run: ImportRun, wanted: dict[str, str]) -> None:
    managers = user_ids(set(wanted.values()))
    people = User.objects.select_for_update(no_key=True).filter(username_key__in=wanted, is_staff=False)
    late = []
    for user in people.filter(is_superuser=False).order_by("pk"):
        manager = managers.get(wanted[user.username_key])
        if manager is not None and manager not in (user.manager_id, user.pk):
            user.manager_id = manager
            late.append(user)
    save_users(late, {"manager"})
    outbox.enqueue_users([user.pk for user in late], "import", caused_by(run), exclude=run.directory_id)

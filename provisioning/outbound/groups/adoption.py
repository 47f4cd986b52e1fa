"""A directory's group that was left by a group deleted from the portal, given to another one by a person's word.

The name alone gives it to nobody: see ``GroupReconciler``.
"""

from django.db import transaction

from provisioning.models import GroupAccount
from provisioning.models.outbox import AccountState
from provisioning.outbound.digests import OUTDATED
from provisioning.outbound.groups import messages, outbox
from reports import journal
from reports.models import Operation, Result


def can_adopt(account: GroupAccount) -> bool:
    """Return whether a deleted group of that name left one in the directory that this one may take over."""
    return _left_by_deleted(account) is not None


def _left_by_deleted(account: GroupAccount) -> GroupAccount | None:
    """Return what the portal remembers of a deleted group of that name that it pushed to the directory."""
    if account.group is None or account.remote_id:
        return None
    pushed = GroupAccount.objects.filter(directory=account.directory_id, group=None, state=AccountState.ACTIVE)
    return pushed.filter(key__iexact=account.group.name).exclude(pushed_digest="").order_by("pk").first()


@transaction.atomic
def adopt(account_id: int, actor: str) -> bool:
    """Give a group of the portal what a deleted one left in a directory; return False when there is nothing (more).

    It goes on with the directory's group: its name, and who is in it as far as the portal put them there.
    """
    rows = GroupAccount.objects.select_related("group", "directory").select_for_update(of=("self",))
    new = rows.filter(pk=account_id, group__isnull=False).first()
    left = _left_by_deleted(new) if new else None
    old = rows.filter(pk=left.pk, group=None).first() if left else None
    if new is None or new.group is None or old is None:
        return False
    group = new.group
    new.delete()
    old.group, old.pushed_digest, old.last_message = group, OUTDATED, ""
    old.save(update_fields=["group", "pushed_digest", "last_message"])
    name = old.directory.name
    words = messages.adopted(group.name, name)
    journal.record_many([messages.line(group.name, name, Operation.LINK, Result.SUCCESS, words, actor=actor)])
    outbox.enqueue_whole({old.directory_id: [old.pk]}, "taken over", actor)
    return True

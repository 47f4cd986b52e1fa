"""One page of planned groups written to the portal: set-based, in the caller's transaction."""

from collections.abc import Mapping, Sequence

from django.utils import timezone

from config.database import bulk
from provisioning.identities.membership import membership_ends
from provisioning.imports.groups.names import Holders, Names
from provisioning.imports.groups.plan import DESCRIPTION, NAME
from provisioning.models import Group, GroupAccount, Membership, PlannedGroup
from provisioning.models.accounts import AccountState, LastResult
from provisioning.models.imports import GroupAction
from provisioning.models.people import fold
from provisioning.outbound.groups import outbox

THERE = "The portal has this group of the directory by now. Import again."


class GroupWriter:
    """Writes the groups of one directory. ``notify`` is whether directories hear of them that groups are pushed to."""

    def __init__(self, directory_id: int, directory: str, actor: str) -> None:
        self.directory_id, self.directory, self.actor = directory_id, directory, actor
        self.notify = True

    def write(self, groups: Sequence[PlannedGroup]) -> list[PlannedGroup]:
        """Write a page and return what was done just now: what an earlier try did already is not done again."""
        by_action: dict[str, list[PlannedGroup]] = {}
        for one in groups:
            by_action.setdefault(one.action, []).append(one)
        done = list(by_action.get(GroupAction.ERROR, []))
        done += self._create([one for one in by_action.get(GroupAction.CREATE, []) if one.group_account_id is None])
        done += self._change(by_action.get(GroupAction.UPDATE, []) + by_action.get(GroupAction.KEEP, []))
        done += self._delete(by_action.get(GroupAction.DELETE, []))
        return done

    def _create(self, groups: Sequence[PlannedGroup]) -> list[PlannedGroup]:
        if not groups:
            return []
        known = GroupAccount.objects.filter(
            directory=self.directory_id, remote_id__any_of=[g.remote_id for g in groups]
        )
        there = set(known.values_list("remote_id", flat=True))
        for one in groups:
            if one.remote_id in there:
                one.action, one.message = GroupAction.ERROR, THERE
        new = [one for one in groups if one.remote_id not in there]
        self._name(new)
        ids = bulk.insert_returning(Group, [self._group(one) for one in new])
        rows = [self._account(one, group_id) for one, group_id in zip(new, ids, strict=True)]
        for one, pk in zip(new, bulk.insert_returning(GroupAccount, rows), strict=True):
            one.group_account_id = pk
        for one, pk in zip(new, ids, strict=True):
            one.group_id = pk
        bulk.update(groups, ["action", "message", "name", "after", "group_account_id"])
        if self.notify:
            outbox.group_changed(ids, "import", self.actor)
        return list(groups)

    def _name(self, groups: Sequence[PlannedGroup]) -> None:
        """Look again at whether the names are free: the plan may be days old."""
        names = Names(self.directory)
        holders = Holders(names.candidates([*(one.name for one in groups), *(one.row["key"] for one in groups)]))
        for one in groups:
            if holders(fold(one.name)) is not None:
                one.name = names.choose(one.row["key"], holders)
                one.after = {**one.after, NAME: one.name}

    def _group(self, one: PlannedGroup) -> dict[str, object]:
        return {"name": one.name, "description": one.after.get(DESCRIPTION, ""), "owner_id": self.directory_id}

    def _account(self, one: PlannedGroup, group_id: int) -> dict[str, object]:
        return {
            "group_id": group_id,
            "directory_id": self.directory_id,
            "key": one.row["key"],
            "remote_id": one.remote_id,
            "place": one.place,
            "state": AccountState.ACTIVE,
            "seen_digest": one.row["digest"],
            "last_result": LastResult.OK,
            "last_message": "Imported.",
            "last_synced_at": timezone.now(),
        }

    def _change(self, groups: Sequence[PlannedGroup]) -> list[PlannedGroup]:
        """Note what was seen of groups, and take over names and descriptions that differ."""
        seen = {one.group_account_id: one for one in groups if one.row.get("digest")}
        if not seen:
            return []
        locked = GroupAccount.objects.filter(pk__in=seen, group__owner=self.directory_id).order_by("pk")
        accounts = list(locked.select_for_update(no_key=True, of=("self",)).select_related("group"))
        self._rename({account: seen[account.pk] for account in accounts if NAME in seen[account.pk].after})
        done, changed = [], []
        for account in accounts:
            one = seen[account.pk]
            if account.seen_digest == one.row["digest"] and _is_so(account.group, one):
                continue
            account.key, account.place, account.seen_digest = one.row["key"], one.place, one.row["digest"]
            account.last_synced_at = timezone.now()
            if one.after and account.group is not None:
                account.group.name = one.after.get(NAME, account.group.name)
                account.group.description = one.after.get(DESCRIPTION, account.group.description)
                account.group.name_key, account.group.updated_at = fold(account.group.name), timezone.now()
                changed.append(account.group)
                one.group_id = account.group_id
                done.append(one)
        bulk.update(accounts, ["key", "place", "seen_digest", "last_synced_at"])
        bulk.update(changed, ["name", "name_key", "description", "updated_at"])
        if self.notify and changed:
            outbox.group_changed([group.pk for group in changed], "import", self.actor)
        return done

    def _rename(self, renamed: Mapping[GroupAccount, PlannedGroup]) -> None:
        """Look again at whether the new names are free, as for groups that come into being."""
        names = Names(self.directory)
        holders = Holders({fold(one.after[NAME]) for one in renamed.values()})
        for account, one in renamed.items():
            if holders(fold(one.after[NAME])) not in (None, account.group_id):
                one.after = {**one.after, NAME: names.choose(one.row["key"].strip(), holders, account.group_id)}
                one.save(update_fields=["after"])

    def _delete(self, groups: Sequence[PlannedGroup]) -> list[PlannedGroup]:
        """Take groups out of the portal that their directory does not have any more; the people stay."""
        if not groups:
            return []
        by_account = {one.group_account_id: one for one in groups}
        # A group with special rights is removed by people alone.
        ours = {"group__owner": self.directory_id, "group__privileged": False}
        accounts = GroupAccount.objects.filter(pk__in=by_account, **ours)
        pairs = list(accounts.values_list("pk", "group_id"))
        ids = [group_id for _, group_id in pairs]
        if self.notify:
            outbox.group_deleted([group_id or 0 for group_id in ids], self.actor, cleared=True)
        memberships = Membership.objects.filter(group__in=ids)
        membership_ends(memberships, f", which {self.directory} no longer has", self.actor, self.directory)
        bulk.delete(memberships)
        GroupAccount.objects.filter(pk__in=[pk for pk, _ in pairs]).delete()
        Group.objects.filter(pk__in=ids).delete()
        for pk, group_id in pairs:
            by_account[pk].group_id = group_id
        return [by_account[pk] for pk, _ in pairs]


def _is_so(group: Group | None, one: PlannedGroup) -> bool:
    """Return whether the group has the planned name and description."""
    return all(getattr(group, name, value) == value for name, value in one.after.items())

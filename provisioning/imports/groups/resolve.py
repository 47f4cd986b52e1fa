"""Who the planned members of groups are, now that the users and the groups of the same run are in the portal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from provisioning.models import Account, GroupAccount, PlannedGroup, PlannedMember


@dataclass(slots=True)
class MembershipChanges:
    """What is to be written: pairs of a group's id and a user's, and of a group's and that of one in it."""

    add: list[tuple[int, int]] = field(default_factory=list)
    remove: list[tuple[int, int]] = field(default_factory=list)
    nest: list[tuple[int, int]] = field(default_factory=list)
    free: list[tuple[int, int]] = field(default_factory=list)


class Resolver:
    """Looks up the members of one directory's groups, a page in a handful of queries."""

    def __init__(self, directory_id: int) -> None:
        self._accounts = Account.objects.filter(directory=directory_id, user__isnull=False)
        self._groups = GroupAccount.objects.filter(directory=directory_id, group__isnull=False)
        self._directory_id = directory_id

    def resolve(self, groups: Sequence[PlannedGroup], rows: Sequence[PlannedMember]) -> MembershipChanges:
        """Return the pairs of the rows; who was deleted since the plan was made is left out."""
        parents = self._parents(groups)
        users = dict(self._accounts.filter(pk__in=_given(rows, "account_id")).values_list("pk", "user_id"))
        children = dict(self._groups.filter(pk__in=_given(rows, "group_account_id")).values_list("pk", "group_id"))
        new_users, new_children = self._by_ref({row.ref for row in rows if row.ref})
        found = MembershipChanges()
        for row in rows:
            parent = parents.get(row.planned_group_id)
            user = users.get(row.account_id or 0) or new_users.get(row.ref)
            child = children.get(row.group_account_id or 0) or new_children.get(row.ref)
            if parent and user:
                (found.add if row.add else found.remove).append((parent, user))
            elif parent and child and child != parent:
                (found.nest if row.add else found.free).append((parent, child))
        return found

    def _parents(self, groups: Sequence[PlannedGroup]) -> dict[int, int]:
        """Return the groups in the portal by planned group, as far as they are still the directory's own."""
        mine = self._groups.filter(group__owner=self._directory_id)
        ids = dict(mine.filter(pk__in=[one.group_account_id or 0 for one in groups]).values_list("pk", "group_id"))
        return {one.pk: ids[one.group_account_id] or 0 for one in groups if one.group_account_id in ids}

    def _by_ref(self, refs: Collection[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Return users and groups by lasting id or by place."""
        users: dict[str, int] = {}
        children: dict[str, int] = {}
        for name in ("remote_id", "place") if refs else ():
            rest = [ref for ref in refs if ref not in users]
            rows = self._accounts.filter(**{f"{name}__any_of": rest}).values_list(name, "user_id")
            users.update({ref: user or 0 for ref, user in rows})
        rest = [ref for ref in refs if ref not in users]
        if rest:
            groups = self._groups.filter(remote_id__any_of=rest).values_list("remote_id", "group_id")
            children.update({ref: group or 0 for ref, group in groups})
        return users, children


def _given(rows: Sequence[PlannedMember], name: str) -> set[int]:
    return {getattr(row, name) for row in rows} - {None}

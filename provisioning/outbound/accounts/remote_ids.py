"""Whose account in a directory it is: one remote id belongs to one account of the portal."""

from collections.abc import Iterable

from provisioning.models import Account


class Owners:
    """Answers who has a remote id, for a batch of accounts that are not linked yet.

    A directory's remote id mostly is the user name, so those of the batch are read in one query, and others singly.
    """

    def __init__(self, directory_id: int, keys: Iterable[str]) -> None:
        self.directory_id = directory_id
        self._read: dict[str, tuple[int, str] | None] = dict.fromkeys(keys)
        if self._read:
            self._fetch(*self._read)

    def other(self, remote_id: str, account_id: int) -> str | None:
        """Return whose other account has the remote id, by user name; None when it is free."""
        if remote_id not in self._read:
            self._read[remote_id] = None
            self._fetch(remote_id)
        owner = self._read[remote_id]
        return owner[1] if owner and owner[0] != account_id else None

    def _fetch(self, *remote_ids: str) -> None:
        rows = Account.objects.filter(directory=self.directory_id, remote_id__in=remote_ids)
        found = rows.values_list("remote_id", "pk", "key", "user__username")
        self._read.update({remote_id: (pk, username or key) for remote_id, pk, key, username in found})

"""What cannot be undone, in the words that every page uses before it happens: "Cannot be undone in CRM: …"."""

from collections.abc import Collection, Iterator

from directories import config as directory_config
from directories.connectors.base import Capability, ConnectorError
from provisioning.outbound.accounts.plan import Situation, Step, UserStatus, policy, without_looking
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.accounts.remote_ids import Owners
from provisioning.profile import person


def of_step(reconciler: AccountReconciler, now: Situation, step: Step) -> str:
    """Return why one step cannot be undone in the directory, "" when it can."""
    words = ""
    if step is Step.DELETE and now.can(Capability.DELETE):
        words = reconciler.connector.deletion_is_final
    elif step is Step.DISABLE and not now.state_by_update and not now.can(Capability.ENABLE):
        words = f"nothing enables the account again. {now.lacking(Capability.ENABLE)}"
    return f"Cannot be undone in {now.directory}: {words}" if words else ""


def of_deletions(directory_ids: Collection[int]) -> dict[int, str]:
    """Return why the deletion of an account cannot be undone, by directory, for those where that is so."""
    found = {}
    for directory_id, reconciler in _reconcilers(directory_ids):
        words = of_step(reconciler, reconciler.situation_of_any(UserStatus.DELETED, ""), Step.DELETE)
        if words:
            found[directory_id] = words
    return found


def of_leaving(directory_ids: Collection[int], status: UserStatus, state: str = "active") -> dict[int, str]:
    """Return why what is done at once to an account of somebody who leaves cannot be undone, by directory."""
    found = {}
    for directory_id, reconciler in _reconcilers(directory_ids):
        now = reconciler.situation_of_any(status, state)
        if without_looking(now) is None:
            step = Step.DELETE if policy(now) == "delete" else Step.DISABLE
            if words := of_step(reconciler, now, step):
                found[directory_id] = words
    return found


def _reconcilers(directory_ids: Collection[int]) -> Iterator[tuple[int, AccountReconciler]]:
    catalogue = person.catalogue() if directory_ids else {}
    for directory_id in sorted(directory_ids):
        try:
            config = directory_config.load(directory_id)
            with directory_config.open_connector(config) as connector:
                yield directory_id, AccountReconciler(config, catalogue, connector, Owners(directory_id, ()))
        except ConnectorError:
            continue  # the directory's own page says what is wrong with it

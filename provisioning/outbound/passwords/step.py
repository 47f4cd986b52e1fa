"""The password of one account's delivery: what there is to set, and setting it."""

from collections.abc import Mapping

from directories.config import DirectoryConfig
from directories.connectors.base import Capability, Connector, ConnectorError, Entry
from directories.passwords import initial_clear, stored_form
from provisioning.models import Account
from provisioning.models.accounts import LastResult
from provisioning.outbound.accounts import messages
from provisioning.outbound.accounts.outcome import AccountOutcome
from provisioning.outbound.leases import Parked
from provisioning.outbound.passwords import pending as pending_passwords
from provisioning.outbound.passwords.pending import Pending
from reports.journal import Line
from reports.models import Operation, Result


class PasswordStep:
    """The passwords that wait for the accounts of a batch."""

    def __init__(self, config: DirectoryConfig, connector: Connector, pending: Mapping[int, Pending]) -> None:
        self.features, self.connector, self.name = config.features, connector, config.name
        self.on = self.features.set_passwords and Capability.SET_PASSWORD in connector.capabilities
        self.pending = pending

    def of(self, account: Account) -> Pending | None:
        """Return the password that the account is to get; while the feature is off, none is."""
        return self.pending.get(account.pk) if self.on else None

    def first(self, pending: Pending | None) -> str:
        """Return what an account is created with: the password that waits for it, or an initial one."""
        if pending is not None:
            self._must_be_new(pending)
            return self._form(pending.clear)
        return self._form(initial_clear(self.features))

    def set(self, entry: Entry, pending: Pending) -> None:
        """Set the password of an account that exists; raise ConnectorError."""
        self._must_be_new(pending)
        self.connector.set_password(entry, self._form(pending.clear))

    def _form(self, clear: str) -> str:
        return clear if self.connector.clear_passwords else stored_form(clear, self.features.password_storage)

    def _must_be_new(self, pending: Pending) -> None:
        """Raise what the directory said of this very password before."""
        if pending.refused:
            raise ConnectorError(pending.refused, code=pending_passwords.REFUSED)

    def succeeded(self, account: Account, actor: str) -> Line:
        """Return the report line of a password that was set."""
        words = messages.password_set(account.key, self.name)
        return messages.line(account, self.name, Operation.PASSWORD, Result.SUCCESS, words, actor=actor)

    def refuse(self, outcome: AccountOutcome, pending: Pending, error: ConnectorError, actor: str) -> None:
        """Park the account with the directory's words; one that was told before gets no second line."""
        account = outcome.row
        message = advice(account.key, error)
        outcome.parked = Parked(error.code, message)
        account.last_result, account.last_message = LastResult.PARKED, message
        if not pending.refused:
            words = messages.password_failed(account.key, self.name, message)
            outcome.lines.append(
                messages.line(account, self.name, Operation.PASSWORD, Result.FAILED, words, actor=actor)
            )
        if error.code == pending_passwords.REFUSED:
            outcome.refused = (pending.version, message)


def advice(key: str, error: ConnectorError) -> str:
    """Return the error's words; those of a policy with what to do next."""
    if error.code != pending_passwords.REFUSED or error.message.endswith(messages.ANOTHER.format(key=key)):
        return error.message
    return f"{error.message.rstrip('. ')}. {messages.ANOTHER.format(key=key)}"

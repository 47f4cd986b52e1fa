"""Try it: what the statements of an operation look like for one user, and on request what they would reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from directories.config import DirectoryConfig, open_connector
from directories.connectors.base import Entry, GroupEntry, Trial, TriedStatement

EXAMPLE = GroupEntry("Example group", "1", "An example")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom statements are tried for: a user, the password of a new account, and for statements of groups a group."""

    entry: Entry
    password: str | None = None
    group: GroupEntry = EXAMPLE


def try_operation(config: DirectoryConfig, operation: str, subject: Subject, *, run: bool) -> Sequence[TriedStatement]:
    """Return each statement of ``operation`` as it would be sent for the subject; raise ConnectorError."""
    with open_connector(config) as connector:
        return connector.try_out(Trial(operation, subject.entry, subject.password, subject.group, run))

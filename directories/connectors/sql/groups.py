"""Reading the groups of a SQL directory and who is in them: one SELECT each, streamed in pages.

The import groups query gives each group's name and, where it has columns of these names, GROUPID and GROUPDESCRIPTION.
Without an id of its own the name is the group's lasting id. The import memberships query gives the user names of one
group, which it names as ##GROUP## or ##GROUPID##. Whom such a name means the database says: one more query a page asks
the user table, by its key's index.
"""

from collections.abc import Iterator, Sequence
from unicodedata import combining, normalize

from directories.connectors.base import ConnectorError, GroupPage, MemberPage, RemoteGroup
from directories.connectors.sql.reading import SqlReader, streamed
from directories.connectors.sql.session import Row, SqlSession
from directories.connectors.sql.values import text_of
from directories.query_templates import NamedValues, Template, group_columns, group_values
from directories.query_templates.groups import DESCRIPTION, GROUP_NAME, ID

LONGEST_NAME = 255


class SqlGroupReader:
    """Reads groups by the admin's two statements."""

    def __init__(
        self, session: SqlSession, groups: Sequence[Template], members: Sequence[Template], users: SqlReader
    ) -> None:
        self._session, self._members, self._users = session, members, users
        if len(groups) != 1:
            raise ConnectorError("Write one import groups query: it gives every group.", code="template")
        self._groups = groups[0]
        names = [output.name for output in self._groups.outputs]
        self._places = {what: self._groups.outputs[at].position for what, at in group_columns(names).items()}

    @property
    def has_ids(self) -> bool:
        """Whether a group has an id besides its name."""
        return ID in self._places

    def pages(self, page_size: int) -> Iterator[GroupPage]:
        """Stream every group; the final page says ``last``."""
        bound = self._groups.bind({})
        for rows in streamed(self._session, bound.sql, bound.parameters, page_size):
            yield GroupPage([self._group(row) for row in rows])
        yield GroupPage((), last=True)

    def members(self, group: RemoteGroup, page_size: int) -> Iterator[MemberPage]:
        """Stream the user names of a group's members, in the order of the statements."""
        values = NamedValues(group_values(group.name, group.name, group.ref, group.description))
        for template in self._members:
            bound = template.bind(values)
            at = template.outputs[0].position
            for rows in streamed(self._session, bound.sql, bound.parameters, page_size):
                yield self._page([name for row in rows if (name := text_of(row[at]))])
        yield MemberPage(last=True)

    def _page(self, names: Sequence[str]) -> MemberPage:
        """Return the keys of the user table, and the names that are another spelling of none of them."""
        keys = self._users.keys_of(names)
        found = {*map(_alike, keys)}
        unknown = [name for name in names if _alike(name) not in found]
        return MemberPage(refs=[*keys, *unknown], names=unknown)

    def _group(self, row: Row) -> RemoteGroup:
        name, ref = self._text(row, GROUP_NAME).strip(), self._text(row, ID if self.has_ids else GROUP_NAME)
        problem = ""
        if not name or not ref.strip():
            problem = "The row has no name." if not name else "The row has no id."
        elif len(name) > LONGEST_NAME:
            problem = f"The group's name is longer than {LONGEST_NAME} characters."
        return RemoteGroup(ref, name[:LONGEST_NAME], self._text(row, DESCRIPTION).strip(), problem=problem)

    def _text(self, row: Row, what: str) -> str:
        return text_of(row[self._places[what]]) if what in self._places else ""


def _alike(name: str) -> str:
    """Return a name as a database compares it at most: without case, accents and outer blanks."""
    return "".join(letter for letter in normalize("NFKD", name.strip()) if not combining(letter)).casefold()

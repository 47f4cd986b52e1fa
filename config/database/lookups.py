"""``field__any_of=[...]``: like ``in``, as one array on PostgreSQL.

With a page of values, preparing and splitting a placeholder for each costs more than the query itself.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import BigAutoField, CharField
from django.db.models.lookups import In


@CharField.register_lookup
class AnyOf(In):  # type: ignore[type-arg]
    """The plain texts that a column may hold."""

    lookup_name = "any_of"

    def __init__(self, lhs: Any, rhs: Iterable[str]) -> None:
        super().__init__(lhs, list(rhs))

    def get_prep_lookup(self) -> list[str]:
        """Return the texts as they are: preparing each costs more than comparing it."""
        texts: list[str] = self.rhs
        return texts

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Compare with one array.

        Of an array of more than 100 texts PostgreSQL does not see that none is blank. It is told so, or it would pass
        over an index that leaves blank ones out, and read a whole directory for every page.
        """
        sql, parameters = self.process_lhs(compiler, connection)
        found = f"{sql} = ANY(%s::text[])"
        parameters = [*parameters, array(self.rhs)]
        if "" in self.rhs:
            return found, parameters
        blank, more = self.process_lhs(compiler, connection)
        return f"(NOT ({blank} = '') AND {found})", [*more, *parameters]


@BigAutoField.register_lookup
class AnyId(In):  # type: ignore[type-arg]
    """``pk__any_id=[...]``: the same for ids; those of a foreign key are asked for as ``key__pk__any_id``."""

    lookup_name = "any_id"

    def __init__(self, lhs: Any, rhs: Iterable[int]) -> None:
        super().__init__(lhs, list(rhs))

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Compare with one array."""
        if not self.rhs:
            raise EmptyResultSet
        sql, parameters = self.process_lhs(compiler, connection)
        return f"{sql} = ANY(%s::bigint[])", [*parameters, "{" + ",".join(map(str, self.rhs)) + "}"]


def array(texts: Collection[str]) -> str:
    """Return the texts as PostgreSQL writes an array; psycopg takes ten times as long."""
    if not texts:
        return "{}"
    together = "".join(texts)
    if '"' in together or "\\" in together:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(texts) + '"}'

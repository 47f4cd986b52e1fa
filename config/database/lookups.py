"""``field__any_of=[...]``: like ``in``, as one array parameter where the database has them.

With a page of values, preparing and splitting a placeholder for each costs more than the query itself.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import CharField
from django.db.models.lookups import In


@CharField.register_lookup
class AnyOf(In):  # type: ignore[type-arg]
    """The plain texts that a column may hold."""

    lookup_name = "any_of"

    def __init__(self, lhs: Any, rhs: Iterable[str]) -> None:
        super().__init__(lhs, list(rhs))

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Compare with one array."""
        sql, parameters = self.process_lhs(compiler, connection)
        return f"{sql} = ANY(%s)", [*parameters, self.rhs]

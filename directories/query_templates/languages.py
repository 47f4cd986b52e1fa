"""The SQL languages that templates are written in, by the names that sqlglot has for them, and what differs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """One SQL language and the parameter style of its driver.

    ``mark`` marks a parameter ("{number}" counts from 1). ``fold`` is what the database does to a name without quotes.
    ``concatenation`` joins texts, "" where CONCAT() does. ``typed_text`` is the type that a joined parameter has to be
    cast to. ``procedure`` is the word that runs a stored procedure, "" without procedures.
    """

    mark: str = "%s"
    fold: Callable[[str], str] | None = None
    quote: str = '"'
    concatenation: str = "||"
    typed_text: str = ""
    infers_types: bool = True  # whether it knows the type of a parameter from where it stands
    backslashes: bool = False  # whether a backslash in a literal makes something else of the letter after it
    runs_comments: bool = False  # whether what stands in /*! */ is run
    variables: bool = False  # whether @name is a variable, not a parameter of the driver
    wildcards: str = "\\%_"
    escapes_like: bool = True  # whether LIKE has a backslash for an escape character
    procedure: str = "CALL"

    def parameter(self, number: int) -> str:
        """Return the mark of the parameter ``number``, counted from 1."""
        return self.mark.format(number=number)

    def plain(self, text: str) -> str:
        """Return SQL without parameters for the driver: where it reads ``%`` as a mark, ``%`` is doubled."""
        return text.replace("%", "%%") if "%" in self.mark else text

    def quoted(self, name: str) -> str:
        """Return a name in quotes."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote


LANGUAGES: Mapping[str, Language] = {
    "postgres": Language(fold=str.lower, typed_text="text", infers_types=False),
    "mysql": Language(quote="`", concatenation="", backslashes=True, runs_comments=True, variables=True),
    "sqlite": Language(mark="?", escapes_like=False, procedure=""),
    "tsql": Language(
        concatenation="+",
        typed_text="nvarchar(max)",
        variables=True,
        wildcards="\\%_[",
        escapes_like=False,
        procedure="EXEC",
    ),
    "oracle": Language(mark=":{number}", fold=str.upper, escapes_like=False),
}

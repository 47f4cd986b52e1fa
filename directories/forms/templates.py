"""The query templates of a directory as a form: per operation an ordered list of statements.

Every statement is one text area; those of one operation share a name, so that the order on the page is the order that
they run in and JavaScript only has to move them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from django.http import QueryDict

from directories import query_templates
from directories.connectors.sql import language_of
from directories.models import QueryTemplate, TemplateOperation

MAX_STATEMENTS = 200
HELP = {
    TemplateOperation.IMPORT: "One SELECT for each attribute that is brought into the portal. "
    "The user name and the password come from the columns named under Connection.",
    TemplateOperation.CHECK: "Finds out whether a user is already in the directory; "
    "one that is will not be created again.",
    TemplateOperation.CREATE: "Runs when a user is added to the directory.",
    TemplateOperation.UPDATE: "Runs when something about the user changed.",
    TemplateOperation.DELETE: "Runs when the user's account is to be removed.",
    TemplateOperation.DISABLE: "Runs when a user is deactivated in the portal.",
    TemplateOperation.ENABLE: "Runs when a user is activated again.",
    TemplateOperation.SET_PASSWORD: "Runs when the user's password is changed.",
    TemplateOperation.IMPORT_GROUPS: "One SELECT of every group: its name and, in columns called GROUPID and "
    "GROUPDESCRIPTION where there are any, its lasting id and description. Without an id the name is the id.",
    TemplateOperation.IMPORT_MEMBERS: "One SELECT of the user names in a group, named as ##GROUP## or ##GROUPID##.",
    TemplateOperation.CREATE_GROUP: "Runs when a group of the portal is to be in the directory and is not.",
    TemplateOperation.UPDATE_GROUP: "Runs when the group's name or description changed; "
    "##OLDGROUP## is the name until now.",
    TemplateOperation.DELETE_GROUP: "Runs when the group is to go: "
    "its members first where they are in a table of their own.",
    TemplateOperation.ADD_MEMBER: "Runs for each user who comes into the group, after their account is there.",
    TemplateOperation.REMOVE_MEMBER: "Runs for each user who leaves the group.",
    TemplateOperation.CONTRACTS: "One SELECT of the contracts of everybody: the user name of the person, the "
    "contract's number, then the columns that are mapped.",
    TemplateOperation.DEPARTMENTS: "One SELECT of every department: number, name, number of its parent, user name of "
    "its head, and perhaps its code.",
    TemplateOperation.TITLES: "One SELECT of what contracts name by a number, for example titles: the first column is "
    "called as that of the contracts, the others are added to the contract.",
    TemplateOperation.CHANGES: "One SELECT of the user names of everybody who changed since ##SINCE##, a moment of the "
    "database’s own clock. With it the portal reads changes in between.",
}
GROUPS = frozenset(
    {
        TemplateOperation.IMPORT_GROUPS,
        TemplateOperation.IMPORT_MEMBERS,
        TemplateOperation.CREATE_GROUP,
        TemplateOperation.UPDATE_GROUP,
        TemplateOperation.DELETE_GROUP,
        TemplateOperation.ADD_MEMBER,
        TemplateOperation.REMOVE_MEMBER,
    }
)
HR = frozenset(
    {
        TemplateOperation.CONTRACTS,
        TemplateOperation.DEPARTMENTS,
        TemplateOperation.TITLES,
        TemplateOperation.CHANGES,
    }
)
OPTIONAL = (
    frozenset({TemplateOperation.DISABLE, TemplateOperation.ENABLE, TemplateOperation.SET_PASSWORD}) | GROUPS | HR
)
ONE = HR | {TemplateOperation.IMPORT_GROUPS}  # of one statement at the most


def parsed(statements: Iterable[str], kind: str, operation: TemplateOperation) -> list[query_templates.Template]:
    """Return the statements that can be read; the others are told of when they are checked."""
    found = []
    for sql in statements:
        with suppress(query_templates.TemplateError):
            found.append(query_templates.parse(sql, language_of(kind), operation.value))
    return found


@dataclass(slots=True)
class Statement:
    """One statement with what is wrong with it; a warning does not stop a save."""

    sql: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """The statements of one operation."""

    operation: TemplateOperation
    statements: list[Statement]

    @property
    def help(self) -> str:
        """When the operation runs."""
        return HELP[self.operation]

    @property
    def optional(self) -> bool:
        """Whether most databases do without."""
        return self.operation in OPTIONAL

    @property
    def about_groups(self) -> bool:
        """Whether it belongs to group sync."""
        return self.operation in GROUPS

    @property
    def field(self) -> str:
        """The name of the text areas."""
        return f"template_{self.operation.value}"


class TemplatesForm:
    """All statements of a directory, from the page or from the database."""

    def __init__(self, data: QueryDict | None, stored: Sequence[QueryTemplate] = ()) -> None:
        if data is None:
            saved = sorted(stored, key=lambda template: template.position)
            texts = {op: [row.sql for row in saved if row.operation == op] for op in HELP}
        else:
            texts = {op: _texts(data.getlist(f"template_{op.value}")) for op in HELP}
        self.blocks = [Block(op, [Statement(sql) for sql in texts[op]]) for op in HELP]

    @property
    def statements(self) -> dict[str, list[str]]:
        """The statements by operation, for a connector; operations without one are left out."""
        return {
            block.operation.value: [statement.sql for statement in block.statements]
            for block in self.blocks
            if block.statements
        }

    @property
    def error_count(self) -> int:
        """How many statements cannot be saved."""
        return sum(bool(statement.errors) for _, statement in self._each())

    def check(self, kind: str, known_names: Collection[str], user_table: str = "", key_column: str = "") -> bool:
        """Check every statement in the dialect of ``kind``; note the errors and return whether there are none.

        With the user table and its key column given, import queries that are slow say so.
        """
        dialect = language_of(kind)
        for block, statement in self._each():
            if block.operation in ONE and len(block.statements) > 1:
                what = block.operation.label.removeprefix("Import ").lower()
                statement.errors = [f"Only one statement gives the {what}: join what the others give with UNION ALL."]
                continue
            if len(block.statements) > MAX_STATEMENTS:
                statement.errors.append(f"At most {MAX_STATEMENTS} statements for one operation.")
                continue
            operation = block.operation
            problems = query_templates.check(statement.sql, dialect, operation.value, known_names, key_column)
            statement.errors = [str(problem) for problem in problems]
            if not problems and operation is TemplateOperation.IMPORT and user_table and key_column:
                statement.warnings = _slow(statement.sql, dialect, user_table, key_column)
        return not self.error_count

    @property
    def warnings(self) -> list[str]:
        """What does not stop a save but should be known."""
        return [f"{block.operation.label}: {words}" for block, s in self._each() for words in s.warnings]

    def import_attributes(self, kind: str) -> list[str]:
        """Return the directory attributes that the import statements read, in order, as the admin wrote them."""
        templates = parsed(self.statements.get("import", []), kind, TemplateOperation.IMPORT)
        names = [output.name for one in templates for output in one.outputs]
        return list(dict.fromkeys([*names, *self.contract_attributes(kind)]))

    def contract_attributes(self, kind: str) -> list[str]:
        """Return what the queries of contracts and titles read of a contract."""
        found: list[str] = []
        for operation, first in ((TemplateOperation.CONTRACTS, 2), (TemplateOperation.TITLES, 1)):
            for template in parsed(self.statements.get(operation.value, []), kind, operation):
                found += [output.name for output in template.outputs[first:]]
        return found

    def unsaved(self) -> list[QueryTemplate]:
        """Return the statements as rows without a directory."""
        return [
            QueryTemplate(operation=block.operation, position=position, sql=statement.sql)
            for block in self.blocks
            for position, statement in enumerate(block.statements)
        ]

    def changed_operations(self, stored: Sequence[QueryTemplate]) -> list[str]:
        """Return the labels of the operations whose statements differ from the stored ones."""
        before: Mapping[str, list[str]] = TemplatesForm(None, stored).statements
        after = self.statements
        return [op.label for op in TemplateOperation if before.get(op.value, []) != after.get(op.value, [])]

    def _each(self) -> Iterator[tuple[Block, Statement]]:
        return ((block, statement) for block in self.blocks for statement in block.statements)


def _texts(raw: Sequence[str]) -> list[str]:
    """Return the statements as they are stored: no outer space, Unix line ends, no empty boxes."""
    texts = (text.replace("\r\n", "\n").strip() for text in raw)
    return [text for text in texts if text]


def _slow(sql: str, dialect: str, user_table: str, key_column: str) -> list[str]:
    try:
        reason = query_templates.slow_reason(sql, dialect, user_table, key_column)
    except query_templates.TemplateError as error:
        return [str(error)]
    return [reason] if reason else []

"""Directories in a SQL database: the admin's query templates, run on SQLAlchemy Core with bound parameters.

A SQL account's lasting remote id is the value of its user name column. While an account has one, ``##USERNAME##`` and
the name of that column stand for it; everything else comes from the mapping first and then from the portal.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from directories.attributes import Value
from directories.connectors.base import (
    Capability,
    ConnectionTest,
    Connector,
    ConnectorConfig,
    ConnectorError,
    Cursor,
    CursorLost,
    DepartmentPage,
    Entry,
    GroupEntry,
    GroupPage,
    MemberPage,
    NotFound,
    Page,
    RefusedMember,
    RemoteAccount,
    RemoteGroup,
    Trial,
    TriedStatement,
    Unavailable,
    Write,
)
from directories.connectors.sql import trying
from directories.connectors.sql.contracts import SqlContractReader, departments
from directories.connectors.sql.diagnosis import certificate_until, diagnose
from directories.connectors.sql.dialects.base import Dialect
from directories.connectors.sql.group_writes import SqlGroupWriter
from directories.connectors.sql.groups import SqlGroupReader
from directories.connectors.sql.reading import KEYS_A_STATEMENT, SqlReader, streamed
from directories.connectors.sql.results import affected, bare_name, counted_none, inserted_name
from directories.connectors.sql.session import SqlSession
from directories.connectors.sql.settings import sql_settings, user_table
from directories.connectors.sql.values import text_of
from directories.query_templates import (
    GROUPED,
    PASSWORD,
    Bound,
    ImportPlan,
    NamedValues,
    PageQuery,
    Template,
    TemplateError,
    group_values,
    names_in,
    parse,
    plan_import,
    plan_presence,
)
from directories.query_templates.employing import plan_contracts
from directories.query_templates.groups import SINCE

# Capabilities that need other queries than the one of their name.
QUERIES: Mapping[Capability, Sequence[str]] = {
    Capability.IMPORT_GROUPS: ("import_groups", "import_members"),
    Capability.MEMBERS: ("add_member", "remove_member"),
    Capability.INCREMENTAL: ("changes",),
}
OVERLAP = dt.timedelta(minutes=10)  # how much is read again: what was written at a moment may be seen later
NO_USER_TABLE = "The user table or the user name column is not named. Name both under Connection."
NO_ROW = "The account is not in the directory: the query found no row for it."
NO_PASSWORD_COLUMN = "The password column is not named. Name it under Connection."


class SqlConnector(Connector):
    """What every kind of SQL directory does."""

    icon = "database"
    templated = True
    attributes_word = "columns"
    key_source = "the user name column"
    look_up_hint = (
        "Let the Check query compare the whole user name as the table stores it (perhaps lower() on both sides)."
    )
    delete_hint = "Let the delete query really delete the row, or mark it by an UPDATE."
    gives_passwords = True
    gives_contracts = True
    at_once = 50
    reads_ahead = True

    dialect: ClassVar[Dialect]

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.settings = sql_settings(self.dialect, config.settings)
        self.users = user_table(config.settings)
        self.session = SqlSession(self.settings)

    @classmethod
    def lacking(cls, capability: Capability, config: ConnectorConfig) -> str:
        """Every capability is a statement of the admin's, but for what is read from the user table."""
        if capability not in cls.implemented():
            return super().lacking(capability, config)
        users = user_table(config.settings)
        if capability in (Capability.IMPORT, Capability.IMPORT_PASSWORDS):
            if not (users.table and users.username):
                return NO_USER_TABLE
            return "" if users.password or capability is Capability.IMPORT else NO_PASSWORD_COLUMN
        needed = QUERIES.get(capability, (capability.value,))
        return _no_queries([name for name in needed if not config.templates.get(name)])

    @property
    def patience(self) -> float:
        """The limits of connecting and of one statement, in seconds."""
        return float(self.settings.connect_timeout + self.settings.statement_timeout)

    @property
    def creates_with_password(self) -> bool:
        """Whether a create query has ``##PASSWORD##``."""
        names = (name for template in self.templates("create") for name in template.names)
        return PASSWORD in {name.casefold() for name in names}

    @cached_property
    def update_names(self) -> Collection[str]:
        """The placeholders of the update queries."""
        return names_in(self.config.templates.get("update", ()), self.dialect.language)

    @cached_property
    def keeps_deleted(self) -> bool:
        """A delete query that is an UPDATE marks the row."""
        return any(template.kind == "UPDATE" for template in self.templates("delete"))

    @property
    def deletion_is_final(self) -> str:
        """A row that is only marked can be brought back by hand."""
        return "" if self.keeps_deleted else "the row is gone, with what the delete query takes along."

    def test(self) -> ConnectionTest:
        """Try the connection part by part."""
        found = diagnose(self.settings, self.users, self.config.templates)
        return replace(found, version=f"{self.label} {found.version}" if found.version else "")

    def certificate_until(self) -> dt.datetime | None:
        """Return until when the server's certificate is valid."""
        return certificate_until(self.settings)

    def find(self, entry: Entry) -> RemoteAccount | None:
        """Return the account of that id or, when it has none yet, the one that the check queries find.

        It comes with the attributes that an import would read.
        """
        if entry.ref and self.users.table and (known := self._read(entry.ref)):
            return known
        if not self.config.templates.get("check"):
            return self._read(entry.ref or entry.key)
        for template in self.templates("check"):
            result = self.session.run(template.bind(self.values(entry)))
            with self.session.translated():
                rows = result.fetchmany(2)
                names = [str(name).casefold() for name in result.keys()]  # noqa: SIM118 - a result is no mapping
                result.close()
            if rows and not counted_none(template, rows[0]):
                return self._found(entry, names, rows)
        return None

    def find_many(self, entries: Sequence[Entry]) -> Mapping[int, RemoteAccount | None]:
        """Read those that have an id in one question; of the others, ask whether there is any of them at all."""
        if not self.users.table:
            return {}
        linked = {number: entry.ref for number, entry in enumerate(entries) if entry.ref}
        others = {number: entry for number, entry in enumerate(entries) if not entry.ref}
        try:
            found: dict[int, RemoteAccount | None] = {}
            read = self._read_many(list(linked.values())) if linked else {}
            found.update({number: read[ref] for number, ref in linked.items() if ref in read})
            if others and self._are_absent(list(others.values())):
                found.update(dict.fromkeys(others))
        except Unavailable:
            raise
        except ConnectorError:
            return {}  # each gets an answer of its own
        return found

    def writes_together(self, capability: Capability) -> bool:
        """One INSERT or UPDATE of its own can be sent before the one before it is answered."""
        return self.dialect.pipelines and capability in self._alone

    def write_many(self, writes: Sequence[Write]) -> Sequence[RemoteAccount | ConnectorError]:
        """Run the create or update query for each."""
        done: dict[int, RemoteAccount | ConnectorError] = {}
        statements: dict[int, Bound] = {}
        for number, write in enumerate(writes):
            try:
                bound = self._alone[write.capability].bind(self.values(write.entry, write.password))
                statements[number] = replace(bound, parameters=self.session.adapted(bound.parameters, bound.names))
            except ConnectorError as error:
                done[number] = error
        answers = self.session.run_all(list(statements.values()))
        for number, answer in zip(statements, answers, strict=True):
            write = writes[number]
            if isinstance(answer, ConnectorError):
                done[number] = answer
            elif write.capability is Capability.CREATE:
                values = self.values(write.entry, write.password)
                try:
                    ref = self._written_key([self._alone[Capability.CREATE]], values)
                    done[number] = self._created(write.entry, ref)
                except ConnectorError as error:
                    done[number] = error
            elif answer:
                done[number] = self._updated(write.entry)
            else:
                done[number] = NotFound(NO_ROW)
        return [done[number] for number in range(len(writes))]

    @cached_property
    def _alone(self) -> Mapping[Capability, Template]:
        """The create and the update query, each if it is the only one, says how many rows it found and whose it is."""
        found: dict[Capability, Template] = {}
        for capability, kind in ((Capability.CREATE, "INSERT"), (Capability.UPDATE, "UPDATE")):
            lines = self.config.templates.get(capability.value, ())
            template = self.templates(capability.value)[0] if len(lines) == 1 else None
            if template is not None and template.kind == kind:
                found[capability] = template
        column = bare_name(self.users.username).casefold()
        if Capability.CREATE in found and inserted_name(found[Capability.CREATE], column) is None:
            del found[Capability.CREATE]
        return found

    def create(self, entry: Entry, password: str | None = None) -> RemoteAccount:
        """Run the create queries; the account's id is what they wrote into the user name column."""
        templates = self.templates("create")
        values = self.values(entry, password)
        self._write(templates, values)
        return self._created(entry, self._written_key(templates, values))

    def update(self, entry: Entry, found: RemoteAccount | None = None) -> RemoteAccount:
        """Run the update queries."""
        self._change("update", entry)
        return self._updated(entry)

    def disable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Run the disable queries."""
        self._change("disable", entry)

    def enable(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Run the enable queries."""
        self._change("enable", entry)

    def delete(self, entry: Entry, found: RemoteAccount | None = None) -> None:
        """Run the delete queries; no row is as good as one."""
        self._write(self.templates("delete"), self.values(entry))

    def set_password(self, entry: Entry, password: str) -> None:
        """Run the set password queries."""
        self._change("set_password", entry, password)

    def accounts(self, page_size: int = 1000) -> Iterator[Page]:
        """Stream the user table with the attributes of the import queries, and the contracts where they are queried."""
        return (self.contract_reader or SqlReader(self.session, self.plan)).pages(page_size)

    def count(self) -> int | None:
        """Return the number of rows in the user table."""
        return int(self.session.rows(self.plan.count)[0][0])

    def look_up(self, refs: Sequence[str]) -> Sequence[RemoteAccount]:
        """Read those that are in the user table, as an import would."""
        if self.contract_reader is not None:
            return self.contract_reader.look_up(refs)
        found: list[RemoteAccount] = []
        for start in range(0, len(refs), KEYS_A_STATEMENT):
            found += self._read_many(refs[start : start + KEYS_A_STATEMENT]).values()
        return found

    @cached_property
    def contract_reader(self) -> SqlContractReader | None:
        """What reads people with their contracts; None without a contracts query."""
        queries = self.config.templates.get(Capability.CONTRACTS.value)
        if not queries:
            return None
        try:
            plan = plan_contracts(queries[0], self.dialect.language, self.plan)
        except TemplateError as error:
            raise ConnectorError(f"The contracts query cannot be used. {error}", code="template") from None
        titles = self.templates("titles")[0] if self.config.templates.get("titles") else None
        return SqlContractReader(self.session, SqlReader(self.session, self.plan), plan, titles)

    def cursor(self) -> Cursor | None:
        """Return a while ago, by the clock of the database."""
        if self.lacks(Capability.INCREMENTAL):
            return None
        now = self.session.rows(self.dialect.moment)[0][0]
        moment = now if isinstance(now, dt.datetime) else dt.datetime.fromisoformat(str(now))
        return {"since": (moment - OVERLAP).isoformat(timespec="seconds")}

    def changes(self, cursor: Cursor, page_size: int = 1000) -> Iterator[Page]:
        """Stream those whom the changed people query names, and who are there; only a whole import shows who is gone.

        Memory holds the names of all of them, so that nobody comes twice.
        """
        try:
            since = dt.datetime.fromisoformat(str(cursor["since"]))
        except (KeyError, ValueError):
            raise CursorLost("Nobody knows since when changes are to be read.") from None
        bound = self.templates("changes")[0].bind(NamedValues({SINCE: since}))
        known: set[str] = set()
        for rows in streamed(self.session, bound.sql, bound.parameters, page_size):
            names = [name for name in dict.fromkeys(text_of(row[0]) for row in rows) if name and name not in known]
            known.update(names)
            yield Page(self.look_up(names) if names else ())
        yield Page((), last=True)

    def departments(self, page_size: int = 1000) -> Iterator[DepartmentPage]:
        """Stream what the departments query gives."""
        return departments(self.session, self.templates("departments")[0], page_size)

    def close(self) -> None:
        """Give the connection back to the pool."""
        self.session.close()

    # --- Groups ------------------------------------------------------------------------------------------------------

    @cached_property
    def group_reader(self) -> SqlGroupReader:
        """What reads groups; raise ConnectorError when there are no queries for it."""
        groups, members = self.templates("import_groups"), self.templates("import_members")
        return SqlGroupReader(self.session, groups, members, SqlReader(self.session, self.plan))

    def groups(self, page_size: int = 1000) -> Iterator[GroupPage]:
        """Stream what the import groups query gives."""
        return self.group_reader.pages(page_size)

    def members(self, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        """Stream what the import memberships queries give for the group."""
        return self.group_reader.members(group, page_size)

    @cached_property
    def group_writer(self) -> SqlGroupWriter:
        """What runs the statements of groups."""
        return SqlGroupWriter(self)

    def find_group(self, group: GroupEntry) -> RemoteGroup | None:
        """Return the group with the entry's id or name, as the import groups query gives it."""
        return self.group_writer.find(group)

    def create_group(self, group: GroupEntry) -> RemoteGroup:
        """Run the create group queries."""
        return self.group_writer.create(group)

    def update_group(self, group: GroupEntry) -> RemoteGroup:
        """Run the rename group queries."""
        return self.group_writer.update(group)

    def delete_group(self, group: GroupEntry) -> None:
        """Run the delete group queries."""
        self.group_writer.delete(group)

    def add_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Run the add member queries for each."""
        return self.group_writer.change("add_member", group, members)

    def remove_members(self, group: GroupEntry, members: Sequence[Entry]) -> Sequence[RefusedMember]:
        """Run the remove member queries for each."""
        return self.group_writer.change("remove_member", group, members)

    # --- Statements --------------------------------------------------------------------------------------------------

    @cached_property
    def plan(self) -> ImportPlan:
        """The statements of an import; raise ConnectorError when there cannot be one."""
        users = self.users
        if not (users.table and users.username):
            raise ConnectorError(
                "Name the user table and its user name column on the directory's page.", code="settings"
            )
        if self.config.with_passwords and not users.password:
            raise ConnectorError("Passwords are to be imported, but the password column is not named.", code="settings")
        password = users.password if self.config.with_passwords else ""
        templates = tuple(self.config.templates.get("import", ()))
        try:
            return plan_import(templates, self.dialect.language, users.table, users.username, password)
        except TemplateError as error:
            raise ConnectorError(f"An import query cannot be used. {error}", code="template") from None

    @classmethod
    def trials(cls, config: ConnectorConfig) -> Sequence[str]:
        """Return the operations that have statements."""
        return [operation for operation, lines in config.templates.items() if lines]

    def try_out(self, trial: Trial) -> Sequence[TriedStatement]:
        """Show the statements, and run them in a transaction that is rolled back."""
        templates, values = self.templates(trial.operation), self.values(trial.entry, trial.password)
        if trial.operation in GROUPED:
            group = trial.group
            values = values.over(group_values(group.name, group.name, group.ref, group.description))
        if not trial.run:
            return trying.shown(templates, values)
        return trying.rolled_back(self.session, self.dialect, templates, values)

    def templates(self, operation: str) -> list[Template]:
        """Return the operation's statements in order; raise ConnectorError when there is none or one is wrong."""
        lines = self.config.templates.get(operation)
        if not lines:
            words = operation.replace("_", " ")
            raise ConnectorError(f"There is no {words} query. Write one on the directory's page.", code="template")
        try:
            return [parse(sql, self.dialect.language, operation) for sql in lines]
        except TemplateError as error:
            raise ConnectorError(f"A query cannot be used. {error}", code="template") from None

    def values(self, entry: Entry, password: str | None = None) -> NamedValues:
        """Return what the placeholders stand for."""
        column = bare_name(self.users.username) or "USERNAME"
        ref = {"USERNAME": entry.ref, column: entry.ref} if entry.ref else {}
        key = {"USERNAME": entry.key, column: entry.key}
        for name, value in entry.attributes.items():
            if isinstance(value, tuple | list):
                message = (
                    f"The expression of {name} gives a list, and a column holds one value. Use join, first or last."
                )
                raise ConnectorError(message, code="mapping")
        return NamedValues({PASSWORD: password}, ref, entry.attributes, entry.person, key)

    def _change(self, operation: str, entry: Entry, password: str | None = None) -> None:
        """Run an operation on an account that must be there; when its UPDATE found no row, nothing is kept."""
        templates = self.templates(operation)
        self._write(templates, self.values(entry, password), must_exist=True)

    def _write(self, templates: Sequence[Template], values: NamedValues, *, must_exist: bool = False) -> None:
        if len(templates) == 1 and self.dialect.autocommits:
            self._run_all(templates, values, must_exist=must_exist)
            return
        with self.session.transaction():
            self._run_all(templates, values, must_exist=must_exist)

    def _run_all(self, templates: Sequence[Template], values: NamedValues, *, must_exist: bool) -> None:
        updated = [affected(self.session, template, values) for template in templates]
        updates = [rows for template, rows in zip(templates, updated, strict=True) if template.kind == "UPDATE"]
        if must_exist and updates and not any(updates):
            raise NotFound(NO_ROW)

    def _created(self, entry: Entry, ref: str | None) -> RemoteAccount:
        if ref is None:
            found = self.find(entry)
            ref = found.ref if found else entry.key
        return RemoteAccount(ref, ref.strip(), dict(entry.attributes))

    def _updated(self, entry: Entry) -> RemoteAccount:
        ref = entry.ref or entry.key
        return RemoteAccount(ref, ref.strip(), dict(entry.attributes))

    def _found(self, entry: Entry, names: Sequence[str], rows: Sequence[Sequence[Value]]) -> RemoteAccount:
        column = bare_name(self.users.username).casefold()
        if column not in names:
            ref = entry.ref or entry.key
            return self._read(ref) or self._unnamed(ref) if column else RemoteAccount(ref, ref)
        refs = {str(row[names.index(column)]) for row in rows}
        if len(refs) > 1:
            message = "The check query finds more than one account for this user. Make it compare a unique column."
            raise ConnectorError(message, code="ambiguous")
        ref = refs.pop()
        return self._read(ref) or RemoteAccount(ref, ref.strip())

    def _unnamed(self, ref: str) -> RemoteAccount:
        if self.users.table:
            message = "The check query finds an account by something else than its user name, so it must also select "
            raise ConnectorError(f"{message}the column {self.users.username}.", code="template")
        return RemoteAccount(ref, ref)

    def _read(self, ref: str) -> RemoteAccount | None:
        """Return one account as an import would read it; None without a user table or without a row."""
        if not self.users.table and self.config.templates.get("check"):
            return None
        rows = self.session.rows(self.plan.one, [ref])
        return SqlReader(self.session, self.plan).accounts(rows[:1])[0] if rows else None

    def _read_many(self, refs: Sequence[str]) -> Mapping[str, RemoteAccount]:
        """Return accounts as an import would read them, by the ids that the database writes exactly so."""
        rows = self.session.rows(self.plan.many.sql(len(refs)), refs)
        return {account.ref: account for account in reversed(SqlReader(self.session, self.plan).accounts(rows))}

    def _are_absent(self, entries: Sequence[Entry]) -> bool:
        """Return whether the check queries would find none of the accounts; False when only each for itself can say.

        What a database takes for one name is its own affair (case, accents, punctuation). So nothing is said where it
        finds anything, or where two of the names could be one to it: the first would be there before the second.
        """
        queries: list[tuple[str, PageQuery]] = [("USERNAME", self.plan.keys)]
        if self.config.templates.get("check"):
            language, users = self.dialect.language, self.users
            queries = []
            for template in self.templates("check"):
                query = plan_presence(template.text, language, users.table, users.username)
                if query is None:
                    return False
                queries.append((template.names[0], query))
        for placeholder, query in queries:
            names = [str(self.values(entry).get(placeholder)) for entry in entries]
            letters = {re.sub("[^a-z0-9]", "", name.casefold()) for name in names if name.isascii()}
            if len(letters) < len(names) or self.session.rows(query.sql(len(names)), names):
                return False
        return True

    def _written_key(self, templates: Sequence[Template], values: NamedValues) -> str | None:
        """Return what an INSERT put into the user name column when that was one plain value, else None."""
        column = bare_name(self.users.username).casefold()
        for template in templates:
            slot = inserted_name(template, column)
            if slot is not None:
                value = values.get(slot)
                return None if value is None else str(value)
        return None


def _no_queries(missing: Sequence[str]) -> str:
    """Return that there are no such queries and where to write them; "" for none missing."""
    names = [name.replace("_", " ") for name in missing]
    if not names:
        return ""
    if len(names) == 1:
        return f"There is no {names[0]} query. Write one under Query templates."
    return f"There is no {names[0]} and no {names[1]} query. Write them under Query templates."

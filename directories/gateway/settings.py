"""The gateway's one file: the portal's address, and each directory's settings and secrets by the name it goes by.

It is YAML, checked with line numbers in the words of blueprints. A secret is never in it: it says where the secret is
found, ``env:NAME`` or ``file:/path``.
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
import pydantic
from pydantic import Field, SecretStr, ValidationError

from directories.connectors import connector_class, registry
from directories.connectors.base import Capability, Connector, ConnectorConfig
from directories.connectors.gateway import ThroughGateway
from directories.connectors.ldap.inspection import holds_password
from directories.connectors.push import Push
from directories.described.document import Document, DocumentError, Problem
from directories.described.schema import LEFT_OUT, Strict, Text, connection_schema, declared_by, written_part
from directories.query_templates import TemplateError, parse
from directories.query_templates.statements import ALLOWED as OPERATIONS

NOT_HERE = {ThroughGateway.kind, Push.kind}  # kinds that only the portal itself can have
HTTPS = "The address must begin with https://. Plain http:// is for a portal on this very machine."
NO_ADDRESS = "Write the portal's whole address, such as https://rollcall.example.com."
NO_TEMPLATES = "Directories of this kind have no query templates."
READ_ONLY = "The gateway's file says read_only, so nothing is written there."
KEEPS_PASSWORDS = "The gateway's file keeps passwords. Let whoever runs the gateway write give_passwords: true."
_READING = {
    *(Capability.IMPORT, Capability.IMPORT_PASSWORDS, Capability.CONTRACTS, Capability.DEPARTMENTS),
    *(Capability.IMPORT_GROUPS, Capability.INCREMENTAL, Capability.LISTEN, Capability.INSPECT),
}
# What must be in a section is asked for where the section is left out.
_Section = Annotated[dict[str, Any], Field(validate_default=True)]


class GatewayDirectorySchema(Strict):
    """One directory."""

    kind: Text
    settings: _Section = {}
    secrets: _Section = {}
    templates: dict[str, list[Text]] = {}
    read_only: bool = False
    give_passwords: bool = False

    @pydantic.field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        known = sorted(set(registry()) - NOT_HERE)
        if kind not in known:
            raise ValueError(f"There is no kind {kind!r}. There is: {', '.join(known)}.")
        return kind

    @pydantic.field_validator("settings", "secrets")
    @classmethod
    def _declared(cls, data: dict[str, Any], info: pydantic.ValidationInfo) -> dict[str, Any]:
        if "kind" not in info.data:
            return data
        return written_part(connection_schema(info.data["kind"], secret=info.field_name == "secrets"), data)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Only some kinds have query templates, and each has to be one that can be read."""
        if self.templates and not connector_class(self.kind).templated:
            yield "templates", NO_TEMPLATES


class GatewayFileSchema(Strict):
    """The whole file."""

    portal: Text
    key: Text
    name: Annotated[Text, Field(max_length=64)] = LEFT_OUT
    ca: Text = LEFT_OUT
    files: Text = LEFT_OUT
    scripts: Text = LEFT_OUT
    directories: Annotated[dict[str, GatewayDirectorySchema], Field(min_length=1)]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """The portal is spoken to over HTTPS alone."""
        try:
            parts = urlsplit(self.portal)
            host = parts.hostname or ""
        except ValueError:
            yield "portal", NO_ADDRESS
            return
        if parts.scheme not in {"http", "https"} or not host:
            yield "portal", NO_ADDRESS
        elif parts.scheme == "http" and not _is_this_machine(host):
            yield "portal", HTTPS


@dataclass(frozen=True, slots=True)
class GatewayDirectory:
    """One directory that the portal may ask for by its name."""

    name: str
    connector: type[Connector]
    config: ConnectorConfig = field(repr=False)
    read_only: bool = False
    give_passwords: bool = False

    def keeps(self, attribute: str) -> bool:
        """Whether the file lets nobody read an attribute."""
        return not self.give_passwords and holds_password(attribute)

    def lacking(self) -> dict[Capability, str]:
        """Return why a capability is missing, in the connector's words or in the file's."""
        found = {one: self.connector.lacking(one, self.config) for one in Capability}
        for capability in Capability:
            if self.read_only and capability not in _READING:
                found[capability] = READ_ONLY
        if not (self.give_passwords or found[Capability.IMPORT_PASSWORDS]):
            found[Capability.IMPORT_PASSWORDS] = KEEPS_PASSWORDS
        return found

    @property
    def reads_as(self) -> str:
        """What stands for all that decides what an import sees; no secret, which could be guessed by it, is part of it.

        So an import goes on from where it was after a password was changed.
        """
        secrets = {one.name for one in declared_by(self.connector.kind, secret=True)}
        settings = {name: value for name, value in self.config.settings.items() if name not in secrets}
        parts = [self.connector.kind, settings, self.config.templates, self.give_passwords]
        data = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Everything that the file says."""

    portal: str
    key: Path
    name: str
    ca: Path | None
    files: Path | None
    scripts: Path | None
    directories: Mapping[str, GatewayDirectory]


def load(path: Path, machine: str = "") -> GatewaySettings:
    """Return what the file says; raise DocumentError with every problem and its line."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        raise DocumentError([Problem(1, "", f"The file {path} cannot be read.")]) from None
    except UnicodeDecodeError:
        raise DocumentError([Problem(1, "", f"The file {path} is not text in UTF-8.")]) from None
    return of_text(text, machine)


def of_text(text: str, machine: str = "") -> GatewaySettings:
    """Return what the text says; ``machine`` is the name of one that has none in it. Raise DocumentError."""
    document = Document(text)
    if document.data is None:
        raise DocumentError([Problem(1, "", "The file is empty.")])
    try:
        found = GatewayFileSchema.model_validate(document.data)
    except ValidationError as error:
        raise DocumentError(document.problem(each["loc"], each["msg"]) for each in error.errors()) from None
    problems = [document.problem(("directories", *path), words, line) for path, words, line in _statements(found)]
    if problems:
        raise DocumentError(problems)
    return GatewaySettings(
        portal=found.portal.rstrip("/"),
        key=Path(found.key),
        name=found.name or machine or "gateway",
        ca=_path(found.ca),
        files=_path(found.files),
        scripts=_path(found.scripts),
        directories={name: _directory(name, one) for name, one in found.directories.items()},
    )


def _directory(name: str, found: GatewayDirectorySchema) -> GatewayDirectory:
    connector = connector_class(found.kind)
    defaults = {one.name: one.default for one in declared_by(found.kind, secret=False)}
    secrets = {key: value.get_secret_value() for key, value in found.secrets.items() if isinstance(value, SecretStr)}
    config = ConnectorConfig(
        settings={**defaults, **found.settings, **secrets},
        templates={operation: tuple(lines) for operation, lines in found.templates.items()},
    )
    return GatewayDirectory(name, connector, config, found.read_only, found.give_passwords)


def _statements(found: GatewayFileSchema) -> Iterator[tuple[tuple[str | int, ...], str, int]]:
    """Give the query templates that cannot be read: where, why, and the line within the statement."""
    for name, directory in found.directories.items():
        language: Any = getattr(getattr(connector_class(directory.kind), "dialect", None), "language", "")
        for operation, lines in directory.templates.items():
            if operation not in OPERATIONS:
                words = f"There is no operation {operation!r}. There is: {', '.join(sorted(OPERATIONS))}."
                yield (name, "templates", operation), words, 1
                continue
            for index, sql in enumerate(lines):
                try:
                    parse(sql, language, operation)
                except TemplateError as error:
                    yield (name, "templates", operation, index), str(error), error.line


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

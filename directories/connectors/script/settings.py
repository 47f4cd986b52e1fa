"""What every kind of script shares: how it is named, what it gets, how much it may use, and its start."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from directories.connectors.base import ConnectorConfig, ConnectorError, ConnectorField, FieldType
from directories.connectors.form_values import number_of, text_of
from directories.connectors.script.executable import executable
from directories.connectors.script.process import Limits, ScriptRun

LIMITS, SCRIPT = "Limits", "Script"
MEMORY, OUTPUT, PROCESSES = 512, 200, 50
MEGABYTE = 1024 * 1024
SHORTEST_TEXT = 4  # characters of what is masked of a secret with several: shorter ones are in any sentence
BAD_NAME = "Each line of the environment is NAME=value, with a name of letters, digits and _. Correct {name}."
STEERS = (
    "{name} says how programs run or what they load, so it cannot be set here. Begin the name with a prefix of your "
    "own, for example HR_{name}, and let the script read that."
)
# What makes a shell, an interpreter, the loader or a program that a script calls run or load something else.
STEERING = (
    *("PATH", "IFS", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH", "GLOBIGNORE", "FPATH", "ZDOTDIR", "HOME"),
    *("CLASSPATH", "_JAVA_OPTIONS"),
)
STEERING_BEGINNINGS = (
    *("LD_", "BASH_", "PYTHON", "PERL", "RUBY", "NODE_", "NPM_", "JAVA_", "JDK_", "DOTNET_", "COMPLUS_", "PSMODULE"),
    *("LUA_", "TCL", "PHP", "GCONV_", "GIT_", "OPENSSL_"),
)


def handed_over() -> tuple[ConnectorField, ...]:
    """Return the settings that say what a script gets."""
    return (
        ConnectorField("arguments", "Arguments", FieldType.TEXTAREA, help_text="One a line.", selects=True),
        ConnectorField(
            "environment",
            "Environment",
            FieldType.TEXTAREA,
            help_text="NAME=value, one a line. The script gets nothing else of the portal's environment.",
        ),
        ConnectorField("secret_name", "Name of the secret", default="SECRET", help_text="In its environment."),
        ConnectorField("secret", "Secret", FieldType.SECRET, help_text="A password or key, or JSON with several."),
    )


def limit_fields(seconds: int) -> tuple[ConnectorField, ...]:
    """Return the settings of how much a script may use; ``seconds`` stands there at first."""
    number = FieldType.INTEGER
    limits: dict[str, Any] = {"group": LIMITS, "harmless": True}
    return (
        ConnectorField("seconds", "Seconds", number, default=seconds, minimum=1, maximum=86_400, **limits),
        ConnectorField(
            "memory",
            "Memory (MB)",
            number,
            default=MEMORY,
            minimum=0,
            maximum=1_000_000,
            help_text="Of each of its processes. 0: no limit.",
            **limits,
        ),
        ConnectorField("output", "Output (MB)", number, default=OUTPUT, minimum=1, maximum=10_000, **limits),
        ConnectorField("processes", "Processes", number, default=PROCESSES, minimum=1, maximum=10_000, **limits),
    )


def limits_of(values: Mapping[str, Any], seconds: int) -> Limits:
    """Return how much a script may use."""
    blank = values.get("memory") in (None, "")
    memory = MEMORY if blank else 0 if str(values["memory"]) == "0" else number_of(values, "memory", MEMORY)
    return Limits(
        seconds=number_of(values, "seconds", seconds),
        memory=memory * MEGABYTE,
        output=number_of(values, "output", OUTPUT) * MEGABYTE,
        processes=number_of(values, "processes", PROCESSES),
    )


def environment_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what the script gets besides a path and a folder; raise ConnectorError."""
    found: dict[str, str] = {}
    for line in text_of(values, "environment").splitlines():
        name, equals, value = line.strip().partition("=")
        if line.strip():
            found[name_of(name.strip() if equals else "")] = value.strip()
    if secret := str(values.get("secret") or ""):
        found[name_of(text_of(values, "secret_name") or "SECRET")] = secret
    return found


def name_of(name: str) -> str:
    """Return a name that a variable of the environment may have; raise ConnectorError.

    Whoever edits a directory chooses names and values, but what runs is the operator's alone.
    """
    if not name.isidentifier() or not name.isascii():
        raise ConnectorError(BAD_NAME.format(name=name or "the line without ="), code="settings")
    if name in STEERING or name.upper().startswith(STEERING_BEGINNINGS):
        raise ConnectorError(STEERS.format(name=name), code="settings")
    return name


def started(
    config: ConnectorConfig,
    name: str,
    limits: Limits,
    *,
    more: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    given: bytes = b"",
    secrets: Sequence[str] = (),
) -> ScriptRun:
    """Start the script of that name; raise ConnectorError.

    ``more`` goes into its environment, ``arguments`` come after those of the settings, and ``given`` it reads.
    """
    values = config.settings
    path = executable(name)
    environment = {**environment_of(values), **(more or {})}
    own = [line.strip() for line in text_of(values, "arguments").splitlines() if line.strip()]
    hidden = [form for secret in (str(values.get("secret") or ""), *secrets) for form in _forms(secret)]
    try:
        return ScriptRun([os.fspath(path), *own, *arguments], environment, limits, hidden, given)
    except (OSError, ValueError):
        raise ConnectorError("The script cannot be started. Check its arguments.", code="script") from None


def _forms(secret: str) -> Iterator[str]:
    """Give the forms in which a script may say a secret: as it is, and as JSON has it; of several, each by itself."""
    for one in (secret, *_texts(secret)):
        yield from (one, json.dumps(one, ensure_ascii=False)[1:-1], json.dumps(one)[1:-1])


def _texts(secret: str) -> Iterator[str]:
    """Give the texts in a secret that is a JSON object."""
    try:
        found: Any = orjson.loads(secret)
    except ValueError:
        return
    waiting = [found] if isinstance(found, dict) else []
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and len(one) >= SHORTEST_TEXT:
            yield one
        elif isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one

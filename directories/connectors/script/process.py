"""Running a script: what it prints comes line by line, and whatever is wrong with it is an error, never an end."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from directories.connectors.base import AGAIN, ConnectorError, Unavailable
from directories.connectors.script import launch

PATH = "/usr/local/bin:/usr/bin:/bin"
SHOWN = 500  # characters of what a script said
MASK = "•••"
_PART = 64 * 1024
_ENDING = launch.GIVE_UP + 5.0  # seconds in which the launcher has to be gone

SLOW = f"The script took longer than {{seconds}} seconds. Raise the limit, or let it read less. {AGAIN}"
FLOOD = "The script gave more than {megabytes} MB. Raise the limit, if that is right."
ENDED = "The script ended with the code {code}.{said}"
KILLED = "The script was ended by the signal {signal}: perhaps it needed more memory, time or files than it may.{said}"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a script may use. ``seconds`` are of waiting for it; ``memory`` and ``output`` are in bytes."""

    seconds: int
    memory: int
    output: int
    processes: int


class ScriptEnded(ConnectorError):
    """A script ended with another code than 0."""

    code = "script"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ScriptRun:
    """One run of a script, which ends with this object however it is left. ``given`` is what it can read."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        limits: Limits,
        secrets: Sequence[str],
        given: bytes = b"",
    ) -> None:
        self._limits = limits
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._waited = 0.0
        self._said = bytearray()
        self._folder = tempfile.TemporaryDirectory(prefix="rollcall-script-", ignore_cleanup_errors=True)
        place = self._folder.name
        numbers = (limits.memory, limits.seconds, limits.output, limits.processes)
        with _in_memory(given) as readable:  # never on a disk: there may be a password in it
            self._process = subprocess.Popen(  # noqa: S603 - no shell; who may put a script there was checked
                [sys.executable, "-I", "-S", str(Path(launch.__file__)), *map(str, numbers), *command],
                stdin=readable,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": PATH, "LANG": "C.UTF-8", "HOME": place, "TMPDIR": place, **environment},
                cwd=place,
                start_new_session=True,
            )

    def lines(self) -> Iterator[bytes]:
        """Yield what it prints, line by line; raise ConnectorError unless it ends by itself with the code 0."""
        received = 0
        begun: list[bytes] = []  # the parts of a line that has not ended
        with selectors.DefaultSelector() as selector:
            for stream in (self._process.stdout, self._process.stderr):
                assert stream is not None
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for stream in self._ready(selector):
                    part = os.read(stream.fileno(), _PART)
                    if not part:
                        selector.unregister(stream)
                    elif stream is self._process.stderr:
                        self._said += part[: max(_PART - len(self._said), 0)]
                    else:
                        received += len(part)
                        if received > self._limits.output:
                            raise ConnectorError(self._megabytes(FLOOD), code="too_large")
                        head, *others = part.split(b"\n")
                        begun.append(head)
                        if others:
                            yield b"".join(begun)
                            *whole, rest = others
                            yield from whole
                            begun = [rest]
        if any(begun):
            yield b"".join(begun)
        self._ended_well()

    def close(self) -> None:
        """End the script with all that it started, and remove its folder."""
        process = self._process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        self._folder.cleanup()

    def _ready(self, selector: selectors.BaseSelector) -> list[IO[bytes]]:
        """Wait until there is something to read; only this waiting counts against the time of the script."""
        began = monotonic()
        found = selector.select(max(self._limits.seconds - self._waited, 0.0))
        self._waited += monotonic() - began
        if not found:
            raise Unavailable(SLOW.format(seconds=self._limits.seconds))
        return [key.fileobj for key, _ in found]  # type: ignore[misc]

    def _ended_well(self) -> None:
        try:
            code = self._process.wait(max(self._limits.seconds - self._waited, 0.0) + _ENDING)
        except subprocess.TimeoutExpired:
            raise Unavailable(SLOW.format(seconds=self._limits.seconds)) from None
        if code > 128:
            name = signal.Signals(code - 128).name if code - 128 in set(signal.Signals) else str(code - 128)
            raise ConnectorError(KILLED.format(signal=name, said=self.said()), code="script")
        if code:
            raise ScriptEnded(ENDED.format(code=code, said=self.said()), code)

    def said(self) -> str:
        """Return what the script said to people, as one line of bounded length without secrets; "" for nothing."""
        text = self._said.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        if not text:
            return ""
        return f" It said: {text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}"

    def _megabytes(self, words: str) -> str:
        return words.format(megabytes=self._limits.output // (1024 * 1024))


def _in_memory(given: bytes) -> IO[bytes]:
    """Return an open file without a name that holds this."""
    file = os.fdopen(os.memfd_create("given", os.MFD_CLOEXEC), "w+b", buffering=0)
    file.write(given)
    file.seek(0)
    return file

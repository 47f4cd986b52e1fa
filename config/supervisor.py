"""Runs programs together in the foreground: whichever ends is started again, until all of them are asked to stop."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

STOP_SECONDS = 20.0  # deliveries in flight get this long to end
START_SECONDS = 10.0  # who ends earlier than this after the very first start cannot run at all
FIRST_PAUSE = 1.0  # seconds before a program is started again; doubled each time
LONGEST_PAUSE = 60.0  # and forgotten once it ran for as long as this
LOOK_SECONDS = 0.1
COLOURS = itertools.cycle(["36", "33", "32", "35", "34"])
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotRun(Exception):
    """The portal cannot run; the message says why and what to do."""


class Program(threading.Thread):
    """One program as a process group of its own, and what it prints."""

    def __init__(self, name: str, command: str, supervisor: "Supervisor") -> None:
        super().__init__(name=name, daemon=True)
        self.command, self.supervisor = command, supervisor
        self.colour = next(COLOURS)
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()

    def run(self) -> None:
        """Start the program again and again, until the supervisor stops or it makes no sense any more."""
        pause = FIRST_PAUSE
        for start in itertools.count():
            started = time.monotonic()
            code = self._once()
            seconds = time.monotonic() - started
            if self.supervisor.stopping.is_set():
                return
            if start == 0 and seconds < START_SECONDS and code > 0:
                self.supervisor.refuse(f"The portal's {self.name} cannot run; the lines above say why.")
                return
            pause = FIRST_PAUSE if seconds > LONGEST_PAUSE else pause
            self.supervisor.say(self, f"The {self.name} ended. It is started again in {pause:.0f} s.")
            if self.supervisor.stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                self.supervisor.check(self.name)
            except CannotRun as refusal:
                self.supervisor.refuse(str(refusal))
                return

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children."""
        with self.lock, suppress(ProcessLookupError):
            if self.process is not None:
                os.killpg(self.process.pid, number)

    def _once(self) -> int:
        """Run the program to its end, clear away what it left, and return its exit code (below 0: a signal's)."""
        with self.lock:
            if self.supervisor.stopping.is_set():
                return 0
            self.process = process = subprocess.Popen(  # noqa: S602 (the Procfile's own commands)
                self.command,
                shell=True,
                cwd=self.supervisor.folder,
                env=dict(self.supervisor.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        code = process.wait()
        self.signal(signal.SIGKILL)  # its children may still hold its port
        with self.lock:
            self.process = None
        reader.join()
        return code

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.supervisor.say(self, line.decode(errors="replace").rstrip("\r\n"))


class Supervisor:
    """The programs of a Procfile. ``check`` raises CannotRun when a program (its name) must not be started again."""

    def __init__(
        self, commands: Mapping[str, str], environment: Mapping[str, str], folder: Path, check: Callable[[str], None]
    ) -> None:
        self.environment, self.folder, self.check = environment, folder, check
        self.stopping = threading.Event()
        self.asked_to_stop = False
        self.refusal = ""
        self.printing = threading.Lock()
        self.width = max(len(name) for name in commands)
        self.programs = [Program(name, command, self) for name, command in commands.items()]

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP; raise CannotRun when the programs cannot run."""
        for number in SIGNALS:
            signal.signal(number, self._ask_to_stop)
        for program in self.programs:
            program.start()
        while not self.asked_to_stop and not self.refusal:
            time.sleep(LOOK_SECONDS)
        self._stop()
        if self.refusal:
            raise CannotRun(self.refusal)

    def refuse(self, message: str) -> None:
        """Stop all programs, because of something that a new start does not repair."""
        self.refusal = self.refusal or message

    def say(self, program: Program, line: str) -> None:
        """Print a line of a program."""
        head = f"{time.strftime('%H:%M:%S')} {program.name:<{self.width}} | "
        if sys.stdout.isatty():
            head = f"\033[{program.colour}m{head}\033[0m"
        with self.printing, suppress(OSError):  # the terminal may be closed
            print(head + line, flush=True)  # noqa: T201

    def _ask_to_stop(self, *_: object) -> None:
        self.asked_to_stop = True  # a signal may come at any moment, so nothing else is done here

    def _stop(self) -> None:
        self.stopping.set()
        for program in self.programs:
            program.signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for program in self.programs:
            program.join(max(0.0, until - time.monotonic()))
            program.signal(signal.SIGKILL)
            program.join()


def programs(procfile: Path) -> dict[str, str]:
    """Return the commands of a Procfile by the programs' names."""
    lines = [line.partition(":") for line in procfile.read_text().splitlines() if line.strip()]
    return {name.strip(): command.strip() for name, _, command in lines}

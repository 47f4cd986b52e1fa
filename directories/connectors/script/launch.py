"""Starts one script under limits and sees to it that nothing of it is left: run as a program of its own.

It is started with nothing but the script's environment, sets the limits in the script's process alone (the portal has
threads, so it cannot do that between fork and exec), and adopts whatever the script leaves behind, to end it. It ends
with the script's code, or as a shell would say it with 128 and the number of the signal.

Arguments: memory in bytes, seconds of CPU, bytes of a file, processes (0: no limit), and the command.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
FILES = 256
NOT_STARTED = 126
GIVE_UP = 5.0  # seconds for ending what is left


class Stop(Exception):
    """The portal wants the script to end."""


def main(arguments: list[str]) -> int:
    """Run the command and return its code."""
    memory, cpu, file_size, processes = map(int, arguments[:4])
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, _stop)
    code = 128 + signal.SIGTERM
    try:
        child = os.fork()
        if child == 0:
            _become(arguments[4:], memory, cpu, file_size, processes)
        _, status = os.waitpid(child, 0)
        found = os.waitstatus_to_exitcode(status)
        code = found if found >= 0 else 128 - found
    except Stop:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_what_is_left()
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def _become(command: list[str], memory: int, cpu: int, file_size: int, processes: int) -> None:
    """Set the limits and become the script; never return."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        os.umask(0o077)
        wanted = {
            resource.RLIMIT_DATA: memory,  # not RLIMIT_AS: what is only reserved costs nothing, and .NET reserves much
            resource.RLIMIT_CPU: cpu,
            resource.RLIMIT_FSIZE: file_size,
            resource.RLIMIT_NPROC: processes and processes + _own_processes(),
            resource.RLIMIT_NOFILE: FILES,
        }
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for which, limit in wanted.items():
            if limit:
                resource.setrlimit(which, (limit, limit))
        os.execv(command[0], command)  # noqa: S606 - no shell is meant
    except BaseException as error:
        sys.stderr.write(f"It cannot be started: {getattr(error, 'strerror', None) or type(error).__name__}.\n")
        sys.stderr.flush()
    finally:
        os._exit(NOT_STARTED)


def _own_processes() -> int:
    """Return how many processes this user has already: the kernel counts all of them."""
    found = 0
    for path in Path("/proc").iterdir():
        try:
            found += path.name.isdecimal() and path.stat().st_uid == os.getuid()
        except OSError:
            continue
    return found


def _end_what_is_left() -> None:
    """Kill every descendant, again and again until there is none: orphans come to this process."""
    until = time.monotonic() + GIVE_UP
    while time.monotonic() < until:
        for process in _descendants(os.getpid()):
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Sources that a script reads: who may have put it there, what it gets, what it may use, and how it may lie."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from directories.connectors import allowed
from directories.connectors.base import (
    Capability,
    ConnectorConfig,
    ConnectorError,
    CursorLost,
    RemoteAccount,
    Unavailable,
)
from directories.connectors.json_text import NESTED
from directories.connectors.records import NO_NUMBER, NO_RECORD, TOO_DEEP
from directories.connectors.script import executable as checks
from directories.connectors.script import output, process
from directories.connectors.script.connector import Script
from directories.connectors.script.settings import STEERS
from tests.directories.connectors.contract import crawl
from tests.directories.connectors.record_subjects import ScriptSubject

pytestmark = pytest.mark.heavy

SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
ANN = '{"ExternalId": 7, "DisplayName": "Ann", "Contracts": [{"ExternalId": "1", "Title": "Chief"}]}'


def opened(**settings: Any) -> Script:
    usual = {field.name: field.default for field in Script.fields}
    return Script(ConnectorConfig({**usual, "script": "hr.py", **settings}))


def read(**settings: Any) -> list[RemoteAccount]:
    with opened(**settings) as source:
        return crawl(source, 100)[1]


def refused(**settings: Any) -> ConnectorError:
    """Return why a crawl is incomplete."""
    pages = []
    with opened(**settings) as source, pytest.raises(ConnectorError) as caught:
        pages.extend(source.accounts(1))
    assert not [page for page in pages if page.last]
    return caught.value


def shown(accounts: Sequence[RemoteAccount]) -> list[tuple[str, Any, list[str]]]:
    return [
        (one.ref, one.attributes.get("DisplayName"), [contract.ref for contract in one.contracts or ()])
        for one in accounts
    ]


# --- Who may have put it there ---


@pytest.mark.parametrize("name", ["/bin/sh", "../evil.py", "hr/../../evil.py", "none.py", "a\0b", ""])
def test_names_do_not_lead_out_of_the_folder(script_source: ScriptSubject, name: str) -> None:
    shutil.copy(script_source.folder / "people.py", script_source.folder.parent / "evil.py")
    folder = script_source.folder
    assert refused(script=name).message in {
        checks.BAD_NAME,
        checks.NO_NAME,
        checks.NO_SCRIPT.format(folder=folder),
    }


def test_links_are_not_followed(script_source: ScriptSubject) -> None:
    folder = script_source.folder
    (folder / "link.py").symlink_to("/bin/sh")
    (folder / "there").symlink_to("/bin")
    (folder / "inside.py").symlink_to(folder / "people.py")
    for name in ("link.py", "there/sh", "inside.py"):
        assert refused(script=name).message == checks.LINK.format(name=name)


@pytest.mark.parametrize("where", ["", "hr", "hr/people.py"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_nobody_else_may_be_able_to_change_it(script_source: ScriptSubject, where: str, mode: int) -> None:
    folder = script_source.folder
    (folder / "hr").mkdir(mode=0o755)
    shutil.copy(folder / "people.py", folder / "hr" / "people.py")
    assert read(script="hr/people.py") == []
    (folder / where).chmod(0o755 | mode)
    assert "could be changed by others" in refused(script="hr/people.py").message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_it_belongs_to_root_or_to_the_portals_user(script_source: ScriptSubject) -> None:
    os.chown(script_source.folder / "people.py", 65534, -1)
    assert "could be changed by others" in refused(script="people.py").message


def test_it_must_be_an_executable_file(script_source: ScriptSubject) -> None:
    (script_source.folder / "people.py").chmod(0o600)
    assert "chmod u+x" in refused(script="people.py").message
    (script_source.folder / "folder").mkdir(mode=0o755)
    assert "no file that" in refused(script="folder").message
    (script_source.folder / "text.py").write_text("no program")
    (script_source.folder / "text.py").chmod(0o700)
    assert refused(script="text.py").message.endswith("It said: It cannot be started: Exec format error.")


def test_without_a_folder_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowed, "_source_scripts", None)
    assert "SOURCE_SCRIPTS_FOLDER" in refused().message


# --- What it gets ---


def test_it_gets_its_own_environment_and_nothing_of_the_portals(
    script_source: ScriptSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_PORTAL", "x")
    body = (
        "import json\n"
        "print(json.dumps({'ExternalId': 1, 'names': ' '.join(sorted(os.environ)), 'key': os.environ['KEY'], "
        "'arguments': '|'.join(sys.argv[1:]), 'input': sys.stdin.read(), 'here': os.getcwd(), "
        "'open': len(os.listdir('/proc/self/fd'))}))"
    )
    script_source.script("hr.py", body)
    settings = {"environment": "URL = https://hr\n\nA=b=c", "arguments": "$(id)\n--x; rm -rf *", "secret_name": "KEY"}
    (account,) = read(**settings, secret="s3cret")
    found = account.attributes
    assert found["names"] == "A HOME KEY LANG PATH TMPDIR URL"
    assert (found["key"], found["input"]) == ("s3cret", None)
    assert found["arguments"] == "$(id)|--x; rm -rf *"
    assert found["open"] == 4, "stdin, stdout, stderr and the list itself"
    assert not Path(str(found["here"])).exists(), "its folder is gone with it"


def test_it_is_told_since_when_changes_are_asked_for(script_source: ScriptSubject) -> None:
    body = "import json\nprint(json.dumps([{'ExternalId': 1, 'since': os.environ.get('SINCE')}]))"
    script_source.script("hr.py", body)
    with opened() as source:
        assert source.cursor() is None
        assert "Name where it finds that" in source.lacks(Capability.INCREMENTAL)
    with opened(since_name="SINCE") as source:
        assert source.cursor() is not None
        (page,) = source.changes({"since": "2026-01-31T10:30:00+01:00"})
        assert (page.last, page.accounts[0].attributes["since"]) == (True, "2026-01-31T09:30:00Z")
        assert crawl(source, 10)[1][0].attributes["since"] is None
        with pytest.raises(CursorLost):
            list(source.changes({}))
    script_source.script("hr.py", "print('[]')")
    with opened(since_name="SINCE") as source:
        assert [page.last for page in source.changes({"since": "2026-01-31T10:30:00+01:00"})] == [True]


@pytest.mark.parametrize("line", ["no equals sign", "=x", "1A=x", "A B=x"])
def test_names_of_the_environment_are_plain(script_source: ScriptSubject, line: str) -> None:
    assert refused(script="people.py", environment=line).code == "settings"


def test_the_environment_runs_nothing_of_whoever_types_it(script_source: ScriptSubject) -> None:
    ran = script_source.folder / "ran"
    (script_source.folder / "hr.sh").write_text("#!/bin/bash\necho '[]'\n")
    (script_source.folder / "hr.sh").chmod(0o755)
    caught = refused(script="hr.sh", environment=f"BASH_ENV=$(touch {ran})")
    assert not ran.exists()
    assert (caught.code, "HR_BASH_ENV" in caught.message) == ("settings", True)
    assert read(script="hr.sh", environment=f"HR_BASH_ENV=$(touch {ran})", secret_name="HR_KEY", secret="x") == []


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "IFS", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "CDPATH", "GLOBIGNORE", "FPATH", "ZDOTDIR", "HOME"),
        *(
            "CLASSPATH",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "LD_PRELOAD",
            "PYTHONPATH",
            "PERL5OPT",
        ),
        *("RUBYOPT", "NODE_OPTIONS", "NPM_CONFIG_PREFIX", "GCONV_PATH", "GIT_SSH_COMMAND", "DOTNET_STARTUP_HOOKS"),
        *("COMPlus_Profiler", "PSModulePath", "LUA_INIT", "TCLLIBPATH", "PHPRC", "PHP_INI_SCAN_DIR", "OPENSSL_CONF"),
        "BASH_ENV",
    ],
)
def test_what_steers_programs_is_refused_as_any_name(script_source: ScriptSubject, name: str) -> None:
    words = STEERS.format(name=name)
    assert refused(script="people.py", environment=f"A=1\n{name}=x").message == words
    assert refused(script="people.py", secret_name=name, secret="x").message == words
    with opened(since_name=name) as source, pytest.raises(ConnectorError, match="prefix of your own"):
        list(source.changes({"since": "2026-01-31T10:30:00+01:00"}))


# --- What it prints ---


@pytest.mark.parametrize(
    "printed",
    [
        ANN,
        f"[{ANN}]",
        f"\n\n{ANN}\r\n\n",
        f"[\n{ANN}\n]\n",
        ANN.replace(", ", ",\n  ").replace("{", "{\n  ", 1)[:-1] + "\n}",
    ],
)
def test_a_list_or_records_one_after_the_other(script_source: ScriptSubject, printed: str) -> None:
    script_source.script("hr.py", f"sys.stdout.write({printed!r})")
    assert shown(read()) == [("7", "Ann", ["1"])]


def test_records_that_take_several_lines_follow_each_other(script_source: ScriptSubject) -> None:
    body = "import json\nfor n in range(3): print(json.dumps({'ExternalId': n, 'a': {'b': [{'c': 1}]}}, indent=2))"
    script_source.script("hr.py", body)
    assert [account.ref for account in read()] == ["0", "1", "2"]


def test_records_come_while_the_script_still_runs(script_source: ScriptSubject) -> None:
    """The script waits for a file that the test makes when it has the first page."""
    go_on = script_source.folder / "go_on"
    body = (
        f'print(\'{{"ExternalId": 1}}\\n{{"ExternalId": 2}}\', flush=True)\n'
        f"while not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
        "print('{\"ExternalId\": 3}')"
    )
    script_source.script("hr.py", body)
    with opened() as source:
        pages = source.accounts(1)
        assert [one.ref for one in next(pages).accounts] == ["1"]
        go_on.touch()
        assert [page.accounts[0].ref for page in pages] == ["2", "3"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", output.NOTHING),
        ("print()", output.NOTHING),
        ("print('Hello')", output.NO_JSON.format(number=1)),
        (f"print('''{ANN}'''); print('done')", output.NO_JSON.format(number=2)),
        (f"print('''[{ANN}''')", output.NO_JSON.format(number=1)),
        (f"print('''{ANN}'''); print('''{ANN[:20]}''')", output.NO_JSON.format(number=2)),
        ("print('null')", output.NO_JSON.format(number=1)),
        (f"print('''{ANN}''')\nprint('[' * 2000 + ']' * 2000)", NESTED.format(what="Line 2 of the script")),
        ("print('{\"a\":' * 2000)", NESTED.format(what="Line 1 of the script")),
    ],
)
def test_what_is_no_json_is_no_end(script_source: ScriptSubject, body: str, words: str) -> None:
    script_source.script("hr.py", body)
    assert refused().message == words


# --- How it may lie in sound JSON ---


SAY = "import json\ndef say(one): print(json.dumps(one).replace('null', '[' * 150 + ']' * 150))\n"
LIES: Sequence[tuple[str, str]] = (
    ("7", NO_RECORD),
    ("{'DisplayName': 'Ann'}", "The record has no ExternalId."),
    ("{'ExternalId': {'a': 1}}", "The record has no ExternalId."),
    ("{'ExternalId': True}", "The record has no ExternalId."),
    ("{'ExternalId': ['1']}", "The record has no ExternalId."),
    ("{'ExternalId': 1, 'Contracts': [{'ExternalId': n % 29_999} for n in range(30_000)]}", "have the number 0."),
    ("{'ExternalId': 1, 'x': None}", TOO_DEEP),
    ("{'ExternalId': 1, 'Contracts': [{'ExternalId': 1, 'x': None}]}", TOO_DEEP),
)


def test_whoever_is_lied_about_is_named_and_the_others_go_on(script_source: ScriptSubject) -> None:
    lies = "\n".join(f"say({lie})" for lie, _ in LIES)
    script_source.script("hr.py", f"{SAY}{lies}\nprint('''{ANN}''')")
    *found, ann = read()
    for account, (lie, words) in zip(found, LIES, strict=True):
        assert words in account.problem, lie
    assert shown([ann]) == [("7", "Ann", ["1"])]


def test_what_nobody_can_map_is_not_kept(script_source: ScriptSubject) -> None:
    """Huge names would be repeated with each name below them, and long lists and deep ones in ever more names."""
    record = (
        "{'ExternalId': 1e20, 'Contracts': ['no', [1], None, {}, {'ExternalId': []}], 'text': long,"
        " 'deep': [[[[[[[[[[1]]]]]]]]]], long: {str(n): 1 for n in range(10_000)}, 'many': [{'a': 1}] * 10_000}"
    )
    script_source.script("hr.py", f"import json\nlong = 'k' * 1_000_000\nprint(json.dumps({record}))")
    (account,) = read()
    assert account.ref == "100000000000000000000"
    assert [contract.problem for contract in account.contracts or ()] == [NO_RECORD] * 3 + [NO_NUMBER] * 2
    assert len(str(account.attributes["text"])) == 1_000_000
    assert sum(map(len, account.attributes)) < 1000


def test_departments_that_are_lied_about_are_named(script_source: ScriptSubject) -> None:
    lies = "1, {'DisplayName': 'IT'}, {'ExternalId': 1, 'x': None}, {'ExternalId': 2}"
    script_source.script("d.py", f"{SAY}for one in [{lies}]: say(one)")
    with opened(departments_script="d.py") as source:
        (page,) = source.departments(10)
    assert [one.problem for one in page.departments] == [NO_RECORD, "A department has no ExternalId.", TOO_DEEP, ""]


# --- How it may go wrong ---


def test_a_code_that_is_not_0_is_no_end_and_what_it_said_is_shown_without_secrets(script_source: ScriptSubject) -> None:
    say = "sys.stderr.write('No login with ' + os.environ['SECRET'] + '\\n\\x1b[1m' + 'x' * 999)"
    body = f"print('''{ANN}''')\n{say}\nsys.exit(3)"
    script_source.script("hr.py", body)
    message = refused(secret="t0p s3cret").message
    assert message.startswith("The script ended with the code 3. It said: No login with ••• [1mxxx")
    assert "s3cret" not in message
    assert len(message) < 600


def test_a_script_that_hangs_is_ended(script_source: ScriptSubject) -> None:
    script_source.script("hr.py", f"print('''{ANN}''', flush=True)\nimport signal\nsignal.pause()")
    error = refused(seconds=1)
    assert isinstance(error, Unavailable)
    assert error.message == process.SLOW.format(seconds=1)


def test_the_time_of_the_portal_is_not_the_scripts(
    script_source: ScriptSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [0.0]
    monkeypatch.setattr(process, "monotonic", lambda: time.monotonic() + later[0])
    script_source.script("hr.py", "for n in range(20000): print('{\"ExternalId\": %d}' % n)")
    with opened(seconds=60) as source:
        pages = source.accounts(1000)
        next(pages)
        later[0] = 3600.0
        assert [*pages][-1].last


FLOOD = "while True: sys.{stream}.write('x' * 65536)"


def test_a_flood_is_ended(script_source: ScriptSubject) -> None:
    script_source.script("hr.py", FLOOD.format(stream="stdout"))
    assert refused(output=1, seconds=1).code == "too_large"


def test_a_flood_of_words_to_people_is_ended(script_source: ScriptSubject) -> None:
    """By the clock or by the processor time that it may use, whichever is over first."""
    script_source.script("hr.py", FLOOD.format(stream="stderr"))
    message = refused(output=1, seconds=1).message
    assert message == process.SLOW.format(seconds=1) or "SIGXCPU" in message or "SIGKILL" in message


def test_a_script_that_wants_too_much_memory_is_refused_it(script_source: ScriptSubject) -> None:
    script_source.script("hr.py", f"print('''{ANN}''', flush=True)\na = bytearray(200_000_000)")
    assert "MemoryError" in refused(memory=100).message
    assert len(read(memory=0)) == 1


def test_a_script_that_is_killed_is_no_end(script_source: ScriptSubject) -> None:
    script_source.script("hr.py", f"print('''{ANN}''', flush=True)\nos.kill(os.getpid(), 9)")
    assert refused().message == process.KILLED.format(signal="SIGKILL", said="")


def running(folder: Path) -> list[int]:
    """Return which of the processes that left their number in the folder are there."""
    return [int(path.name) for path in folder.iterdir() if Path(f"/proc/{path.name}").exists()]


FORKS = """
import signal
for n in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open({folder!r} + '/' + str(os.getpid()), 'w').close()
            time.sleep(600)
        os._exit(0)
while len(os.listdir({folder!r})) < 20: time.sleep(0.01)
"""


@pytest.mark.parametrize("end", [f"print('''{ANN}''')", "sys.exit(1)"])
def test_nothing_that_it_forked_is_left(script_source: ScriptSubject, tmp_path: Path, end: str) -> None:
    """Daemons that left the script's session, ignore SIGTERM and hold its output open."""
    marks = tmp_path / "marks"
    marks.mkdir()
    script_source.script("hr.py", FORKS.format(folder=str(marks)) + end)
    if "print" in end:
        assert len(read()) == 1
    else:
        refused()
    assert len(list(marks.iterdir())) == 20
    assert running(marks) == []


def test_nothing_is_left_of_a_script_that_is_ended(script_source: ScriptSubject, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    hang = f"print('''{ANN}\\n{ANN}''', flush=True)\nsignal.pause()"
    script_source.script("hr.py", FORKS.format(folder=str(marks)) + hang)
    with opened() as source:
        pages = source.accounts(1)
        next(pages)
        pages.close()  # type: ignore[attr-defined]
    assert len(list(marks.iterdir())) == 20
    assert running(marks) == []


def test_a_crawl_that_is_left_early_ends_the_script(script_source: ScriptSubject) -> None:
    mark = script_source.folder / "mark"
    body = (
        f"open({str(mark)!r}, 'w').write(str(os.getpid()))\n"
        'print(\'{"ExternalId": 1}\\n{"ExternalId": 2}\', flush=True)\ntime.sleep(600)'
    )
    script_source.script("hr.py", body)
    with opened() as source:
        pages = source.accounts(1)
        next(pages)
        number = int(mark.read_text())
        os.kill(number, 0)
        pages.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits here")
def test_a_script_may_not_fill_the_disk(script_source: ScriptSubject) -> None:
    script_source.script("hr.py", f"print('''{ANN}''')\nwith open('f', 'wb') as f: f.write(bytes(5_000_000))")
    assert "File too large" in refused(output=1).message


# --- The connection test, and the samples ---


def test_the_connection_test_says_what_is_wrong(script_source: ScriptSubject) -> None:
    def steps(**settings: Any) -> dict[str, tuple[bool | None, str]]:
        with opened(**settings) as source:
            return {step.name: (step.ok, step.message) for step in source.test().steps}

    assert steps()["Script"][0] is False
    script_source.script("hr.py", f"print('''{ANN}''')")
    assert steps()["People"] == (True, "People read: 1. One is 7.")
    assert steps(departments_script="none.py")["Departments"][0] is False
    script_source.script("hr.py", "sys.exit('No such database')")
    assert steps()["People"] == (False, "The script ended with the code 1. It said: No such database")


def test_the_samples_give_people_and_departments(scripts_folder: Path) -> None:
    for name in ("people.py", "departments.py"):
        text = (SAMPLES / name).read_text(encoding="utf-8")
        (scripts_folder / name).write_text(text.replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
        (scripts_folder / name).chmod(0o700)
    settings = {"script": "people.py", "departments_script": "departments.py", "arguments": str(SAMPLES)}
    with opened(**settings) as source:
        people = crawl(source, 3)[1]
        departments = [one for page in source.departments() for one in page.departments]
        assert source.test().ok
    assert shown(people) == [
        ("1001", "Ann Lee", ["1001-1"]),
        ("1002", "Zoë Ødegård", ["1002-1", "1002-2"]),
        ("1003", "Bob Future", ["1003-1"]),
        ("1004", "Cy Left", ["1004-1"]),
    ]
    assert [(one.ref, one.name, one.parent, one.manager) for one in departments] == [
        ("BOARD", "Board", "", "1001"),
        ("SALES", "Sales", "BOARD", ""),
        ("TOOLS", "Tools & parts", "BOARD", "1002"),
    ]


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="PowerShell is not installed")
def test_the_sample_in_powershell_gives_the_same(scripts_folder: Path) -> None:
    for name in ("people.py", "people.ps1"):
        shutil.copy(SAMPLES / name, scripts_folder / name)
        (scripts_folder / name).chmod(0o700)
    settings = {"arguments": str(SAMPLES), "memory": "0"}
    assert shown(read(script="people.ps1", **settings)) == shown(read(script="people.py", **settings))

"""Accounts that a script keeps: what it is told, what its answers mean, and how it may go wrong."""

import json
import sys

import pytest

from directories.connectors.base import Capability, Conflict, ConnectorError, Entry, NotFound, Unavailable
from directories.connectors.script import process, target
from tests.directories.connectors.script_target_subject import ScriptTargetSubject

pytestmark = pytest.mark.heavy
ANN = Entry("ann", "7", {"first": "Ann", "since": None})


def says(script_target: ScriptTargetSubject, body: str) -> None:
    script_target.write(f"#!{sys.executable} -IS\nimport json, os, sys, time\nasked = sys.stdin.read()\n{body}\n")


def test_it_is_told_all_on_its_input_and_a_password_nowhere_else(script_target: ScriptTargetSubject) -> None:
    says(
        script_target,
        "told = {'asked': json.loads(asked), 'arguments': sys.argv[1:], 'names': sorted(os.environ)}\n"
        "open(sys.argv[1], 'w').write(json.dumps(told))\n"
        'print(\'{"id": 7, "username": "ann", "attributes": {"first": "Ann"}}\')',
    )
    with script_target.open(secret="key") as connector:
        made = connector.create(Entry("ann", "", {"first": "Ann", "hours": 38}, usable=False), "Zebra-1")
    assert (made.ref, made.key, made.enabled, made.attributes) == ("7", "ann", None, {"first": "Ann"})
    told = json.loads(script_target.file.read_text())
    assert told["asked"] == {
        "operation": "create",
        "username": "ann",
        "id": "",
        "enabled": False,
        "attributes": {"first": "Ann", "hours": 38},
        "password": "Zebra-1",
    }
    assert told["arguments"] == [str(script_target.file), "create"]
    assert told["names"] == ["HOME", "LANG", "PATH", "SECRET", "TMPDIR"]


def test_its_code_says_what_became_of_it(script_target: ScriptTargetSubject) -> None:
    says(script_target, "sys.stderr.write('locked by 1234 with Zebra-1')\nsys.exit(int(open(sys.argv[1]).read()))")
    with script_target.open() as connector:
        script_target.file.write_text(str(target.TAKEN))
        with pytest.raises(Conflict):
            connector.create(ANN)
        script_target.file.write_text(str(target.LATER))
        with pytest.raises(Unavailable, match=r"cannot be done now\. It said: locked by 1234 with •••") as caught:
            connector.set_password(ANN, "Zebra-1")
        assert "Zebra-1" not in caught.value.message
        assert not caught.value.whole_directory
        script_target.file.write_text("9")
        with pytest.raises(ConnectorError, match=r"The script ended with the code 9\. It said: locked by 1234"):
            connector.update(ANN)


@pytest.mark.parametrize("printed", ["", "done", "[]", '{"id": 7}', '{"id": 7, "username": "ann", "attributes": 1}'])
def test_what_is_no_account_is_a_fault(script_target: ScriptTargetSubject, printed: str) -> None:
    says(script_target, f"print('''{printed}''')")
    with script_target.open() as connector, pytest.raises(ConnectorError) as caught:
        connector.update(ANN)
    assert caught.value.message == target.NO_ACCOUNT.format(operation="update")


@pytest.mark.parametrize(
    "told",
    [
        "asked",
        "json.dumps(json.loads(asked))",
        "json.loads(asked)['password']",
        "os.environ['SECRET']",
        "keys['token']",
        "json.dumps(keys['token'])",
        "keys['more'][0]['key']",
    ],
)
def test_no_form_of_a_secret_or_a_password_is_shown(script_target: ScriptTargetSubject, told: str) -> None:
    """A script that goes wrong says what it was given as it has it: as JSON, or one of several by itself."""
    secret = json.dumps({"token": 'to"ken-1é', "more": [{"key": "k3y-of-two"}], "on": "yes", "number": 5})
    says(script_target, f"keys = json.loads(os.environ['SECRET'])\nsys.stderr.write('yes: ' + {told})\nsys.exit(9)")
    with script_target.open(secret=secret) as connector, pytest.raises(ConnectorError) as caught:
        connector.set_password(Entry("ann", "7", {}), 'Zebra"1\\é')
    words = caught.value.message
    assert "It said: yes: " in words
    assert process.MASK in words
    assert not [part for part in ("Zebra", "ken-1", "k3y") if part in words], words


def test_another_account_than_was_asked_for_is_never_taken_over(script_target: ScriptTargetSubject) -> None:
    says(script_target, 'print(\'{"id": 8, "username": "ann", "attributes": {}}\')')
    with script_target.open() as connector:
        calls = (connector.find, connector.update, connector.disable, connector.enable)
        for call in (*calls, lambda entry: connector.set_password(entry, "Zebra-1")):
            with pytest.raises(ConnectorError) as caught:
                call(ANN)
            assert (caught.value.message, caught.value.code) == (target.OTHER_ACCOUNT, "answer")
        found = connector.find(Entry("ann", "", {}))
        assert found is not None
        assert found.ref == "8"


def test_null_is_an_account_that_is_not_there(script_target: ScriptTargetSubject) -> None:
    says(script_target, "print('null')")
    with script_target.open() as connector:
        assert connector.find(ANN) is None
        connector.delete(ANN)
        for change in (connector.update, connector.disable, connector.enable):
            with pytest.raises(NotFound):
                change(ANN)


def test_one_that_takes_too_long_is_tried_again(script_target: ScriptTargetSubject) -> None:
    says(script_target, "time.sleep(60)")
    with script_target.open(seconds=1) as connector, pytest.raises(Unavailable) as caught:
        connector.update(ANN)
    assert caught.value.message == process.SLOW.format(seconds=1)
    assert caught.value.whole_directory


def test_one_account_that_takes_too_long_keeps_no_other_waiting(script_target: ScriptTargetSubject) -> None:
    """Two of them one after the other are the script's trouble, not theirs."""
    says(script_target, "if json.loads(asked)['username'] == 'bob': time.sleep(60)\nprint('null')")
    bob = Entry("bob", "8", {})
    with script_target.open(seconds=1) as connector:
        for find in (lambda: connector.find(ANN), lambda: connector.find(ANN)):
            find()
            with pytest.raises(Unavailable) as caught:
                connector.find(bob)
            assert not caught.value.whole_directory
        with pytest.raises(Unavailable) as caught:
            connector.find(bob)
        assert caught.value.whole_directory


def test_it_can_do_what_its_settings_say(script_target: ScriptTargetSubject) -> None:
    with script_target.open(operations="create, update") as connector:
        assert connector.capabilities == {Capability.CREATE, Capability.UPDATE}
        assert connector.lacks(Capability.DELETE).startswith("The script cannot delete. Write delete under")
        assert connector.test().ok
        assert "It has no list" in connector.test().steps[-1].message
    with script_target.open(operations="create remove") as connector:
        (step,) = connector.test().steps
        assert step.message.startswith("There is no operation remove.")
    with script_target.open(script="nobody.py") as connector:
        assert not connector.test().ok

"""The gateway's program without a portal: its file, and what a portal that lies can make it do."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from directories.connectors.base import (
    Capability,
    ConnectorConfig,
    ConnectorError,
    Cursor,
    CursorLost,
    Entry,
    Unavailable,
    Write,
)
from directories.connectors.gateway import ThroughGateway
from directories.connectors.gateway.calls import METHODS, Answers, Call, dump, dump_call, load_answers, load_call
from directories.connectors.gateway.codec import Malformed, decode_error, decode_value, encode_error
from directories.connectors.gateway.connector import OTHER_VERSION
from directories.connectors.gateway.description import LONGEST_PATIENCE, describe, dump_description, load_description
from directories.connectors.memory import GROUPS, STORES, Memory, StoredAccount, StoredGroup
from directories.described.document import DocumentError
from directories.gateway import messages
from directories.gateway.__main__ import main
from directories.gateway.keys import EnrolmentFailed, GatewayKeys, read, write
from directories.gateway.portal import Exchanged
from directories.gateway.program import GatewayProgram, Running
from directories.gateway.settings import of_text
from directories.gateway.work import ANSWERS, STREAMS, ConnectorWork
from tests.fixtures.gateways import HERE, GatewaySubject, Loopback, gateway_of

FILE = """\
portal: https://rollcall.example.com
key: /var/lib/rollcall-gateway/key.json
directories:
  Staff:
    kind: ldap
    settings:
      host: dc.example.org
      base_dn: dc=example,dc=org
      user: cn=portal,dc=example,dc=org
    secrets:
      password: env:LDAP_PASSWORD
  APPSDB:
    kind: postgresql
    settings: {host: db, port: 5432, database: apps, user: portal, user_table: USERS, username_column: USERNAME}
    secrets:
      password: env:LDAP_PASSWORD
    templates:
      create:
        - INSERT INTO USERS (USERNAME) VALUES ('##USERNAME##')
    read_only: true
"""


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDAP_PASSWORD", "s3cret-Zebra")


def test_the_file_names_directories_and_where_their_secrets_are() -> None:
    found = of_text(FILE, "box")
    assert (found.portal, found.name, [*found.directories]) == (
        "https://rollcall.example.com",
        "box",
        ["Staff", "APPSDB"],
    )
    staff = found.directories["Staff"]
    assert staff.config.settings["password"] == "s3cret-Zebra"
    assert "Zebra" not in repr(found)
    assert staff.lacking()[Capability.IMPORT_PASSWORDS]
    assert "read_only" in found.directories["APPSDB"].lacking()[Capability.CREATE]


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("portal: https://", "portal: http://", 1, "must begin with https://"),
        ("portal: https://rollcall.example.com", "portal: rollcall", 1, "whole address"),
        ("key:", "kye:", 2, "Did you mean 'key'?"),
        ("kind: ldap", "kind: ldpa", 5, "There is no kind 'ldpa'."),
        ("kind: ldap", "kind: gateway", 5, "There is no kind 'gateway'."),
        ("kind: ldap", "kind: push", 5, "There is no kind 'push'."),
        ("host: dc", "hots: dc", 7, "Did you mean 'host'?"),
        ("      host: dc.example.org\n", "", 6, "This is required."),
        ("password: env:LDAP_PASSWORD\n  APPSDB", "password: s3cret\n  APPSDB", 11, "never the secret itself"),
        ("password: env:LDAP_PASSWORD\n  APPSDB", "password: env:NOT_SET\n  APPSDB", 11, "NOT_SET is not set"),
        ("port: 5432", "port: many", 14, "whole number"),
        ("      create:", "      creat:", 18, "There is no operation 'creat'."),
        ("INSERT INTO USERS", "DROP TABLE USERS", 19, "begin with DROP"),
        ("kind: postgresql", "kind: memory", 14, "setting 'host'"),
        ("read_only: true", "read_only: perhaps", 20, "true or false"),
        ("  Staff:\n", "  Staff:\n\tx", 4, "YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(before: str, after: str, line: int, words: str) -> None:
    assert before in FILE
    with pytest.raises(DocumentError) as caught:
        of_text(FILE.replace(before, after))
    told = [problem.line for problem in caught.value.problems if words in str(problem)]
    assert told, str(caught.value)
    assert abs(told[0] - line) <= 1, str(caught.value)


def test_the_program_says_what_is_wrong_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE.replace("kind: ldap", "kind: ldpa"))
    assert main(["check", str(file)]) == 2
    assert "line 5: directories.Staff.kind" in capsys.readouterr().err
    file.write_text(FILE)
    assert main(["check", str(file)]) == 0
    assert "s3cret" not in capsys.readouterr().err


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    write(path, GatewayKeys(7, messages.new_key(), "x"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(path).machine == 7
    with pytest.raises(EnrolmentFailed):
        write(path, GatewayKeys(8, messages.new_key(), "x"))
    path.chmod(0o644)
    with pytest.raises(EnrolmentFailed, match="chmod 600"):
        read(path)


# --- A portal that lies ----------------------------------------------------------------------------------------------


def test_the_portal_can_ask_for_the_protocols_methods_and_nothing_else() -> None:
    assert METHODS.keys() == ANSWERS.keys() | STREAMS.keys()
    assert {name for name, method in METHODS.items() if method.streams} == STREAMS.keys()
    for name in ("close", "__init__", "config", "capabilities", "sample", "session", "eval"):
        with pytest.raises(Malformed):
            load_call(dump([name, [], [], False, False]))
    calls = ('["find"]', '["find",[],[],false,false]', '["find",[{}],[],false,false]', '["count",[],[],false,0]')
    for data in (b"", b"[]", b"{}", *(text.encode() for text in calls)):
        with pytest.raises(Malformed):
            load_call(data)


def test_it_cannot_name_another_directory_or_settings(tmp_path: Path) -> None:
    work = gateway_of("memory", ConnectorConfig({"name": str(tmp_path)}))
    with pytest.raises(ConnectorError, match="no directory of this name"):
        work.answer("etc", Call("count"))
    opened = load_call(dump_call(Call("count", attributes=("host", "password"))))
    assert work.answer(HERE.name, opened) == 0  # attributes are names of columns, and never settings


def test_what_the_file_calls_read_only_is_not_written(tmp_path: Path) -> None:
    name = str(tmp_path)
    work = gateway_of("memory", ConnectorConfig({"name": name}), read_only=True)
    STORES[name] = {"ann": StoredAccount({})}
    writes = [name for name, method in METHODS.items() if method.writes]
    assert len(writes) == 15
    for method in writes:
        with pytest.raises(ConnectorError, match="read_only"):
            work.answer(HERE.name, Call(method, [Entry("ann")]))
    assert [*STORES[name]] == ["ann"]


def test_passwords_stay_unless_the_file_gives_them(tmp_path: Path) -> None:
    name = str(tmp_path)
    STORES[name] = {"ann": StoredAccount({}, password="hash-of-ann")}
    call = Call("accounts", [10], with_passwords=True)
    for gives in (True, False):
        work = gateway_of("memory", ConnectorConfig({"name": name}), give_passwords=gives)
        assert ("hash-of-ann" in str(list(work.items(HERE.name, call, Event())))) is gives


def test_faults_of_a_connector_tell_nothing_of_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = gateway_of("memory", ConnectorConfig({"name": str(tmp_path)}))

    def fails(*_: Any) -> None:
        raise RuntimeError("password=s3cret")

    monkeypatch.setattr("directories.connectors.memory.Memory.find", fails)
    with pytest.raises(ConnectorError, match="Its log has the details") as caught:
        work.answer(HERE.name, Call("find", [Entry("ann")]))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["userPassword", "unicodePwd", "USERPASSWORD;x-old", "2.5.4.35", "sambaNTPassword"])
def test_attributes_that_hold_passwords_stay_unless_the_file_gives_them(tmp_path: Path, name: str) -> None:
    for method in ("count", "accounts"):
        call = Call(method, [10] if method == "accounts" else [], attributes=("mail", name))
        work = gateway_of("memory", ConnectorConfig({"name": str(tmp_path)}), give_passwords=False)
        with pytest.raises(ConnectorError, match="keeps passwords"):
            _ = work.answer(HERE.name, call) if method == "count" else list(work.items(HERE.name, call, Event()))
    given = gateway_of("memory", ConnectorConfig({"name": str(tmp_path)}))
    assert given.answer(HERE.name, Call("count", attributes=("mail", name))) == 0


def test_a_gateway_whose_portal_has_no_thread_to_wait_in_rests() -> None:
    answers = iter([{"room": [], "later": 0.5}, {"room": [7]}])
    portal: Any = SimpleNamespace(exchange=lambda *_: Exchanged(next(answers), ()))
    program = GatewayProgram(portal, ConnectorWork({}), "1")
    rests: list[float] = []
    program.stopped = SimpleNamespace(wait=rests.append)  # type: ignore[assignment]
    assert program.await_room(7) is not None
    assert rests == [0.5]
    assert program.await_room(7) is not None
    assert rests == [0.5]


@dataclass
class Heard:
    """A portal that takes every message and has nothing to say."""

    sent: list[tuple[Mapping[str, Any], Sequence[bytes]]] = field(default_factory=list)

    def exchange(self, head: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> Exchanged:
        self.sent.append((head, blobs))
        return Exchanged({}, ())

    def answers(self) -> Answers:
        """Return the one answer that came."""
        ((head, (blob,)),) = self.sent
        assert head["parts"][0][2], "it was not the last one"
        return load_answers(messages.unpack(blob))


def test_what_waited_too_long_for_its_thread_is_not_begun(tmp_path: Path) -> None:
    name = str(tmp_path)
    portal: Any = Heard()
    program = GatewayProgram(portal, gateway_of("memory", ConnectorConfig({"name": name})), "1")
    call = Call("create", [Entry("ann"), None])
    program._do(Running(1, HERE.name, call, time.monotonic() - messages.BEGIN - 1))
    assert isinstance(portal.answers().error, Unavailable)
    assert not STORES[name]
    portal.sent.clear()
    program._do(Running(2, HERE.name, call, time.monotonic()))
    assert portal.answers().error is None
    assert [*STORES[name]] == ["ann"]


def test_an_answer_that_is_too_large_is_told_instead_of_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    portal: Any = Heard()
    program = GatewayProgram(portal, ConnectorWork({}), "1")
    monkeypatch.setattr(messages, "LARGEST_BLOB", 1000)
    program.send(1, 0, Answers(["x" * 1001]))
    error = portal.answers().error
    assert error is not None
    assert "photos" in error.message


def test_a_connector_over_there_is_told_when_somebody_loses_access(
    carried: Callable[[ConnectorWork], Loopback], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    monkeypatch.setattr(Memory, "disable", lambda connector, entry, found=None: told.append(connector.urgent))
    with GatewaySubject(carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)})))).open() as connector:
        for urgent in (True, False):
            connector.urgent = urgent
            connector.disable(Entry("ann"))
    assert told == [True, False]


def test_how_long_everybody_takes_is_forecast_as_without_a_gateway(
    carried: Callable[[ConnectorWork], Loopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"product": "slack", "url": "https://api.slack.com/scim/v2", "auth": "bearer", "secret": "x"}
    loopback = carried(gateway_of("scim", ConnectorConfig(settings)))
    there = {"gateway": HERE.gateway, "name": HERE.name}
    assert ThroughGateway.forecast(there, 10_000) == "about 56 minutes: Slack allows 180 creations a minute"

    def silent(*_: Any) -> None:
        raise Unavailable("The gateway shows no sign of life.")

    monkeypatch.setattr(loopback, "ask", silent)
    assert ThroughGateway.forecast(there, 10_000) == ""


# --- What the portal makes of a gateway's answers --------------------------------------------------------------------


def test_other_settings_of_the_gateway_are_read_from_the_beginning(
    carried: Callable[[ConnectorWork], Loopback], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cursor(connector: Any) -> Cursor:
        return {"at": 5}

    monkeypatch.setattr("directories.connectors.memory.Memory.cursor", cursor)
    monkeypatch.setattr("directories.connectors.memory.Memory.changes", lambda connector, cursor, size: iter(()))
    subject = GatewaySubject(carried(gateway_of("memory", ConnectorConfig({"name": str(tmp_path)}))))
    with subject.open() as connector:
        taken = connector.cursor()
        assert taken is not None
        assert Capability.INCREMENTAL in connector.capabilities
        assert list(connector.changes(taken)) == []
    carried(gateway_of("memory", ConnectorConfig({"name": f"{tmp_path}-other"})))
    with subject.open() as connector, pytest.raises(CursorLost):
        list(connector.changes(taken))


def test_members_of_a_page_of_groups_come_in_one_stream(
    carried: Callable[[ConnectorWork], Loopback], tmp_path: Path
) -> None:
    name = str(tmp_path)
    for number in range(20):
        GROUPS[name][str(number)] = StoredGroup(f"group {number}", members={f"user{n}": None for n in range(number)})
    loopback = carried(gateway_of("memory", ConnectorConfig({"name": name})))
    with GatewaySubject(loopback).open() as connector:
        groups = [group for page in connector.groups() for group in page.groups]
        found = {group.name: sum(len(page.refs) for page in connector.members(group, 4)) for group in groups}
        assert found == {f"group {number}": number for number in range(20)}
        assert loopback.carried.count("members") == 1
        third = list(connector.members(groups[3]))  # in another order it costs one more
        assert third[0].refs == ["user0", "user1", "user2"]


def test_what_cannot_be_read_of_a_write_may_have_been_done(
    gateway_subject: GatewaySubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nonsense(*_: Any) -> Any:
        raise Malformed

    monkeypatch.setattr(gateway_subject.loopback, "ask", nonsense)
    ann = Entry("ann")
    with gateway_subject.open() as connector:
        for call in (lambda: connector.create(ann), lambda: connector.disable(ann), lambda: connector.delete(ann)):
            with pytest.raises(Unavailable) as caught:
                call()
            assert not caught.value.whole_directory
        answers = connector.write_many([Write(Capability.CREATE, ann)] * 2)
        assert [type(answer) for answer in answers] == [Unavailable] * 2
        with pytest.raises(Unavailable) as caught:  # nothing was asked to be done, so nobody has to look
            connector.find(ann)
        assert (caught.value.whole_directory, caught.value.message) == (True, OTHER_VERSION)
    monkeypatch.setattr(gateway_subject.loopback, "ask", lambda *_: [])
    with gateway_subject.open() as connector:
        (answer,) = connector.write_many([Write(Capability.UPDATE, ann)])
    assert isinstance(answer, Unavailable)


def test_a_gateway_of_another_version_lets_its_directory_wait(
    gateway_subject: GatewaySubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses what it cannot read; an error of the directory's own stays what it is."""
    ann, told = Entry("ann"), Malformed()

    def refuses(*_: Any) -> Any:
        raise decode_error(encode_error(told))

    def refuses_later(*_: Any) -> Iterator[Any]:
        refuses()
        yield

    monkeypatch.setattr(gateway_subject.loopback, "ask", refuses)
    monkeypatch.setattr(gateway_subject.loopback, "stream", refuses_later)
    with gateway_subject.open() as connector:
        reads: list[Callable[[], Any]] = [
            lambda: connector.find(ann),
            connector.count,
            lambda: list(connector.accounts()),
            lambda: list(connector.groups()),
        ]
        for read in reads:
            with pytest.raises(Unavailable, match="Update the gateway") as caught:
                read()
            assert caught.value.whole_directory
        with pytest.raises(Unavailable, match="Update the gateway") as caught:
            connector.disable(ann)
        assert not caught.value.whole_directory
        told.code = "answer"
        with pytest.raises(ConnectorError) as refused:
            connector.find(ann)
        assert not isinstance(refused.value, Unavailable)


def test_a_gateway_that_lies_is_caught(gateway_subject: GatewaySubject, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = gateway_subject.loopback
    lies: list[Any] = [None, [], {}, "x", [["a"]], [[1, 2, {}, None, None, "", "", "", None], ""], [["ann", "ann"], ""]]
    monkeypatch.setattr(loopback, "ask", lambda *_: lies[0])
    with gateway_subject.open() as connector:
        while lies:
            for call in (lambda: connector.create(Entry("ann")), lambda: connector.write_many([]), connector.test):
                try:
                    found = call()
                except (Malformed, Unavailable):
                    continue
                assert found == [] or not getattr(found, "ok", True), lies[0]
            lies.pop(0)


def test_numbers_that_would_fill_the_memory_and_errors_of_no_kind_are_malformed() -> None:
    for text in ("1E+999999999", "1E-999999999", "-9E+20001"):
        with pytest.raises(Malformed):
            decode_value({"n": text})
    for text in ("NaN", "-Infinity", "12.50", "1E+300", "0E-16383"):
        assert str(decode_value({"n": text})) == text
    for kind in ([], {}, None, 5, "SystemExit"):
        with pytest.raises(Malformed):
            decode_error({"error": kind, "message": "", "code": "x"})


def test_a_directory_that_may_take_hours_keeps_no_gateway_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connector = Memory(ConnectorConfig({"name": str(tmp_path)}))
    for seconds in (3900.0, 86_400.0):
        monkeypatch.setattr(Memory, "patience", seconds)
        told = dump_description(describe(connector, lacking={}, reads_as=""))
        assert load_description(told).patience == min(seconds, LONGEST_PATIENCE)
    assert LONGEST_PATIENCE > 3900  # what a database and a server of LDAP may be given


def test_what_stands_for_the_settings_tells_nothing_of_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of_text(FILE).directories["Staff"].reads_as
    monkeypatch.setenv("LDAP_PASSWORD", "another")
    assert of_text(FILE).directories["Staff"].reads_as == before
    assert of_text(FILE.replace("dc=example,dc=org", "dc=example")).directories["Staff"].reads_as != before


def test_the_contract_of_each_method_has_a_codec() -> None:
    for method in METHODS.values():
        assert method.gives
        assert len(method.takes) == len(method.arguments)
    assert ThroughGateway.implemented() == frozenset(Capability)

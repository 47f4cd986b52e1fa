"""Many accounts of a SQL directory at once: each gets the answer that it would get alone."""

from collections.abc import Sequence
from typing import Any

import pytest

from directories.connectors.base import (
    Capability,
    ConnectorError,
    Entry,
    RemoteAccount,
    Unavailable,
    Write,
)
from directories.connectors.sql.dialects import base, postgresql
from tests.directories.connectors.sql_subject import SqlSubject


def person(key: str, ref: str = "", first: str = "Ann") -> Entry:
    return Entry(key, ref, {"FIRSTNAME": first, "LASTNAME": "Lee"}, {"username": key})


def kinds(answers: Sequence[RemoteAccount | ConnectorError]) -> list[str]:
    return [answer.ref if isinstance(answer, RemoteAccount) else type(answer).__name__ for answer in answers]


def test_accounts_that_are_found_together_are_what_each_is_alone(sql: SqlSubject) -> None:
    with sql.open() as connector:
        for name in ("ann", "bob", "zoe"):
            connector.create(person(name), "x")
        entries = [person("ann", "ann"), person("bob", "bob"), person("gone", "gone"), person("ANN", "ANN")]
        found = connector.find_many(entries)
        assert found.keys() >= {0, 1}
        assert 2 not in found  # whether it has another row, only the check queries say
        for number, account in found.items():
            assert account == connector.find(entries[number])


def test_accounts_are_absent_together_only_when_no_name_could_be_anothers(sql: SqlSubject) -> None:
    with sql.open() as connector:
        assert connector.find_many([person("new"), person("newer")]) == {0: None, 1: None}
        assert connector.find_many([person("anna.berg"), person("Annaberg")]) == {}
        assert connector.find_many([person("rené"), person("bob")]) == {}
        connector.create(person("ann"), "x")
        assert connector.find_many([person("new"), person("ann")]) == {}


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("SELECT COUNT(*) FROM USERS WHERE USERNAME = '##USERNAME##'", True),
        ("SELECT 1 FROM USERS u JOIN USERS o ON o.USERNAME = u.USERNAME WHERE u.USERNAME = ##USERNAME##", True),
        ("SELECT USERNAME FROM USERS WHERE lower(USERNAME) = lower('##USERNAME##')", False),
        ("SELECT USERNAME FROM USERS WHERE FIRSTNAME = '##FIRSTNAME##'", False),
        ("SELECT EXISTS (SELECT 1 FROM USERS WHERE USERNAME = '##USERNAME##')", False),
    ],
)
def test_only_a_check_query_that_compares_the_name_is_asked_for_many(pg: SqlSubject, check: str, told: bool) -> None:
    with pg.open(templates={"check": [check]}) as connector:
        assert connector.find_many([person("new"), person("other")]) == ({0: None, 1: None} if told else {})


def test_each_of_the_accounts_written_together_is_done_or_refused_by_itself(pg: SqlSubject) -> None:
    pg.database.execute("CREATE UNIQUE INDEX once ON USERS (USERNAME)")
    with pg.open() as connector:
        connector.create(person("ann"), "x")
        assert connector.writes_together(Capability.CREATE)
        assert connector.writes_together(Capability.UPDATE)
        answers = connector.write_many(
            [
                Write(Capability.UPDATE, person("ann", "ann", "50% off %s $1")),
                Write(Capability.CREATE, person("ann"), "x"),
                Write(Capability.UPDATE, person("gone", "gone")),
                Write(Capability.CREATE, person("bob", first="a\x00b"), "x"),
                Write(Capability.CREATE, person("long", first="x" * 300), "x"),
                Write(Capability.CREATE, person("half", first="\ud800"), "x"),
                Write(Capability.CREATE, person("zoe"), None),
            ]
        )
        assert kinds(answers) == [
            "ann",
            "Conflict",
            "NotFound",
            "ConnectorError",
            "ConnectorError",
            "ConnectorError",
            "zoe",
        ]
        assert [answer.code for answer in answers[3:6] if isinstance(answer, ConnectorError)] == [
            *("nul", "too_long", "encoding")
        ]
        assert connector.find(person("zoe")) is not None  # the connection is as it was
    rows = pg.database.rows("SELECT USERNAME, FIRSTNAME, PASSWORD FROM USERS ORDER BY 1")
    assert rows == [("ann", "50% off %s $1", "x"), ("zoe", "Ann", None)]


@pytest.mark.heavy
def test_one_that_waits_for_a_lock_holds_up_the_others_no_longer_than_its_share(
    pg: SqlSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "LOCK_SECONDS", 1)
    with pg.open() as connector, pg.open() as other:
        for name in ("ann", "bob"):
            connector.create(person(name), "x")
        with other.session.transaction():
            other.update(person("ann", "ann", "Held"))
            answers = connector.write_many(
                [Write(Capability.UPDATE, person(name, name, "New")) for name in ("ann", "bob")]
            )
        assert kinds(answers) == ["Unavailable", "bob"]
        assert connector.session.rows("SHOW lock_timeout") == [("1s",)]
        assert connector.session.rows("SHOW statement_timeout") == [("30s",)]
    assert pg.database.rows("SELECT FIRSTNAME FROM USERS ORDER BY USERNAME") == [("Held",), ("New",)]


def test_a_connection_that_is_lost_in_between_tells_what_was_done_before(pg: SqlSubject) -> None:
    pg.database.execute(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.USERNAME = 'cut' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$"
    )
    pg.database.execute("CREATE TRIGGER cut BEFORE INSERT ON USERS FOR EACH ROW EXECUTE FUNCTION cut()")
    with pg.open() as connector:
        answers = connector.write_many([Write(Capability.CREATE, person(name), "x") for name in ("ann", "cut", "zoe")])
        assert kinds(answers) == ["ann", "Unavailable", "Unavailable"]
        assert all(answer.whole_directory for answer in answers if isinstance(answer, Unavailable))
        assert connector.find(person("zoe")) is None  # on a new connection
        assert connector.find(person("ann")) is not None


def test_the_time_outs_of_those_written_together_end_with_each(pg: SqlSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler may give the server's session to somebody else after each."""
    answers = postgresql._PostgreSQLConnection.answers
    show = [(b"SELECT current_setting('statement_timeout'), current_setting('lock_timeout')", [])]
    seen: list[tuple[bytes | None, bytes | None]] = []

    def with_somebody_else(self: Any, transactions: Sequence[Any]) -> Any:
        ended = answers(self, [part for transaction in transactions for part in (transaction, show)])
        seen.extend((results[-1].get_value(0, 0), results[-1].get_value(0, 1)) for results in ended[1::2])
        return ended[::2]

    monkeypatch.setattr(postgresql._PostgreSQLConnection, "answers", with_somebody_else)
    with pg.open() as connector:
        names = [f"user{n}" for n in range(10)]  # three seconds each
        written = connector.write_many([Write(Capability.CREATE, person(name), "x") for name in names])
    assert kinds(written) == names
    assert seen == [(b"30s", b"5s")] * 10


def test_what_is_refused_only_at_the_end_of_its_transaction_is_its_own(pg: SqlSubject) -> None:
    pg.database.execute("ALTER TABLE USERS ADD UNIQUE (USERNAME) DEFERRABLE INITIALLY DEFERRED")
    with pg.open() as connector:
        names = ("ann", "bob", "ann", "cem", "bob", "ann", "dan")
        answers = connector.write_many([Write(Capability.CREATE, person(name), "x") for name in names])
    assert kinds(answers) == ["ann", "bob", "Conflict", "cem", "Conflict", "Conflict", "dan"]
    assert sorted(pg.database.rows("SELECT USERNAME FROM USERS")) == [("ann",), ("bob",), ("cem",), ("dan",)]


def test_no_connection_stays_in_pipeline_mode(pg: SqlSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the exchange, as a worker's time limit may."""

    class Enough(BaseException):
        pass

    def end(*_: object) -> None:
        raise Enough

    with pg.open() as connector:
        connector.create(person("ann"), "x")
        with monkeypatch.context() as patch:
            patch.setattr(postgresql._PostgreSQLConnection, "wait", end)
            with pytest.raises(Enough):
                connector.write_many([Write(Capability.UPDATE, person("ann", "ann", "New"))] * 2)
    with pg.open() as connector:
        assert connector.find(person("ann", "ann")) is not None


def test_one_that_cannot_be_found_again_leaves_the_others_their_answers(pg: SqlSubject) -> None:
    pg.database.execute("ALTER TABLE USERS DROP CONSTRAINT users_pkey, ALTER USERNAME DROP NOT NULL")
    check = ["SELECT USERNAME FROM USERS WHERE FIRSTNAME = '##FIRSTNAME##'"]
    with pg.open(templates={"check": check}) as connector:
        for name in ("ann", "anna"):
            connector.create(person(name), "x")
        nameless = Entry("bob", "", {"USERNAME": None, "FIRSTNAME": "Ann", "LASTNAME": ""})
        answers = connector.write_many(
            [Write(Capability.CREATE, entry, "x") for entry in (person("cem", first="Cem"), nameless, person("dan"))]
        )
    assert kinds(answers) == ["cem", "ConnectorError", "dan"]


def test_what_is_more_than_one_plain_statement_is_written_singly(sql: SqlSubject) -> None:
    two = ["UPDATE USERS SET FIRSTNAME = '##FIRSTNAME##' WHERE USERNAME = '##USERNAME##'"] * 2
    with sql.open(templates={"update": two, "create": ["SELECT add_user('##USERNAME##')"]}) as connector:
        assert not connector.writes_together(Capability.UPDATE)
        assert not connector.writes_together(Capability.CREATE)

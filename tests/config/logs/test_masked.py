"""No log holds a secret, whatever its format: a password, a token, a one-time link, the values of a statement."""

import json
import logging
import urllib.request
from collections.abc import Callable

import pytest
import sqlalchemy
from django.db import transaction
from structlog.contextvars import bound_contextvars

from config.logs import masked
from config.logs.formatter import PortalFormatter
from provisioning.models import User
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

LINK = "/welcome/MQ/d0x1-0123456789abcdef0123456789abcdef/"
FORMATS = ["json", "text"]
VALUE = "hunter2"  # in the code by this name, which a traceback shows


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    """Return a record as ``logging`` makes it."""
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("gunicorn.access", logging.INFO, "x.py", 1, message, args, info)


def caught(act: Callable[[], object]) -> Exception:
    """Return what the call raises."""
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("Forbidden: %s", (LINK,), "Forbidden: /welcome/MQ/…/"),
        (f'"GET {LINK}?next=/ HTTP/1.1" 200', (), '"GET /welcome/MQ/…/?next=/ HTTP/1.1" 200'),
        ("%(r)s %(f)s", ({"r": f"GET {LINK}", "f": f"https://x{LINK}"},), "GET /welcome/MQ/…/ https://x/welcome/MQ/…/"),
        ("GET /welcome/MQ/d0x1-0123", (), "GET /welcome/MQ/…"),
        ("GET //welcome/%%4DQ/d0x1-0123/", (), "GET //welcome/%4DQ/…/"),
        ("GET /welcome/MQ/now/", (), "GET /welcome/MQ/…/"),
        ("anna is welcome here", (), "anna is welcome here"),
        ("Authorization: Bearer abcdef123456 was sent", (), "Authorization: … … was sent"),
        ("sent %s", ("bearer abc.def-123",), "sent bearer …"),
        ("password=hunter2 for ann", (), "password=… for ann"),
        ("%s", ({"new_password": "hun ter2", "name": "ann"},), "{'new_password': …, 'name': 'ann'}"),
        ('{"client_secret": "hun\'ter2"}', (), '{"client_secret": …}'),
        (
            "GET /sso/back/?code=hunter2&state=hunter3&page=2 HTTP/1.1",
            (),
            "GET /sso/back/?code=…&state=…&page=2 HTTP/1.1",
        ),
        ("redis://:hunter2@host:6379/0 is away", (), "redis://:…@host:6379/0 is away"),
        ("postgres://rollcall:hunter2@host/rollcall", (), "postgres://rollcall:…@host/rollcall"),
        ("Authorization: Token hunter2", (), "Authorization: …"),
        ("Authorization: Negotiate hunter2", (), "Authorization: …"),
        ("userPassword:: aHVudGVyMg==", (), "userPassword:: …"),
        ("DRIVER=x;UID=sa;PWD=hunter2", (), "DRIVER=x;UID=sa;PWD=…"),
        ("postgres://rollcall:p@hunter2@host/rollcall", (), "postgres://rollcall:…@host/rollcall"),
        ("postgres://rollcall:p/hun/ter2@host/rollcall", (), "postgres://rollcall:…@host/rollcall"),
        ("postgres://rollcall:p/a@hun/ter2@host/rollcall", (), "postgres://rollcall:…@host/rollcall"),
        ("http://host:8080/people?mail=ann@x.org", (), "http://host:8080/people?mail=ann@x.org"),
        ("read https://hunter2@host/feed?a=b@c", (), "read https://…@host/feed?a=b@c"),
        ("https://host/people/ann@x.org", (), "https://host/people/ann@x.org"),
        ("X-Api-Key: hun ter2", (), "X-Api-Key: …"),
        ("api-key: hun ter2", (), "api-key: …"),
        ("X-Vault-Token: hun ter2", (), "X-Vault-Token: …"),
        ("%s", ({"X-Api-Key": "hun ter2", "name": "ann"},), "{'X-Api-Key': …, 'name': 'ann'}"),
        ("api_key=hunter2 for ann", (), "api_key=… for ann"),
        ("asked with rollcall_api_abcDEF-123", (), "asked with rollcall_api_…"),
        ("pushed with rollcall_push_abcDEF-123", (), "pushed with rollcall_push_…"),
        ("signed by whsec_abcDEF123+/=", (), "signed by whsec_…"),
        (
            "DETAIL:  Key (username, mail)=(ann, hunter2) already exists.",
            (),
            "DETAIL:  Key (username, mail)=…",
        ),
        ("[SQL: SELECT 1] [parameters: {'a': 'hunter2'}]", (), "[SQL: SELECT 1] [parameters: …]"),
        ("Not sent: %s", (ValueError("hunter2"),), "Not sent: ValueError"),
        ("The token of Okta ends tomorrow.", (), "The token of Okta ends tomorrow."),
        ("Forbidden (CSRF token missing.): /my/", (), "Forbidden (CSRF token missing.): /my/"),
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_line_says_is_masked(kind: str, message: str, args: tuple[object, ...], expected: str) -> None:
    message = message if args else message.replace("%%", "%")
    line = PortalFormatter(kind).format(record(message, *args))
    said = json.loads(line)["event"] if kind == "json" else line.partition("INFO gunicorn.access: ")[2]
    assert said == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_the_portals_own_secrets_are_masked_wherever_they_stand(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", "first-key,second-key")
    monkeypatch.setenv("EMAIL_HOST_PASSWORD", "correct, horse")
    monkeypatch.setenv("REDIS_URL", "redis://:bat%2Ftery@host")
    monkeypatch.setenv("SOME_TOKEN", "ok")
    masked.own_secrets.cache_clear()
    try:
        with bound_contextvars(directory="A second-key"):
            line = PortalFormatter(kind).format(record("ok first-key correct, horse bat/tery bat%2Ftery"))
    finally:
        masked.own_secrets.cache_clear()
    assert "ok … … … …" in line
    assert "A …" in line


def _of_postgresql() -> None:
    with transaction.atomic():
        User.objects.bulk_create([User(username=VALUE), User(username=VALUE)])


def _of_sqlalchemy() -> None:
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.execute(sqlalchemy.text("SELECT * FROM nowhere WHERE name = :name"), {"name": VALUE})


def _of_another() -> None:
    try:
        raise ValueError(VALUE)
    except ValueError as error:
        raise RuntimeError(f"It said {error}") from error


@pytest.mark.django_db
@pytest.mark.parametrize("act", [_of_postgresql, _of_sqlalchemy, _of_another])
@pytest.mark.parametrize("kind", FORMATS)
def test_an_exception_shows_its_kind_and_place_only(kind: str, act: Callable[[], object]) -> None:
    error = caught(act)
    assert VALUE in str(error)
    line = PortalFormatter(kind).format(record("Task raised %s: %r", str(error), error, error=error))
    assert VALUE not in line
    assert type(error).__name__ in line
    assert f"in {act.__name__}" in line
    if kind == "json":
        told = json.loads(line)
        assert "\n" not in line
        assert told["exception"][0] == type(error).__name__
        assert len(told["exception"]) == 1 + bool(error.__cause__)


def test_what_is_bound_or_extra_and_not_known_is_left_out() -> None:
    one = record("Hello")
    one.password = "hunter2"  # as extra={"password": ...} does
    with bound_contextvars(request_id="r1", directory="CRM", operation_id=7, run_id=3, password="hunter2"):
        told = json.loads(PortalFormatter("json").format(one))
        text = PortalFormatter("text").format(one)
    assert list(told) == ["time", "level", "logger", "event", "request_id", "run_id", "operation_id", "directory"]
    assert told["time"].endswith("+00:00")
    assert (told["level"], told["logger"], told["operation_id"]) == ("info", "gunicorn.access", "7")
    assert text.endswith("INFO gunicorn.access: Hello [request_id=r1 run_id=3 operation_id=7 directory=CRM]")


@pytest.mark.heavy
def test_a_long_line_takes_no_long_time() -> None:
    """The patterns look at each letter a few times only; a square of them would take minutes."""
    for letters in ("a", "(", "-", "password", "://", "'", "?code="):
        masked.mask(letters * (200_000 // len(letters)))


class Broken:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("The database is away.")


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("Refused: %s %s", (LINK,), "Refused: %s %s ('/welcome/MQ/…/',)"),
        ("Refused", (LINK, 1), "Refused ('/welcome/MQ/…/', 1)"),
        ("Refused: %d", (LINK,), "Refused: %d ('/welcome/MQ/…/',)"),
        ("Refused: %s", (Broken,), "The log call in line 1 of x.py cannot be shown."),
    ],
)
def test_a_malformed_log_call_is_no_error_of_its_caller(
    message: str, args: tuple[object, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PortalFormatter("text"))
    args = tuple(Broken() if value is Broken else value for value in args)
    handler.handle(logging.LogRecord("rollcall", logging.INFO, "x.py", 1, message, args, None))
    assert capsys.readouterr().err.partition(" INFO rollcall: ")[2] == f"{expected}\n"


def test_the_web_program_logs_no_link(portal: Portal) -> None:
    portal.environment |= {"PORT": str(portal.port), "ACCESS_LOG": "true", "WEB_CONCURRENCY": "1"}
    portal.program("web")
    wait_until(portal._answers, words="the web server")
    with pytest.raises(urllib.error.HTTPError):  # no CSRF token, which Django logs too
        urllib.request.urlopen(f"{portal.url}{LINK}", data=b"x=1", timeout=10)
    wait_until(lambda: "POST /welcome/MQ/" in portal.logs(), words="the line in the log")
    assert "Forbidden" in portal.logs()
    assert "0123456789abcdef" not in portal.logs()

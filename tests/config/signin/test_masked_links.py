"""No log holds a one-time link: whoever reads the log could choose the password of somebody else."""

import logging
import urllib.request

import pytest

from config.signin.masked import WithoutLinks
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

LINK = "/welcome/MQ/d0x1-0123456789abcdef0123456789abcdef/"


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
    ],
)
def test_a_link_is_masked(message: str, args: tuple[object, ...], expected: str) -> None:
    message = message if args else message.replace("%%", "%")
    record = logging.LogRecord("gunicorn.access", logging.INFO, "", 1, message, args, None)
    assert WithoutLinks().filter(record)
    assert record.getMessage() == expected


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
    handler.addFilter(WithoutLinks())
    args = tuple(Broken() if value is Broken else value for value in args)
    handler.handle(logging.LogRecord("rollcall", logging.INFO, "x.py", 1, message, args, None))
    assert capsys.readouterr().err == f"{expected}\n"


def test_the_web_program_logs_no_link(portal: Portal) -> None:
    portal.environment |= {"PORT": str(portal.port), "ACCESS_LOG": "true", "WEB_CONCURRENCY": "1"}
    portal.program("web")
    wait_until(portal._answers, words="the web server")
    with pytest.raises(urllib.error.HTTPError):  # no CSRF token, which Django logs too
        urllib.request.urlopen(f"{portal.url}{LINK}", data=b"x=1", timeout=10)
    wait_until(lambda: "POST /welcome/MQ/" in portal.logs(), words="the line in the log")
    assert "Forbidden" in portal.logs()
    assert "0123456789abcdef" not in portal.logs()

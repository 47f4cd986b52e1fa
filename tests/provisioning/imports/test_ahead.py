"""Reading ahead: at most one page, closed where it was read, and an error comes in its turn."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from provisioning.imports.ahead import ahead
from provisioning.imports.runs import Cancelled


class Pages:
    """Numbers 0 to 4, with what was read, by which threads, and whether it was closed; ``fails_at`` one of them."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at = fails_at
        self.read: list[int] = []
        self.threads: set[int] = set()
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(5):
                self.threads.add(threading.get_ident())
                if number == self.fails_at:
                    raise ConnectionError(number)
                self.read.append(number)
                yield number
        finally:
            self.threads.add(threading.get_ident())
            self.closed = True


@pytest.mark.parametrize("wanted", [True, False])
def test_every_page_comes_prepared_and_in_order(wanted: bool) -> None:
    pages = Pages()
    with ahead(iter(pages), str, wanted=wanted) as coming:
        assert list(coming) == ["0", "1", "2", "3", "4"]
    assert pages.closed
    assert (threading.get_ident() in pages.threads) is not wanted
    assert len(pages.threads) == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_whoever_stops_early_leaves_nothing_open(wanted: bool) -> None:
    pages = Pages()
    with ahead(iter(pages), str, wanted=wanted) as coming:
        next(coming)
    assert pages.closed
    assert pages.read in ([0], [0, 1])
    assert len(pages.threads) == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_pages_before_an_error_are_given_first(wanted: bool) -> None:
    with ahead(iter(Pages(fails_at=2)), str, wanted=wanted) as coming:
        assert (next(coming), next(coming)) == ("0", "1")
        with pytest.raises(ConnectionError):
            next(coming)


def test_nobody_waits_for_a_page_once_the_import_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory may take a minute for it; what it is read from is closed by who reads it, and not before."""
    monkeypatch.setattr("provisioning.imports.ahead.ASK", 0.01)
    goes_on, closed, seen = threading.Event(), threading.Event(), list[str]()

    def slow() -> Iterator[int]:
        try:
            yield 0
            goes_on.wait(60)
            yield 1
        finally:
            seen.append("pages")

    def cancelled() -> None:
        raise Cancelled

    def close() -> None:
        seen.append("directory")
        closed.set()

    with ExitStack() as source:
        source.callback(close)
        reading = ahead(slow(), str, wanted=True, go_on=cancelled, source=source)
        with pytest.raises(Cancelled), reading as coming:
            list(coming)
    assert seen == []
    goes_on.set()
    assert closed.wait(60)
    assert seen == ["pages", "directory"]


def test_nothing_is_read_before_the_first_page_is_asked_for_unless_wanted() -> None:
    pages = Pages()
    with ahead(iter(pages), str, wanted=False):
        assert not pages.read

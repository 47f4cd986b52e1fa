"""Reading ahead: while the portal plans one page, the next one is read and made ready in a thread."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import TypeVar

from provisioning.imports.runs import Cancelled, LeaseLost

ASK = 1.0  # seconds between two questions whether a page is still waited for
Read = TypeVar("Read")
Ready = TypeVar("Ready")


@contextmanager
def ahead(
    pages: Iterable[Read],
    prepare: Callable[[Read], Ready],
    *,
    wanted: bool,
    go_on: Callable[[], None] = lambda: None,
    source: ExitStack | None = None,
) -> Iterator[Iterator[Ready]]:
    """Give the pages as ``prepare`` makes them; when it is ``wanted``, one page is read before it is asked for.

    A generator is closed at the end, by the thread that ran it. An error of a page is raised where it is asked for.
    While a page is waited for, ``go_on`` is asked every second and may raise Cancelled or LeaseLost. Nobody waits then
    for the page that is being read: its thread ends by itself and closes what it read from, ``source`` included.
    """
    iterator = iter(pages)

    def following() -> Ready | None:
        page = next(iterator, None)
        return None if page is None else prepare(page)

    def close() -> None:
        if isinstance(iterator, Generator):
            iterator.close()

    def one_by_one() -> Iterator[Ready]:
        while (page := following()) is not None:
            yield page

    def one_ahead(pool: ThreadPoolExecutor) -> Iterator[Ready]:
        coming = pool.submit(copy_context().run, following)
        while (page := awaited(coming)) is not None:
            coming = pool.submit(copy_context().run, following)
            yield page

    def awaited(coming: "Future[Ready | None]") -> Ready | None:
        while not wait([coming], timeout=ASK).done:
            go_on()
        return coming.result()

    if not wanted:
        try:
            yield one_by_one()
        finally:
            close()
        return
    pool, left = ThreadPoolExecutor(1, "ahead"), False
    try:
        yield one_ahead(pool)
    except (Cancelled, LeaseLost):
        left = True
        raise
    finally:
        closed = pool.submit(close)
        if left and source is not None:
            pool.submit(source.pop_all().close)
        pool.shutdown(wait=not left)
        if not left:
            closed.result()

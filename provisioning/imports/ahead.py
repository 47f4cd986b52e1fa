"""Reading ahead: while the portal plans one page, the next one is read and made ready in a thread."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Read = TypeVar("Read")
Ready = TypeVar("Ready")


@contextmanager
def ahead(pages: Iterable[Read], prepare: Callable[[Read], Ready], *, wanted: bool) -> Iterator[Iterator[Ready]]:
    """Give the pages as ``prepare`` makes them; when it is ``wanted``, one page is read before it is asked for.

    A generator is closed at the end, by the thread that ran it. An error of a page is raised where it is asked for.
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
        coming = pool.submit(following)
        while (page := coming.result()) is not None:
            coming = pool.submit(following)
            yield page

    if not wanted:
        try:
            yield one_by_one()
        finally:
            close()
        return
    with ThreadPoolExecutor(1, "ahead") as pool:
        try:
            yield one_ahead(pool)
        finally:
            pool.submit(close).result()

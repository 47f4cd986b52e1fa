"""The doubles of products on a real port: one server for a run, in which each product is below its own name."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from directories.connectors.scim import rate
from directories.connectors.scim.presets import load

if TYPE_CHECKING:  # most tests need no double, and its server takes half a second to import
    from tests.doubles.scim.product import Product

TOKEN = "token-of-the-double"


class Clock:
    """A clock that moves when somebody sleeps, so that nobody waits for a limit."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        with self._lock:
            self.now += seconds


class Doubles:
    """The products that were asked for, by name, and where they are."""

    def __init__(self) -> None:
        self.clock = Clock()
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, type: str, message: str, *args: Any) -> None:
                """Say nothing."""

        self.products: dict[str, Product] = {}
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self._one_at_a_time = threading.RLock()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def product(self, name: str) -> "Product":
        """Return a product by its preset's name."""
        from tests.doubles.scim.product import Product

        if name not in self.products:
            self.products[name] = Product(load(name), self.clock)
        return self.products[name]

    def stop(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def url(self, name: str) -> str:
        """Return a product's base address."""
        return f"{self.root}/{name}"

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        from werkzeug.wrappers import Request, Response

        request = Request(environ)
        name, _, rest = request.path.strip("/").partition("/")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Response(status=401)(environ, start)
        with self._one_at_a_time:
            response = self.product(name).answer(request, f"/{rest}")
        return response(environ, start)


@pytest.fixture(scope="session")
def _doubles() -> Iterator[Doubles]:
    doubles = Doubles()
    yield doubles
    doubles.stop()


@pytest.fixture
def doubles(_doubles: Doubles, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doubles]:
    """Products with nobody in them. A request that its preset forbids fails the test at its end."""
    for product in _doubles.products.values():
        product.reset()
    monkeypatch.setattr(rate, "sleep", _doubles.clock.sleep)
    monkeypatch.setattr(rate, "_stores", [rate.MemoryRates(_doubles.clock)])
    yield _doubles
    broken = {name: product.violations for name, product in _doubles.products.items() if product.violations}
    assert not broken, "a request was sent that the preset forbids"

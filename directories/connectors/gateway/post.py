"""The way from the connector to the machines of a gateway. The portal says what it is when it starts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from directories.connectors.errors import ConnectorError
from directories.connectors.gateway.calls import Call
from directories.connectors.gateway.description import Description

OUTSIDE = "Gateways are asked by the portal alone."


class Addressee(NamedTuple):
    """A directory of a gateway: the gateway's name, and that of the directory in the gateway's file."""

    gateway: str
    name: str


class Post(Protocol):
    """Carries calls to whichever machine of a gateway takes them, and their answers back."""

    def gateways(self) -> Sequence[str]:
        """Return the names of the gateways there are."""

    def directories(self, gateway: str) -> Sequence[str]:
        """Return the names of the directories that the machines of a gateway have."""

    def description(self, addressee: Addressee) -> Description | None:
        """Return what a gateway said of its directory last, None when it never spoke of it."""

    def ask(self, addressee: Addressee, call: Call, patience: float) -> Any:
        """Return the one item of the answer, as JSON; raise ConnectorError, Unavailable when the outcome is unknown."""

    def stream(self, addressee: Addressee, call: Call, patience: float) -> Iterator[Any]:
        """Give the items of the answer, as JSON, in order; closing the generator ends the work over there."""


_posts: list[Post] = []


def carry_by(post: Post) -> None:
    """Carry calls in this way."""
    _posts[:] = [post]


def opened() -> Post:
    """Return the way to gateways; raise ConnectorError outside the portal."""
    if not _posts:
        raise ConnectorError(OUTSIDE, code="settings")
    return _posts[0]

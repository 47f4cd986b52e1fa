"""Redis as kombu speaks to it, but for an outage that ended the worker.

When Redis goes away while kombu closes a connection, the connection is closed a second time although its channels do
not know their address any more. They fail with AttributeError then, which Celery takes for a fault of the program
and ends the worker. As an error of the connection it makes Celery connect again.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisChannel(redis.Channel):
    """A channel that knows when its connection is closed."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Return how to connect; raise Redis's ConnectionError once the connection is closed."""
        if self.connection.client is None:
            raise RedisConnectionError("This connection to Redis is closed.")
        params: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return params


class RedisTransport(redis.Transport):
    """kombu's Redis transport with that channel."""

    Channel = RedisChannel

"""The portal's own transports in the place of kombu's, for every process that sends or takes messages."""

from kombu.transport import TRANSPORT_ALIASES

OURS = {
    "redis": "config.broker.redis:RedisTransport",
    "rediss": "config.broker.redis:RedisTransport",
    "filesystem": "config.broker.files:FileTransport",
}


def install() -> None:
    """Let addresses of these kinds lead to the portal's transports; before the first connection is made."""
    TRANSPORT_ALIASES.update(OURS)

"""The portal's own transports in the place of kombu's, for every process that sends or takes messages."""

from kombu.transport import TRANSPORT_ALIASES

OURS = {
    "redis": "config.broker.redis:Transport",
    "rediss": "config.broker.redis:Transport",
    "filesystem": "config.broker.files:Transport",
}


def install() -> None:
    """Let addresses of these kinds lead to the portal's transports; before the first connection is made."""
    TRANSPORT_ALIASES.update(OURS)

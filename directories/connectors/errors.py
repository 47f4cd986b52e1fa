"""How a connector says that something could not be done. Part of the protocol: import it from ``base``."""

AGAIN = "The portal tries again by itself."  # what messages of ``Unavailable`` may end with


def without_again(message: str) -> str:
    """Return a message for where nobody tries again, or where it is said when."""
    return message.replace(AGAIN, "").rstrip()


class ConnectorError(Exception):
    """Someone must correct data or settings; the same call would fail again.

    ``message`` says in a helpdesk's words what is wrong and what to do next; it never holds a secret, a value of a
    statement or a driver's exception text. ``code`` is a stable name of the cause, so that operations parked for one
    cause can be retried together.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Unavailable(ConnectorError):
    """The directory cannot be reached now (time-out, lock, 429, 5xx); the same call may succeed later.

    ``retry_after`` is in seconds, None when the directory did not say. ``whole_directory`` is False when only this
    account is affected (a row lock, a deadlock), so that other accounts are not held up.
    """

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: float | None = None, whole_directory: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_directory = whole_directory


class NotFound(ConnectorError):
    """The account that was to be changed is not in the directory."""

    code = "not_found"


class CursorLost(ConnectorError):
    """What changed since the cursor was taken cannot be told any more; only a whole import will do."""

    code = "cursor"


class Conflict(ConnectorError):
    """Another account of the directory already holds a value that must be unique."""

    code = "conflict"

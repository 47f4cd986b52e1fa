"""Ids travel with a message to the worker that takes it. Connected by ``config.celery``."""

from collections.abc import Mapping
from contextvars import Token
from typing import Any

from celery import signals
from structlog.contextvars import bind_contextvars, reset_contextvars

from config.logs.formatter import bound

HEADER = "rollcall_ids"
HANDED_ON = ("request_id", "run_id")
_tokens: dict[str, Mapping[str, Token[Any]]] = {}


@signals.before_task_publish.connect
def hand_on(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Put what is bound where the message is sent into its headers."""
    ids = {name: value for name, value in bound().items() if name in HANDED_ON}
    if headers is not None and ids:
        headers[HEADER] = ids


@signals.task_prerun.connect
def bind(task_id: str, task: Any, **_: Any) -> None:
    """Bind what came with the message while its task runs."""
    came = getattr(task.request, HEADER, None) or {}
    ids = {name: str(came[name]) for name in HANDED_ON if name in came}
    _tokens[task_id] = bind_contextvars(task=task.name, task_id=task_id, **ids)


@signals.task_postrun.connect
def unbind(task_id: str, **_: Any) -> None:
    """Let the thread go on as it was before."""
    reset_contextvars(**_tokens.pop(task_id, {}))

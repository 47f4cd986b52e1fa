"""What beat runs for SCIM."""

from celery import shared_task

from scim.log import record as live_log
from scim.users import leavers


@shared_task
def delete_leavers() -> None:
    """Delete the users whose recycle period is over."""
    leavers.delete_due()


@shared_task
def prune_log() -> None:
    """Forget old requests of the live log."""
    live_log.prune()

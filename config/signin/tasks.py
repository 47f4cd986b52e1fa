"""What beat runs for the sign-in."""

from celery import shared_task

from config.signin import counting


@shared_task
def prune() -> None:
    """Forget old tries."""
    counting.prune()

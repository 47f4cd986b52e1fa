"""What beat runs for the portal as a whole."""

from celery import shared_task

from config import link_mails
from reports import retention


@shared_task
def send_link_mails() -> None:
    """Send invitations, and links to those who forgot their password."""
    link_mails.send_due()


@shared_task
def purge_report() -> None:
    """Forget lines of the report that are older than they are kept."""
    retention.purge()

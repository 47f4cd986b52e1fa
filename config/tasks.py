"""What beat runs for the portal as a whole."""

from celery import shared_task

from config import link_mails


@shared_task
def send_link_mails() -> None:
    """Send invitations, and links to those who forgot their password."""
    link_mails.send_due()

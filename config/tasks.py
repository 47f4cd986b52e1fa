"""What beat runs for the portal as a whole."""

from celery import shared_task

from config import link_mails
from config.overviews import mails
from provisioning import services
from reports import hours, retention


@shared_task
def send_link_mails() -> None:
    """Send invitations, and links to those who forgot their password."""
    link_mails.send_due()


@shared_task
def purge_report() -> None:
    """Forget lines of the report that are older than they are kept."""
    retention.purge()


@shared_task
def count_report_lines() -> None:
    """Count the lines of the report that are new, by hour."""
    hours.count()


@shared_task
def send_reports() -> None:
    """Mail the reports that are due."""
    mails.send_due()


@shared_task
def tidy_grants() -> None:
    """Put away the roles that have ended, with a line for each; they gave nothing since their moment."""
    services.tidy_grants()

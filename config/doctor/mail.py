"""The mail server, where one is named."""

import smtplib
from collections.abc import Iterator

from django.conf import settings
from django.core import mail

from config.doctor.mistakes import Mistake, red, yellow

DEFAULT_SENDER = "rollcall@localhost"


def mail_server() -> Iterator[Mistake]:
    """The server answers and lets the portal in; a password does not travel in the clear."""
    if not settings.EMAIL_HOST:
        return
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        yield red("EMAIL_USE_TLS and EMAIL_USE_SSL are both on.", "Leave one on: SSL for port 465, TLS for others.")
        return
    encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_HOST_PASSWORD and not encrypted:
        yield red("The password of the mail server travels in the clear.", "Set EMAIL_USE_TLS or EMAIL_USE_SSL.")
    if settings.DEFAULT_FROM_EMAIL == DEFAULT_SENDER:
        yield yellow(
            f"Mails are from {DEFAULT_SENDER}, which many servers refuse.",
            "Set DEFAULT_FROM_EMAIL to an address of yours.",
        )
    connection = mail.get_connection()
    try:
        connection.open()
    except smtplib.SMTPAuthenticationError:
        yield red(f"The mail server {where} refuses the sign-in.", "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD.")
    except (OSError, smtplib.SMTPException):
        yield red(
            f"The mail server {where} does not answer as it should.",
            "Correct EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS or EMAIL_USE_SSL, or let the firewall pass it.",
        )
    finally:
        connection.close()

"""Tokens with which sources push: made and withdrawn, each with a line in the report and in the evidence."""

import datetime as dt

from django.db import transaction
from django.utils import timezone

from directories import deliveries
from directories.models import Directory, PushToken
from provisioning import directory_settings


@transaction.atomic
def make(directory: Directory, label: str, days: int | None, actor: str) -> str:
    """Make a token that works for so many days, None for ever; return it in clear, as nobody can any more."""
    ends = timezone.now() + dt.timedelta(days=days) if days else None
    secret = deliveries.issue_token(directory, label, ends)
    until = f" It ends on {timezone.localtime(ends):%Y-%m-%d}." if ends else ""
    directory_settings.record(
        directory, f"{actor} made a token to push to {directory.name}{_called(label)}.{until}", actor
    )
    return secret


@transaction.atomic
def withdraw(directory: Directory, number: int, actor: str) -> PushToken | None:
    """Let nobody push with a token any more; None where there is no such token that could."""
    token = deliveries.withdraw_token(directory, number)
    if token is not None:
        words = f"{actor} withdrew a token to push to {directory.name}{_called(token.label)}."
        directory_settings.record(directory, words, actor)
    return token


def ended(token: PushToken) -> str:
    """Say why a token does not work any more, "" while it does."""
    if token.withdrawn_at is not None:
        return f"withdrawn {timezone.localtime(token.withdrawn_at):%Y-%m-%d}"
    if token.expires_at is not None and token.expires_at <= timezone.now():
        return f"ended {timezone.localtime(token.expires_at):%Y-%m-%d}"
    return ""


def _called(label: str) -> str:
    return f" ({label})" if label else ""

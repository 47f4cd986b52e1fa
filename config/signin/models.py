"""The tries that were counted lately, in the database that all processes of the portal share."""

from django.db import models
from django.utils import timezone


class Tries(models.Model):
    """What is known of the tries that one rule of ``config.signin.limits`` is about.

    ``key`` is a hash of whom they are about. ``until`` is when the last pause ends or ended, ``pauses`` how many there
    were. ``right_at`` is when one succeeded; ``event_id`` the report's line about the wrong ones of this window.
    """

    key = models.CharField(max_length=64, primary_key=True)
    since = models.DateTimeField(default=timezone.now)
    number = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True, blank=True)
    pauses = models.PositiveIntegerField(default=0)
    right_at = models.DateTimeField(null=True, blank=True)
    event_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "tries"

    def __str__(self) -> str:
        return f"{self.number} tries since {self.since:%Y-%m-%d %H:%M}"

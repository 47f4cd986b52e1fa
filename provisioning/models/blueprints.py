"""Blueprints that were applied, with what was there before."""

from django.db import models
from django.utils import timezone

from directories.encryption import EncryptedJSONField


class AppliedBlueprint(models.Model):
    """One blueprint that changed something: what each of its items was before, and what it is since.

    ``items`` are encrypted, for they hold secrets: a list of section, name, before (None: it is new) and after.
    ``undoes`` is the one that it took back.
    """

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=255)
    differences = models.PositiveIntegerField(default=0)
    items = EncryptedJSONField()
    undoes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Blueprint {self.pk} of {self.at:%Y-%m-%d %H:%M}"

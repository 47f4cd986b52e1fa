"""How far the database has come, and the directories that are kept back."""

import uuid

from django.db import models
from django.utils import timezone

from directories.models import Directory


class Continuity(models.Model):
    """The one row that tells this database from another, and from an older copy of itself.

    ``beats`` grows with every mark that is written outside. Marks from before ``judged_at`` count no more: what they
    say against the database was said, or a person has had every directory kept back since.
    """

    ONE = 1

    identity = models.UUIDField(default=uuid.uuid4)
    beats = models.BigIntegerField(default=0)
    judged_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.identity} at {self.beats}"


class HeldDirectory(models.Model):
    """A directory that nothing is sent to, and no import applied from, until a person lets it go.

    ``outlook`` is what letting it go would change (see ``provisioning.outbound.outlook``), as of ``looked_at``; with
    ``was_read`` the directory itself was read for it. ``asked_at`` is set while a worker is to look, and ``failure``
    says why the last look did not end. A person who does not let it go may say why.
    """

    directory = models.OneToOneField(Directory, models.CASCADE, related_name="held")
    since = models.DateTimeField(default=timezone.now)
    why = models.TextField()
    asked_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    was_read = models.BooleanField(default=False)
    outlook = models.JSONField(default=dict, blank=True)
    failure = models.TextField(blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)
    refused_by = models.CharField(max_length=255, blank=True)
    refused_why = models.TextField(blank=True)

    class Meta:
        verbose_name = "directory kept back"
        verbose_name_plural = "look first"

    def __str__(self) -> str:
        return str(self.directory)

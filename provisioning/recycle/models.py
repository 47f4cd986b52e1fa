"""What deleted users were."""

from django.db import models
from django.utils import timezone

from provisioning.models.people import FoldedField


class DeletedUser(models.Model):
    """A deleted user: what they were, and what became of that.

    ``user_id`` is the id that they had, and get back. ``image`` holds their fields, memberships, reports and what other
    parts of the portal kept of them (see ``images``). All ids are plain numbers: what they name may be gone. Once
    ``restored_at`` is set the row is history. ``merged_into`` is the user who has what was theirs, since the run
    ``merged_run``; whoever is restored is split from that one again.
    """

    user_id = models.BigIntegerField(db_index=True)
    username = models.CharField("user name", max_length=255)
    username_key = FoldedField(source="username", db_index=True)
    full_name = models.CharField("name", max_length=310, blank=True)
    department = models.CharField(max_length=150, blank=True)
    image = models.JSONField()
    deleted_at = models.DateTimeField(default=timezone.now)
    deleted_by = models.CharField(max_length=255, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    restored_by = models.CharField(max_length=255, blank=True)
    merged_into = models.BigIntegerField(null=True, blank=True)
    merged_run = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = "deleted user"
        verbose_name_plural = "recycle bin"  # what the pages about them are called
        ordering = ["-deleted_at", "-pk"]
        indexes = [
            models.Index(fields=["-deleted_at", "-id"], name="deleted_newest", condition=models.Q(restored_at=None)),
            models.Index(fields=["deleted_at"], name="deleted_oldest"),
            models.Index(fields=["id"], name="deleted_merged", condition=models.Q(merged_into__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} ({self.username})" if self.full_name != self.username else self.username

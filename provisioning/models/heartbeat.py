"""When the background worker was last seen alive."""

from django.db import models


class Heartbeat(models.Model):
    """One row a program; ``provisioning.heartbeat`` writes and reads it."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"

"""When the background programs were last seen alive."""

from django.db import models


class Heartbeat(models.Model):
    """One row a program; ``provisioning.heartbeat`` writes and reads it. ``message``: what keeps it from its work."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()
    message = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"

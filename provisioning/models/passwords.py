"""Passwords on their way to directories."""

from django.db import models

from directories.encryption import EncryptedJSONField
from provisioning.models.accounts import Account


class PendingPassword(models.Model):
    """A password that an account is to get: encrypted, and kept only until it is delivered or ``expires_at``.

    Only ``provisioning.outbound.passwords.pending`` writes it. A newer password of the account replaces it, with a new
    ``version``, so that whoever delivered the older one does not delete the newer. ``refused`` is why the directory did
    not take it: it is not offered again before somebody asks for that.
    """

    account = models.OneToOneField(Account, models.CASCADE, related_name="pending_password")
    secret = EncryptedJSONField()
    version = models.UUIDField()
    refused = models.TextField(blank=True)
    actor = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Password for account {self.account_id}"

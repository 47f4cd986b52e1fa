"""Tokens of the REST API, of which only digests are kept, and answers to requests that may come twice."""

from django.contrib.auth.models import Group as Role
from django.db import models
from django.utils import timezone

from provisioning.models import User


class ApiToken(models.Model):
    """A token for the REST API: a personal one of its ``owner``, or one of a service, with the rights of a ``role``.

    ``scopes`` says by family of resources whether it may "read" or also "write" there; what its owner or its role may
    not do, it may not do either. Only the digest of its secret is kept. ``maker`` answers for the token of a service,
    which may no more than they may: nobody's rights are used when they have left. ``created_by`` is the
    user name that they had then.
    """

    name = models.CharField(max_length=60)
    owner = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="api_tokens")
    role = models.ForeignKey(Role, models.CASCADE, null=True, blank=True, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=dict)
    maker = models.ForeignKey(User, models.DO_NOTHING, null=True, blank=True, related_name="+", db_constraint=False)
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=255, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["-pk"]
        default_permissions = ("view", "add", "delete")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(owner__isnull=True, role__isnull=False)
                | models.Q(owner__isnull=False, role__isnull=True),
                name="api_token_of_person_or_role",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RepeatAnswer(models.Model):
    """The answer to a request with an Idempotency-Key, for a day: the same request gets it again and does nothing.

    ``key`` is the digest of who asked and of the key, ``request`` that of what was asked. ``status`` is null in the
    transaction that does it.
    """

    key = models.CharField(max_length=64, unique=True)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key[:12]

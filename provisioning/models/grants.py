"""Who has which role of the portal: from where, why and until when."""

from django.contrib.auth.models import Group as Role
from django.db import models
from django.db.models import Q
from django.utils import timezone


class GrantQuerySet(models.QuerySet["Grant"]):
    """Grants, and those of them that hold now."""

    def current(self) -> "GrantQuerySet":
        """Return those that have not ended: whoever asks for rights asks for these."""
        return self.filter(Q(until=None) | Q(until__gt=timezone.now()))

    def everywhere(self) -> "GrantQuerySet":
        """Return those that are not limited to some people."""
        return self.filter(within__isnull=True)


class Grant(models.Model):
    """One role of one user, from one ``source``: the short name of an identity provider, "" where a person gave it.

    ``within`` limits it to some people: ``{"departments": [ids], "groups": [ids], "directories": [ids]}``, None is
    everybody. What does not exist any more matches nobody. See ``provisioning.reach``.

    It ends by itself at ``until``: nothing has to run for that. What was given before version 2026.12 has no
    ``given_at``.
    """

    user = models.ForeignKey("provisioning.User", models.CASCADE, related_name="grants")
    role = models.ForeignKey(Role, models.CASCADE, db_column="group_id", related_name="grants")
    source = models.CharField(max_length=40, blank=True, default="", db_default="")
    given_by = models.CharField("from whom", max_length=255, blank=True, default="", db_default="")
    given_at = models.DateTimeField("given", null=True, default=timezone.now)
    reason = models.CharField("why", max_length=255, blank=True, default="", db_default="")
    until = models.DateTimeField("until", null=True, blank=True)
    within = models.JSONField("for whom", null=True, blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        db_table = "provisioning_user_groups"
        default_permissions = ()  # whoever may see roles sees who has them, and superusers give them
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["user", "role", "source"], name="grant_once_a_source")]
        indexes = [models.Index(fields=["until"], condition=Q(until__isnull=False), name="grant_until")]

    def __str__(self) -> str:
        end = f" until {timezone.localtime(self.until):%Y-%m-%d %H:%M}" if self.until else ""
        limit = " for some people" if self.within is not None else ""
        return f"{self.role}{limit}{end}{f' from {self.source}' if self.source else ''}"

    @property
    def ended(self) -> bool:
        """Whether it gives nothing any more."""
        return self.until is not None and self.until <= timezone.now()

"""Identity providers, and what their groups give in the portal."""

from django.conf import settings
from django.contrib.auth.models import Group as Role
from django.core.validators import RegexValidator
from django.db import models

from directories.encryption import EncryptedJSONField


class MatchBy(models.TextChoices):
    """By what a person of the roll is found."""

    EMAIL = "email", "E-mail address, where the provider says that it is verified"
    USERNAME = "username", "User name"
    NUMBER = "employee_number", "Employee number"


CLAIMS = {MatchBy.EMAIL: "email", MatchBy.USERNAME: "preferred_username", MatchBy.NUMBER: "employee_number"}
"""The claims that hold these where the provider's settings name none."""


class IdentityProvider(models.Model):
    """One identity provider. ``slug`` stands in the address that it sends people back to, so it stays."""

    name = models.CharField(max_length=60, unique=True, help_text="On the button of the sign-in page.")
    slug = models.CharField(
        "short name",
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*\Z", "Use a-z, 0-9 and -.")],
        help_text="In the address that the provider sends people back to. It cannot be changed later.",
    )
    enabled = models.BooleanField("On", default=True)
    issuer = models.URLField(
        max_length=500, help_text="As the provider names itself, for example https://login.example.com/realms/staff."
    )
    client_id = models.CharField("client id", max_length=255)
    secret = EncryptedJSONField(null=True, blank=True)
    authority = models.TextField(
        "certificate authority",
        blank=True,
        help_text="In PEM form, for a provider whose certificate no public authority signed.",
    )
    scopes = models.CharField(max_length=255, default="openid profile email", help_text="Separated by spaces.")
    match_by = models.CharField("find people by", max_length=16, choices=MatchBy.choices, default=MatchBy.EMAIL)
    claim = models.CharField(
        max_length=100, blank=True, help_text="The claim that holds it, where it is not the usual one."
    )
    superusers = models.BooleanField(
        "superusers may sign in through it",
        default=False,
        help_text="Whoever administers the provider could then sign in as one of them.",
    )
    groups_claim = models.CharField(max_length=100, default="groups", help_text="The claim that lists groups.")

    class Meta:
        verbose_name = "identity provider"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def matching_claim(self) -> str:
        """The claim by which people are found."""
        return self.claim or CLAIMS[MatchBy(self.match_by)]


class RoleMapping(models.Model):
    """Whoever is in a group of the provider has a role in the portal, as of their next sign-in through it."""

    provider = models.ForeignKey(IdentityProvider, models.CASCADE, related_name="mappings")
    group = models.CharField(max_length=255, help_text="As the claim says it; capitals matter.")
    role = models.ForeignKey(Role, models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["provider", "group", "role"], name="sso_mapping_once")]

    def __str__(self) -> str:
        return f"{self.group}: {self.role}"


class Given(models.Model):
    """That a provider's groups made somebody staff, and take that back; the roles that they gave are ``Grant``s."""

    provider = models.ForeignKey(IdentityProvider, models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["provider", "user"], name="sso_given_staff_once")]

    def __str__(self) -> str:
        return f"staff for {self.user_id}"

"""SCIM clients: the applications that push people and groups, what they may do, and what they know."""

import re

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from directories.encryption import EncryptedJSONField
from directories.models import AttributeMapping, MappingDirection
from provisioning.models import Group, User
from provisioning.models.people import FoldedField

SLUG = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?\Z")


class Provider(models.TextChoices):
    """Which product sits at the other end: its set-up steps and its dialect."""

    OTHER = "other", "Other"
    OKTA = "okta", "Okta"
    ENTRA = "entra", "Microsoft Entra ID"
    ONELOGIN = "onelogin", "OneLogin"
    JUMPCLOUD = "jumpcloud", "JumpCloud"
    GOOGLE = "google", "Google Workspace"
    KEYCLOAK = "keycloak", "Keycloak"
    AUTHENTIK = "authentik", "authentik"
    PING = "ping", "PingOne"
    SAILPOINT = "sailpoint", "SailPoint"


class Reach(models.TextChoices):
    """Whom an application sees and may touch; staff of the portal never belong to it."""

    ALL = "all", "Everybody on the roll"
    OWN = "own", "Only people and groups that it created or claimed"


class Match(models.TextChoices):
    """How a user that an application creates is recognised in the portal; without a match that exists is a conflict."""

    USERNAME = "username", "The same user name"
    EXTERNAL_ID = "external_id", "The same external id"
    EMAIL = "email", "The same e-mail address"
    NONE = "none", "Never: refuse people who are on the roll already"


class Client(models.Model):
    """An application that speaks SCIM to the portal.

    ``slug`` stands in its own base URL and is its client id and basic user name. The switches from ``read`` on say what
    it may do. With ``delete_deactivated``, people whom it deactivates or deletes are deleted from the portal
    ``recycle_days`` later; without, they are only deactivated.
    """

    name = models.CharField("application name", max_length=100)
    slug = models.CharField(max_length=50, unique=True, validators=[RegexValidator(SLUG)])
    provider = models.CharField(max_length=16, choices=Provider.choices, default=Provider.OTHER)
    enabled = models.BooleanField(default=True)
    allow_bearer = models.BooleanField("HTTP header (bearer token)", default=True)
    allow_basic = models.BooleanField("basic authentication", default=False)
    allow_oauth = models.BooleanField("OAuth 2 client credentials", default=False)
    reach = models.CharField("sees and touches", max_length=4, choices=Reach.choices, default=Reach.ALL)
    match = models.CharField("recognises people by", max_length=12, choices=Match.choices, default=Match.USERNAME)
    read = models.BooleanField("read people and groups", default=True)
    create_users = models.BooleanField(default=True)
    update_users = models.BooleanField(default=True)
    deactivate_users = models.BooleanField(default=True)
    delete_users = models.BooleanField(default=True)
    sync_groups = models.BooleanField("create, rename and delete groups", default=True)
    sync_members = models.BooleanField("change who is in groups", default=True)
    delete_deactivated = models.BooleanField("delete the deactivated users", default=False)
    recycle_days = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(3650)],
        help_text="How long a deactivated user can come back before the portal deletes them.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    base_url = ""  # not stored: the address by which the current request reached the service, for locations

    class Meta:
        verbose_name = "SCIM application"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="scim_client_name_unique")]

    def __str__(self) -> str:
        return self.name


class TokenKind(models.TextChoices):
    """What a secret of a client is for."""

    BEARER = "bearer", "Token"
    ACCESS = "access", "OAuth 2 access token"


class Token(models.Model):
    """A secret of a client: its bearer token, which is also its basic password and its OAuth 2 client secret.

    Requests are looked up by ``digest`` (``authentication.digest``, keyed), so that the table gives nothing away;
    ``secret`` is what is shown again to those with the right, None for access tokens, which are never shown.
    """

    client = models.ForeignKey(Client, models.CASCADE, related_name="tokens")
    kind = models.CharField(max_length=8, choices=TokenKind.choices, default=TokenKind.BEARER)
    label = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    secret = EncryptedJSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        permissions = [("show_token", "Can show token")]  # again and in clear; to see that it exists is view_token

    def __str__(self) -> str:
        return self.label or f"{self.get_kind_display()} of {self.client}"

    @property
    def valid(self) -> bool:
        """Whether the token opens the door now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class Resource(models.TextChoices):
    """What a mapping row is about."""

    USER = "user", "Users"
    GROUP = "group", "Groups"


class ClientMapping(models.Model):
    """A SCIM attribute of one client and the portal attribute that it stands for.

    ``scim_path`` is a path as in PATCH: ``name.givenName``, ``emails[type eq "work"].value`` or one that begins with
    the URN of an extension. ``in`` is application to portal. As with directories, an ``expression`` works one way.
    """

    client = models.ForeignKey(Client, models.CASCADE, related_name="mappings")
    resource = models.CharField(max_length=8, choices=Resource.choices, default=Resource.USER)
    scim_path = models.CharField("SCIM attribute", max_length=255)
    kind = models.CharField(max_length=16, choices=AttributeMapping.OF_PEOPLE, default="profile")
    portal_attribute = models.CharField(max_length=128, blank=True, help_text="Left blank, the attribute is not used.")
    direction = models.CharField(max_length=4, choices=MappingDirection.choices, default=MappingDirection.BOTH)
    expression = models.TextField(blank=True)
    required = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["client", "resource", "position", "pk"]

    def __str__(self) -> str:
        return f"{self.scim_path} ↔ {self.portal_attribute}"


class UserLink(models.Model):
    """One user as one client knows them.

    ``user_name`` is what the client calls the user where that differs from the portal's user name, be it in its case.
    ``kept`` holds what the client sent that no mapping leads to the portal, so that it reads back what it wrote.
    ``owned``: the client brought the user to the portal, and its renames rename the user in the portal.
    ``said_active``: the state that the client itself gave last, None before it gave any: only a change of that may
    switch somebody on. ``deleted_at``: the client deleted the user, who is gone for it; ``leaves_at``: the user is to
    be deleted from the portal then, unless they come back.
    """

    client = models.ForeignKey(Client, models.CASCADE, related_name="user_links", db_index=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="scim_links")
    external_id = models.CharField(max_length=255, blank=True)
    user_name = models.CharField(max_length=255, blank=True)
    user_name_key = FoldedField(source="user_name")
    kept = models.JSONField(default=dict, blank=True)
    owned = models.BooleanField(default=False)
    said_active = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    leaves_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client", "user"], name="scim_user_once"),
            models.UniqueConstraint(
                fields=["client", "user_name_key"], condition=~models.Q(user_name_key=""), name="scim_user_name_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["external_id", "client"], name="scim_user_external", condition=~models.Q(external_id="")
            ),
            models.Index(fields=["user_name_key"], name="scim_user_called", condition=~models.Q(user_name_key="")),
            *(
                models.Index(fields=["client", "user"], name=name, condition=models.Q(kept__has_key=attribute))
                for attribute, name in (("emails", "scim_user_emails"), ("phoneNumbers", "scim_user_phones"))
            ),
            models.Index(fields=["leaves_at"], name="scim_user_leaves", condition=models.Q(leaves_at__isnull=False)),
            models.Index(
                fields=["client", "user"], name="scim_user_gone", condition=models.Q(deleted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} of {self.client}"


class GroupLink(models.Model):
    """One group as one client knows it; ``owned``: the client created it.

    ``name`` is what the client calls the group where its mapping makes another name of that for the portal;
    ``stands_for`` is that other name, folded: when the portal's group is called otherwise by now, ``name`` is outdated.
    """

    client = models.ForeignKey(Client, models.CASCADE, related_name="group_links", db_index=False)
    group = models.ForeignKey(Group, models.CASCADE, related_name="scim_links")
    external_id = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    name_key = FoldedField(source="name")
    stands_for = models.CharField(max_length=255, blank=True)
    kept = models.JSONField(default=dict, blank=True)
    owned = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "group"], name="scim_group_once")]
        indexes = [
            models.Index(
                fields=["external_id", "client"], name="scim_group_external", condition=~models.Q(external_id="")
            ),
            models.Index(fields=["name_key", "client"], name="scim_group_name", condition=~models.Q(name_key="")),
        ]

    def __str__(self) -> str:
        return f"{self.group} of {self.client}"


class RequestLog(models.Model):
    """One request of a client for the live log: bodies are masked and cut, ``done`` says in words what came of it."""

    client = models.ForeignKey(Client, models.CASCADE, related_name="requests", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=2000)
    status = models.PositiveSmallIntegerField()
    milliseconds = models.PositiveIntegerField()
    request_body = models.TextField(blank=True)
    response_body = models.TextField(blank=True)
    done = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "SCIM request"
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["client", "-id"], name="scim_request_newest"),
            models.Index(fields=["at"], name="scim_request_at"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"

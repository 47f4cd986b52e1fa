"""The roll of people: users and the attributes that an admin defines for them."""

import secrets
import unicodedata
import uuid
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Upper
from django.utils import timezone

from directories.attributes import Type
from provisioning import usernames
from provisioning.models.grants import Grant


def fold(value: str) -> str:
    """Return the form in which names are compared: NFKC, case folded, no outer space."""
    if value.isascii():
        return value.strip().lower()
    return unicodedata.normalize("NFKC", value).strip().casefold()


def unusable_password() -> str:
    """Return what is kept for somebody who has no password: another text each time, as links that set one end by it."""
    return UNUSABLE_PASSWORD_PREFIX + secrets.token_hex(20)


class FoldedField(models.CharField[str, str]):
    """The folded copy of another text field, kept by every save and bulk_create, indexed for look-ups without case.

    ``bulk_update`` and ``update`` do not call ``pre_save``: set both fields there.
    """

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        self.source = source
        super().__init__(*args, **{"max_length": 255, "editable": False, "blank": True, **kwargs})

    def deconstruct(self) -> Any:
        """Give migrations the source too."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        """Fold the source."""
        value = self.derive(vars(model_instance))
        setattr(model_instance, self.attname, value)
        return value

    def derive(self, row: Mapping[str, Any]) -> str:
        """Return the folded source of a row of plain values."""
        return fold(row.get(self.source) or "")[: self.max_length]


class UserManager(BaseUserManager["User"]):
    """Finds users by name without regard to case."""

    use_in_migrations = True

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of that name, for sign-in."""
        return self.get(username_key=fold(username or ""))

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create and save a user; no password means that they cannot sign in."""
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create an administrator of the portal, who is not provisioned to directories unless told so."""
        return self.create_user(
            username, password, **{"is_staff": True, "is_superuser": True, "provisioned": False, **fields}
        )


class User(AbstractBaseUser, PermissionsMixin):
    """One person in the portal; ``AUTH_USER_MODEL``.

    ``username`` is unique without regard to case; only ``rename`` changes it. ``provisioned`` is whether the person is
    pushed to directories. ``custom_profile`` holds the values of the defined attributes, ``custom_attributes`` the
    free ones.
    """

    username = models.CharField("user name", max_length=usernames.MAX_LENGTH, validators=[usernames.validate])
    username_key = FoldedField(source="username", unique=True)
    email = models.EmailField("e-mail", blank=True)
    email_key = FoldedField(source="email", db_index=True)
    first_name = models.CharField(max_length=150, blank=True)
    first_name_key = FoldedField(source="first_name")
    last_name = models.CharField(max_length=150, blank=True)
    last_name_key = FoldedField(source="last_name", db_index=True)
    display_name = models.CharField(max_length=300, blank=True)
    phone = models.CharField(max_length=64, blank=True)
    mobile = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=150, blank=True)
    department = models.CharField(max_length=150, blank=True)
    division = models.CharField(max_length=150, blank=True)
    organization = models.CharField(max_length=150, blank=True)
    cost_center = models.CharField("cost centre", max_length=64, blank=True)
    employee_number = models.CharField(max_length=64, blank=True)
    employee_type = models.CharField(max_length=64, blank=True)
    manager = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="reports")
    street_address = models.CharField(max_length=255, blank=True)
    locality = models.CharField("city", max_length=150, blank=True)
    region = models.CharField(max_length=150, blank=True)
    postal_code = models.CharField(max_length=64, blank=True)
    country = models.CharField(max_length=64, blank=True)
    locale = models.CharField(max_length=16, blank=True, help_text="For example en-GB.")
    time_zone = models.CharField(max_length=64, blank=True, help_text="For example Europe/Berlin.")
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May sign in to this portal.")
    provisioned = models.BooleanField(
        "provision to directories", default=True, help_text="Off: directories treat this user as deactivated."
    )
    groups = models.ManyToManyField(  # type: ignore[assignment]
        Role, through=Grant, verbose_name="roles", blank=True, related_name="user_set", related_query_name="user"
    )
    custom_profile = models.JSONField(default=dict, blank=True)
    custom_attributes = models.JSONField(default=dict, blank=True)
    scim_id = models.UUIDField("SCIM id", default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    objects: ClassVar[UserManager] = UserManager()

    _stored_username: str | None = None
    stored_rights: tuple[bool | None, ...] | None = None  # ``rights`` as they were read, None for what was not
    decided = False  # not stored: what directories lose by this save, one person decided about this one user
    changed_by = ""  # not stored: who is saving, for the report lines that the signals of save() lead to

    class Meta:
        ordering = ["username_key"]
        permissions = [("set_password_user", "Can set passwords of users in directories")]
        constraints = [models.UniqueConstraint(fields=["username"], name="user_username_once")]
        indexes = [
            *(
                # For PostgreSQL's LIKE 'abc%' as well as for equality; db_index would make two indexes of each.
                models.Index(fields=[name], opclasses=["varchar_pattern_ops"], name=f"user_by_{name}")
                for name in ("first_name_key", "employee_number")
            ),
            models.Index(fields=["department", "username_key"], name="user_by_department"),
            models.Index(fields=["username_key"], name="user_inactive", condition=models.Q(is_active=False)),
            models.Index(fields=["username_key"], name="user_staff", condition=models.Q(is_staff=True)),
            # What SCIM asks for: pages in the order of entry, what changed since, and names as they are shown.
            models.Index(fields=["id"], name="user_not_staff", condition=models.Q(is_staff=False, is_superuser=False)),
            models.Index(
                fields=["id"], name="user_privileged", condition=models.Q(is_staff=True) | models.Q(is_superuser=True)
            ),
            models.Index(fields=["updated_at"], name="user_by_updated"),
            models.Index(Upper("display_name"), name="user_by_display_name"),
            models.Index(Upper("employee_number"), name="user_by_number_without_case"),
        ]

    def __str__(self) -> str:
        full = self.get_full_name()
        return self.username if full == self.username else f"{full} ({self.username})"

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> "User":
        """Remember the stored user name, which may not change, and the rights."""
        user = super().from_db(db, field_names, values)
        held = user.__dict__
        user._stored_username = held.get("username")
        user.stored_rights = (held.get("is_staff"), held.get("is_superuser"), held.get("is_active"))
        return user

    def clean(self) -> None:
        """Refuse a changed user name."""
        super().clean()
        if self.username_changed:
            raise ValidationError({"username": "A user name is changed on the user's page, under Rename."})

    @property
    def username_changed(self) -> bool:
        """Whether the user name differs from the stored one."""
        return self._stored_username is not None and self._stored_username != self.username

    @property
    def may_sign_in(self) -> bool:
        """Whether a password would let the user into the portal."""
        return self.is_staff or self.is_superuser

    @property
    def roles(self) -> "models.QuerySet[Role]":
        """The roles that the user has at this moment for everybody; ``groups`` has ended and limited ones as well.

        ``has_perm`` knows these alone: what a limited role gives is asked of ``provisioning.reach``, row by row.
        """
        return Role.objects.filter(pk__in=Grant.objects.current().everywhere().filter(user=self.pk).values("role"))

    @property
    def rights(self) -> tuple[bool, bool, bool]:
        """Whether the user may sign in to the portal, may do everything there, and is active."""
        return self.is_staff, self.is_superuser, self.is_active

    @property
    def stops_administering(self) -> bool:
        """Whether the user administered the portal when it was read, and would not any more once it is saved."""
        _, superuser, active = self.stored_rights or (None, None, None)
        return bool(superuser and active) and not (self.is_superuser and self.is_active)

    def rename(self, username: str) -> None:
        """Give the user another name, which the next ``save`` writes; see ``identities.users.rename``."""
        self.username = self._stored_username = username

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the user and what its signals enqueue in one transaction; raise ValueError on a changed user name."""
        if self.username_changed:
            raise ValueError("A user name is changed by rename() only.")
        with transaction.atomic(savepoint=False):
            super().save(*args, **kwargs)
        self._stored_username, self.stored_rights = self.username, self.rights

    def set_unusable_password(self) -> None:
        """Take the password away; Django draws each character of its text by itself, which took as long as a query."""
        self.password = unusable_password()

    def get_full_name(self) -> str:
        """Return the name that pages show."""
        return self.display_name or f"{self.first_name} {self.last_name}".strip() or self.username


class AttributeDefinition(models.Model):
    """A custom profile attribute: it appears on every user's page and can be filtered by and mapped."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*\Z", "Use a-z, 0-9 and _, beginning with a letter.")],
        help_text="The name in mappings and templates, for example badge_number. It cannot be changed later.",
    )
    label = models.CharField(max_length=100)
    type = models.CharField(
        max_length=8, choices=[(kind.value, kind.value.capitalize()) for kind in Type], default=Type.TEXT.value
    )
    choices = models.JSONField(default=list, blank=True, help_text="For type choice: the values, one a line.")
    required = models.BooleanField(default=False)
    searchable = models.BooleanField(default=False, db_default=False, help_text="People are found by it.")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = "custom profile attribute"
        ordering = ["position", "label"]

    def __str__(self) -> str:
        return self.label

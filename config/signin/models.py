"""What the sign-in keeps: its settings, tries that were counted lately, chosen passwords, mails that are to be sent.

All of it is in the database that all processes of the portal share.
"""

from django.conf import settings
from django.db import models
from django.utils import timezone


class SignInSettings(models.Model):
    """Who may sign in besides staff. There is one row at the most; without it the defaults hold (see ``policy``)."""

    ONE = 1

    self_service = models.BooleanField(
        "People who are not staff may sign in",
        default=False,
        help_text=(
            "To their own pages, at /my/. They never see these pages here. They sign in with a password that they "
            "choose by a link that you, or the portal, send them."
        ),
    )
    second_factor = models.BooleanField(
        "Staff need a second factor",
        default=False,
        help_text=(
            "An authenticator app or a passkey, besides the password. Who has none sets it up at the next sign-in, "
            "before anything else. Not asked of those whom an identity provider lets in: it asks for its own."
        ),
    )

    class Meta:
        default_permissions = ("view", "change")
        verbose_name = verbose_name_plural = "sign-in settings"

    def __str__(self) -> str:
        return "Sign-in"


class ChosenPassword(models.Model):
    """That a person chose the portal password that they have.

    Imports and SCIM applications write passwords too, which others may know: nobody who is not staff signs in by one
    of those. ``mark`` is the hash of the stored password that was chosen; it fits no other one.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    mark = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"The password of {self.user_id}"


class LinkMail(models.Model):
    """A mail with a one-time link that is to be sent: an invitation, or what somebody asked for who forgot a password.

    ``name`` is what was typed, whoever's it is: nobody learns from how long a page takes whether there is such a
    person. The row goes once the mail is sent, or when there is nobody to send it to.
    """

    class Kind(models.TextChoices):
        """Why it is sent."""

        INVITATION = "invitation", "Invitation"
        FORGOTTEN = "forgotten", "Forgotten password"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=255)
    actor = models.CharField(max_length=255, blank=True)
    address = models.CharField(max_length=64, blank=True)  # where it was asked for
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.name}"


class Tries(models.Model):
    """What is known of the tries that one rule of ``config.signin.limits`` is about.

    ``key`` is a hash of whom they are about. ``until`` is when the last pause ends or ended, ``pauses`` how many there
    were. ``right_at`` is when one succeeded; ``event_id`` the report's line about the wrong ones of this window.
    """

    key = models.CharField(max_length=64, primary_key=True)
    since = models.DateTimeField(default=timezone.now)
    number = models.PositiveIntegerField(default=0)
    until = models.DateTimeField(null=True, blank=True)
    pauses = models.PositiveIntegerField(default=0)
    right_at = models.DateTimeField(null=True, blank=True)
    event_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "tries"

    def __str__(self) -> str:
        return f"{self.number} tries since {self.since:%Y-%m-%d %H:%M}"

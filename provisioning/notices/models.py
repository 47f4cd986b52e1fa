"""What is noticed, who is told how, and who was told."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from directories.models import Directory


class How(models.TextChoices):
    """How a person is told of a cause."""

    NOW = "now", "At once"
    DIGEST = "digest", "Once a day"
    NEVER = "never", "Not at all"


class Certificates(models.Model):
    """Until when the certificates of a directory are valid: the server's, and the authorities' that it is trusted by.

    None: there is none, or nobody has seen it yet.
    """

    directory = models.OneToOneField(Directory, models.CASCADE, related_name="certificates")
    server_until = models.DateTimeField(null=True, blank=True)
    authority_until = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Certificates of {self.directory}"


class Notice(models.Model):
    """One cause about one subject, open until the cause has gone; ``times`` counts the looks that found it."""

    cause = models.CharField(max_length=32)
    subject = models.CharField(max_length=64)
    level = models.CharField(max_length=8)
    title = models.CharField(max_length=255)
    text = models.TextField(blank=True)
    path = models.CharField(max_length=255, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    times = models.PositiveIntegerField(default=1)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-opened_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cause", "subject"], condition=models.Q(closed_at=None), name="notice_open_once"
            )
        ]
        indexes = [models.Index(fields=["-opened_at", "-id"], name="notice_newest")]

    def __str__(self) -> str:
        return self.title


class Choice(models.Model):
    """How one person is told of one cause, where they chose."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notice_choices")
    cause = models.CharField(max_length=32)
    how = models.CharField(max_length=8, choices=How.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "cause"], name="notice_choice_once")]

    def __str__(self) -> str:
        return f"{self.cause}: {self.how}"


class Letter(models.Model):
    """That a person is to be told that a notice opened, or closed (``ended``); ``sent_at`` once the mail was taken."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="letters")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    ended = models.BooleanField(default=False)
    how = models.CharField(max_length=8, choices=How.choices)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "person", "ended"], name="notice_letter_once")]
        indexes = [models.Index(fields=["due_at"], name="notice_letter_due", condition=models.Q(sent_at=None))]

    def __str__(self) -> str:
        return f"{self.notice} to {self.person}"


class ManagerMails(models.Model):
    """Whether managers are told by mail that somebody of theirs leaves. One row at the most; without it, they are not.

    Who left before ``since`` is told of to nobody.
    """

    ONE = 1

    on = models.BooleanField(default=False)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ("view", "change")
        verbose_name_plural = "manager mails"

    def __str__(self) -> str:
        return "on" if self.on else "off"


class LeaverMail(models.Model):
    """That a leaving was told of to the person's manager, or that it was not; ``over`` once the person is back.

    ``to`` is None where nobody is told, and when the manager is deleted later. ``due_at`` is None where nothing is to
    be sent any more.
    """

    user_id = models.BigIntegerField()
    receipt_id = models.BigIntegerField(unique=True)
    to = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    over = models.BooleanField(default=False)
    due_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user_id"], condition=models.Q(over=False), name="leaver_mail_once")
        ]
        indexes = [models.Index(fields=["due_at"], name="leaver_mail_due", condition=models.Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return f"Leaving of {self.user_id}"

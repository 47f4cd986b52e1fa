"""What the portal's own settings are about: roles and the staff who hold them; and what reports are reckoned with."""

from decimal import Decimal

from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from directories.models import Directory
from provisioning.models import User


class Role(Group):
    """A set of rights in this portal; see ``provisioning.roles`` for those that every portal has.

    Django calls them groups, and here groups are groups of people.
    """

    class Meta:
        proxy = True
        ordering = ["name"]


class Staff(User):
    """Somebody who may sign in to the portal. Saved as the ``User`` that they are."""

    class Meta:
        proxy = True
        default_permissions = ()  # whoever may see roles sees who holds them, and superusers add staff
        verbose_name = "staff member"
        verbose_name_plural = "staff"
        ordering = ["username_key"]


class BoughtLicences(models.Model):
    """How many licences were bought for the application behind a directory, and what one costs a month."""

    directory = models.OneToOneField(Directory, models.CASCADE, related_name="licences")
    number = models.PositiveIntegerField("licences bought", null=True, blank=True)
    cost = models.DecimalField(
        "price of one a month",
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    currency = models.CharField(
        max_length=3,
        default="EUR",
        validators=[RegexValidator(r"^[A-Z]{3}\Z", "Write three capital letters, like EUR (ISO 4217).")],
    )

    class Meta:
        default_permissions = ()  # who may see a directory sees it, and who may change one changes it

    def __str__(self) -> str:
        number = "any number" if self.number is None else f"{self.number:,}"
        return f"{number}, {self.price} each a month" if self.price else number

    @property
    def price(self) -> str:
        """What one costs a month, "" where nobody said."""
        return self._money(self.cost)

    @property
    def monthly(self) -> str:
        """What all of them cost a month."""
        return self._money(None if self.number is None or self.cost is None else self.number * self.cost)

    def unused(self, used: int) -> str:
        """Return what those cost a month that are not used."""
        free = max((self.number or 0) - used, 0)
        return self._money(None if self.number is None or self.cost is None else free * self.cost)

    def _money(self, amount: Decimal | None) -> str:
        return "" if amount is None else f"{amount:,.2f} {self.currency}"


class ReportRhythm(models.TextChoices):
    """How often a report is mailed."""

    DAILY = "daily", "Every day"
    WEEKLY = "weekly", "Every Monday"
    MONTHLY = "monthly", "On the first of each month"


class ScheduledReport(models.Model):
    """A report that is mailed to staff: ``overview`` is its name (see ``config.overviews``).

    ``problem`` says in words what of the last mails was not sent, "" where all were taken.
    """

    overview = models.CharField("report", max_length=32)
    directory = models.ForeignKey(Directory, models.CASCADE, null=True, blank=True, related_name="+")
    rhythm = models.CharField("how often", max_length=8, choices=ReportRhythm.choices, default=ReportRhythm.WEEKLY)
    recipients = models.ManyToManyField(User, related_name="+")
    next_at = models.DateTimeField("next", editable=False)
    sent_at = models.DateTimeField("last sent", null=True, editable=False)
    problem = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name = "report by mail"
        verbose_name_plural = "reports by mail"

    def __str__(self) -> str:
        of = f" of {self.directory}" if self.directory else ""
        return f"{self.overview}{of}, {self.get_rhythm_display().lower()}"


class ReportLetter(models.Model):
    """That one person is to be sent a scheduled report; gone once the mail was taken, or given up at ``until``."""

    schedule = models.ForeignKey(ScheduledReport, models.CASCADE, related_name="letters")
    person = models.ForeignKey(User, models.CASCADE, related_name="+")
    due_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["schedule", "person"], name="report_letter_once")]

    def __str__(self) -> str:
        return f"{self.schedule} to {self.person}"

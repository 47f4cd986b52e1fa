"""Products, who decides about them, and requests with their steps."""

import datetime as dt

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from provisioning.contracts.models import Department
from provisioning.models import Group, User
from provisioning.rules.models import BusinessRule

MOST_STEPS = 4
MOST_DAYS = 3650
MOST_PICTURE = 256 * 1024  # bytes
DAYS = [MinValueValidator(1), MaxValueValidator(MOST_DAYS)]


class Audience(models.TextChoices):
    """Who sees a product."""

    EVERYONE = "everyone", "Everyone"
    GROUPS = "groups", "Members of chosen groups"
    CONDITION = "condition", "Whoever a condition holds for"


class ApproverKind(models.TextChoices):
    """Who decides a step: found anew each time, by what people are then."""

    MANAGER = "manager", "The person’s manager"
    HEAD = "head", "The head of the person’s department"
    PRODUCT_HEAD = "product_head", "The head of the product’s department"
    OWNER = "owner", "The product’s owner"
    PERSON = "person", "A certain person"
    GROUP = "group", "Members of a group"
    CONDITION = "condition", "Whoever a condition finds"


class Product(models.Model):
    """What people can ask for. ``rule`` has its name, its order and what it gives, and holds for whoever was given it.

    ``days`` is how long it is given, None for good; ``most`` how many may have it at once. ``fields`` are those of its
    form: {"label", "kind", "required", "choices"}. ``seen_by`` are the groups of its audience. ``picture`` is an image
    as it was uploaded, ``picture_type`` its media type. ``offered``: it can be asked for; whoever has it keeps it when
    that ends.
    """

    rule = models.OneToOneField(BusinessRule, models.CASCADE, primary_key=True, related_name="product")
    text = models.TextField(blank=True)
    risk = models.TextField("risk note", blank=True)
    picture = models.BinaryField(null=True, blank=True)
    picture_type = models.CharField(max_length=32, blank=True)
    offered = models.BooleanField(default=True)
    owner = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="owned_products")
    department = models.ForeignKey(Department, models.SET_NULL, null=True, blank=True, related_name="products")
    audience = models.CharField(max_length=10, choices=Audience.choices, default=Audience.EVERYONE)
    seen_by = models.ManyToManyField(Group, blank=True, related_name="products")
    condition = models.JSONField(default=dict, blank=True)
    fields = models.JSONField(default=list, blank=True)
    days = models.PositiveIntegerField("time limit in days", null=True, blank=True, validators=DAYS)
    renewable = models.BooleanField("can be renewed", default=True)
    most = models.PositiveIntegerField("maximum number", null=True, blank=True, validators=[MinValueValidator(1)])
    until_disabled = models.BooleanField("returned when the person is deactivated", default=True)

    class Meta:
        ordering = ["rule__category", "rule__name"]

    def __str__(self) -> str:
        return self.rule.name

    @property
    def name(self) -> str:
        """What people call it."""
        return self.rule.name

    @property
    def can_be_asked_for(self) -> bool:
        """Whether somebody may still be given it."""
        return self.offered and not self.rule.retired


class Approving(models.Model):
    """Who decides, as somebody set it up. ``remind`` and ``escalate`` are days of silence before that is done."""

    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12, choices=ApproverKind.choices)
    person = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    group = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="+")
    condition = models.JSONField(default=dict, blank=True)
    remind = models.PositiveSmallIntegerField("days until they are reminded", default=3, validators=DAYS)
    escalate = models.PositiveSmallIntegerField("days until those above are asked, too", default=7, validators=DAYS)

    class Meta:
        abstract = True


class ProductStep(Approving):
    """One of the one to four steps that decide about a product, in their order."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="steps")

    class Meta:
        ordering = ["position"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["product", "position"], name="product_step_once")]

    def __str__(self) -> str:
        return f"Step {self.position}: {self.get_kind_display()}"


class RequestState(models.TextChoices):
    """Where a request is."""

    WAITING = "waiting", "Waiting for approval"
    GRANTED = "granted", "Approved"
    REFUSED = "refused", "Refused"
    WITHDRAWN = "withdrawn", "Withdrawn"
    CANCELLED = "cancelled", "Cannot be given any more"
    RETURNED = "returned", "Given back"
    ENDED = "ended", "Time is over"


OVER = (
    RequestState.REFUSED,
    RequestState.WITHDRAWN,
    RequestState.CANCELLED,
    RequestState.RETURNED,
    RequestState.ENDED,
)


class ProductRequest(models.Model):
    """Somebody asked for a product, for themselves or for ``person``. Names are kept beside, as rows go.

    ``answers`` are pairs of label and text. ``renews``: the person has it, and it is to go on. ``why`` says in a
    sentence why it is over. ``told_of_end``: the person was told that it ends soon.
    """

    product = models.ForeignKey(Product, models.SET_NULL, null=True, related_name="requests")
    product_name = models.CharField(max_length=150)
    person = models.ForeignKey(User, models.SET_NULL, null=True, related_name="requests", db_index=False)
    person_name = models.CharField(max_length=300)
    asked_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="asked_requests", db_index=False)
    asked_by_name = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=RequestState.choices, default=RequestState.WAITING)
    renews = models.BooleanField(default=False)
    answers = models.JSONField(default=list, blank=True)
    reason = models.TextField(blank=True)
    why = models.TextField(blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    told_of_end = models.BooleanField(default=False)

    class Meta:
        verbose_name = "request"
        ordering = ["-pk"]
        default_permissions = ("view", "add", "change")
        permissions = [("decide_productrequest", "Can decide requests that nobody else can")]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "person"], condition=Q(state="waiting"), name="request_waits_once"
            ),
        ]
        indexes = [
            models.Index(fields=["person", "-id"], name="request_of_person"),
            models.Index(fields=["asked_by", "-id"], name="request_by_asker"),
            models.Index(fields=["state", "-id"], name="request_by_state"),
            models.Index(fields=["product", "person"], name="request_granted", condition=Q(state="granted")),
        ]

    def __str__(self) -> str:
        return f"{self.product_name} for {self.person_name}"

    @property
    def on_behalf(self) -> bool:
        """Whether somebody else asked."""
        return self.asked_by_name != self.person_name


class StepState(models.TextChoices):
    """Where a step is."""

    AHEAD = "ahead", "Comes later"
    OPEN = "open", "Waiting"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"


class RequestStep(Approving):
    """One step of a request, copied from the product when it was asked for, so that nobody takes one out meanwhile.

    ``said`` names who is asked now and why them, ``raised`` how often those above were asked as well.
    ``instead_of`` is for whom a substitute decided.
    """

    request = models.ForeignKey(ProductRequest, models.CASCADE, related_name="steps")
    state = models.CharField(max_length=8, choices=StepState.choices, default=StepState.AHEAD)
    said = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    raised = models.PositiveSmallIntegerField(default=0)
    raised_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="decided_steps")
    decided_by_name = models.CharField(max_length=300, blank=True)
    instead_of = models.CharField(max_length=300, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["position"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["request", "position"], name="request_step_once")]
        indexes = [models.Index(fields=["id"], name="request_step_open", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"Step {self.position} of {self.request_id}"


class AskedApprover(models.Model):
    """Who is asked to decide an open step now; ``instead_of`` is whose substitute they are."""

    step = models.ForeignKey(RequestStep, models.CASCADE, related_name="asked")
    user = models.ForeignKey(User, models.CASCADE, related_name="asked_steps")
    instead_of = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["step", "user"], name="asked_once")]

    def __str__(self) -> str:
        return f"{self.user_id} for step {self.step_id}"


class Substitute(models.Model):
    """Who decides instead of somebody, from the first to the last day; both can decide then."""

    user = models.ForeignKey(User, models.CASCADE, related_name="substitutes")
    substitute = models.ForeignKey(User, models.CASCADE, related_name="substitute_for")
    starts = models.DateField("first day")
    ends = models.DateField("last day")

    class Meta:
        ordering = ["starts", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(ends__gte=models.F("starts")), name="substitute_days"),
            models.CheckConstraint(condition=~Q(user=models.F("substitute")), name="substitute_is_another"),
        ]

    def __str__(self) -> str:
        return f"{self.substitute} for {self.user}"

    def holds(self, day: dt.date) -> bool:
        """Whether it counts on a day."""
        return self.starts <= day <= self.ends


class MailKind(models.TextChoices):
    """What a mail tells."""

    ASKED = "asked", "Please decide"
    REMINDED = "reminded", "Still waiting for you"
    STATE = "state", "What became of a request"
    ENDING = "ending", "It ends soon"


class RequestMail(models.Model):
    """A mail that is to be sent to one person about one request; written when it is due, sent by the next look."""

    request = models.ForeignKey(ProductRequest, models.CASCADE, related_name="mails")
    step = models.ForeignKey(RequestStep, models.CASCADE, null=True, blank=True, related_name="mails")
    to = models.ForeignKey(User, models.CASCADE, related_name="request_mails")
    told = models.CharField(max_length=8, choices=MailKind.choices)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["due_at"], name="request_mail_due", condition=Q(sent_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.told} to {self.to_id}"

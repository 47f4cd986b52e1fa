"""The one door by which products are written: saved, offered or not, and removed, each with its lines and evidence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from provisioning.requests.models import ApproverKind, Audience, Product, ProductStep
from provisioning.rules import fields
from provisioning.rules import services as rules
from provisioning.rules.conditions import EVERYBODY, Node, to_json
from provisioning.rules.services import RuleDraft
from reports import evidence

SUBJECT = "self-service product"  # of the evidence, with its number
PLAIN = ("text", "risk", "offered", "audience", "days", "renewable", "most", "until_disabled")
IMAGES: Mapping[bytes, str] = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A step as somebody sets it up."""

    kind: str
    person: int | None = None
    group: int | None = None
    condition: Node | None = None
    remind: int = 3
    escalate: int = 7


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """A product as somebody writes it: ``rule`` is its name, category and order, and what it gives.

    ``picture``: None leaves it as it is, b"" takes it away.
    """

    rule: RuleDraft
    text: str = ""
    risk: str = ""
    offered: bool = True
    owner: int | None = None
    department: int | None = None
    audience: str = Audience.EVERYONE
    groups: Collection[int] = ()
    condition: Node = EVERYBODY
    fields: Sequence[Mapping[str, Any]] = ()
    days: int | None = None
    renewable: bool = True
    most: int | None = None
    until_disabled: bool = True
    steps: Sequence[StepDraft] = field(default_factory=lambda: [StepDraft(ApproverKind.MANAGER)])
    picture: bytes | None = None


@transaction.atomic
def save(product: Product | None, draft: ProductDraft, actor: str) -> Product:
    """Write a product. What it gives from now on is given to everybody who has it; requests keep their steps."""
    new = product is None
    rule = rules.save(product.rule if product else None, draft.rule, actor)
    product = product or Product(rule=rule)
    product.rule = rule
    for name in PLAIN:
        setattr(product, name, getattr(draft, name))
    product.owner_id, product.department_id = draft.owner, draft.department
    product.condition, product.fields = to_json(draft.condition), [dict(one) for one in draft.fields]
    if draft.picture is not None:
        product.picture, product.picture_type = draft.picture or None, image_type(draft.picture) or ""
    product.save()
    product.seen_by.set(draft.groups)
    ProductStep.objects.filter(product=product).delete()
    steps = [
        ProductStep(
            product=product,
            position=place,
            kind=one.kind,
            person_id=one.person,
            group_id=one.group,
            condition=to_json(one.condition) if one.condition is not None else {},
            remind=one.remind,
            escalate=one.escalate,
        )
        for place, one in enumerate(draft.steps, start=1)
    ]
    ProductStep.objects.bulk_create(steps)
    words = f"{actor} {'added' if new else 'changed'} the product {rule.name}."
    evidence.changed(f"{SUBJECT} {rule.pk}", described(product), words, actor)
    return product


def described(product: Product) -> dict[str, Any]:
    """Describe a stored product whole, in words: people by their user names, a picture by its type and size."""
    known, rule = fields.known(), product.rule
    found = rules.described(rule, rules.given([rule]), known)
    for name in ("days_before", "days_after", "published", "condition"):
        del found[name]
    found |= {name: getattr(product, name) for name in (*PLAIN, "fields")}
    return found | {
        "owner": product.owner.username if product.owner else "",
        "department": known.departments.text(product.department_id) if product.department_id else "",
        "seen_by": list(product.seen_by.order_by("name_key").values_list("name", flat=True)),
        "condition": rules.written(product.condition, known),
        "steps": [
            {
                "kind": one.kind,
                "person": one.person.username if one.person else "",
                "group": one.group.name if one.group else "",
                "condition": rules.written(one.condition, known),
                "remind": one.remind,
                "escalate": one.escalate,
            }
            for one in product.steps.select_related("person", "group")
        ],
        "picture": f"{product.picture_type}, {len(product.picture):,} bytes" if product.picture else "",
    }


@transaction.atomic
def remove(product: Product, actor: str, *, keep: bool) -> None:
    """Remove a product: what people have by it is taken away, or with ``keep`` stays as if given by hand."""
    pk, name = product.pk, product.name
    rules.remove(product.rule, actor, keep=keep)
    evidence.changed(f"{SUBJECT} {pk}", None, f"{actor} removed the product {name}.", actor)


def image_type(data: bytes) -> str | None:
    """Return the media type of a picture by its first bytes; None for what is no picture that browsers show safely."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in IMAGES.items() if data.startswith(start)), None)

"""A product as its page has it: what somebody typed, what is stored, and what is wrong with it."""

from collections.abc import Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict

from provisioning.admin.rules import builder, giving
from provisioning.contracts.models import Department
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.requests.forms import KINDS, MOST_FIELDS
from provisioning.requests.models import (
    MOST_DAYS,
    MOST_PICTURE,
    MOST_STEPS,
    ApproverKind,
    Audience,
    Product,
    ProductStep,
)
from provisioning.requests.products import ProductDraft, StepDraft, image_type
from provisioning.rules import conditions
from provisioning.rules.conditions import EVERYBODY, Known, Node, from_json
from provisioning.rules.models import BusinessRule
from provisioning.rules.services import RuleDraft

TEXTS = ("name", "category", "position", "text", "risk", "owner", "department", "days", "most", "audience", "seen_by")
BOXES = ("offered", "renewable", "until_disabled")
STEP = ("kind", "who", "remind", "raise")
FIELD = ("label", "kind", "choices", "required")
WHO = {
    ApproverKind.PERSON: "a user name",
    ApproverKind.GROUP: "the name of a group",
    ApproverKind.CONDITION: 'a condition as one line, such as user.title eq "Head of IT"',
}


def typed(data: QueryDict) -> dict[str, Any]:
    """Return what a form says, to be shown again."""
    values: dict[str, Any] = {name: data.get(name, "") for name in TEXTS}
    values |= {name: name in data for name in BOXES}
    values["steps"] = _rows(data, "step", STEP, MOST_STEPS)
    values["fields"] = _rows(data, "field", FIELD, MOST_FIELDS)
    return {**values, **giving.typed(data)}


def stored(product: Product | None, known: Known) -> tuple[Node, dict[str, Any]]:
    """Return who sees a product as a condition, and its values as a form has them."""
    held = product or Product(rule=BusinessRule(by_request=True, position=50))
    values: dict[str, Any] = {name: getattr(held, name) for name in ("text", "risk", "audience", *BOXES)}
    values |= {name: getattr(held.rule, name) for name in ("name", "category", "position")}
    values |= {name: getattr(held, name) or "" for name in ("days", "most")}
    values["owner"] = held.owner.username if held.owner else ""
    values["department"] = known.departments.text(held.department_id) if held.department_id else ""
    groups = product.seen_by.order_by("name_key") if product else ()
    values["seen_by"] = "\n".join(one.name for one in groups)
    steps = [_step_row(one, known) for one in product.steps.select_related("person", "group")] if product else []
    values["steps"] = _padded(steps or [{"kind": ApproverKind.MANAGER, "remind": 3, "raise": 7}], STEP, MOST_STEPS)
    fields = [{**one, "choices": "; ".join(one.get("choices", ()))} for one in held.fields]
    values["fields"] = _padded(fields, FIELD, MOST_FIELDS)
    try:
        node = from_json(held.condition) if held.condition else EVERYBODY
    except ValueError:
        node = EVERYBODY
    return node, {**values, **giving.stored(product.rule if product else None)}


def draft(request: HttpRequest, product: Product | None, rows: builder.Rows, known: Known) -> Any:
    """Return the product that a form says, and what is wrong with it."""
    data, errors = request.POST, []
    name = data.get("name", "").strip()[:150]
    taken = BusinessRule.objects.filter(name=name, by_request=True).exclude(pk=product.pk if product else 0)
    if not name:
        errors.append("Give the product a name.")
    elif taken.exists():
        errors.append(f"There is a product {name} already. Choose another name.")
    node: Node = EVERYBODY
    if data.get("audience") == Audience.CONDITION:
        node, wrong = builder.node_of(rows, known)
        errors += wrong
    seen_by, wrong = giving.groups_of(data.get("seen_by", ""), known)
    errors += wrong
    if data.get("audience") == Audience.GROUPS and not seen_by and not wrong:
        errors.append("Name the groups whose members see the product.")
    given = giving.read(data, known)
    position, days, most = (
        _number(data, key, what, errors)
        for key, what in (("position", "the order"), ("days", "the time limit"), ("most", "the maximum number"))
    )
    if days is not None and not 1 <= days <= MOST_DAYS:
        errors.append(f"The time limit is from 1 to {MOST_DAYS:,} days, or blank for none.")
    if most == 0:
        errors.append("The maximum number is at least 1, or blank for none.")
    picture, wrong_picture = _picture(request)
    wanted = ProductDraft(
        rule=RuleDraft(
            name=name,
            category=data.get("category", "").strip()[:80],
            position=position if position is not None else 50,
            directories=given.directories,
            groups=given.groups,
            values=given.values,
            by_request=True,
        ),
        text=data.get("text", "").strip(),
        risk=data.get("risk", "").strip(),
        owner=_user(data.get("owner", ""), errors),
        department=_department(data.get("department", ""), known, errors),
        audience=data["audience"] if data.get("audience") in Audience.values else Audience.EVERYONE,
        groups=seen_by,
        condition=node,
        fields=_fields(data, errors),
        days=days,
        most=most,
        steps=_steps(data, known, errors),
        picture=picture,
        **{box: box in data for box in BOXES},
    )
    return wanted, errors + given.errors + wrong_picture


def _steps(data: QueryDict, known: Known, errors: list[str]) -> list[StepDraft]:
    found = []
    for place, row in enumerate(_rows(data, "step", STEP, MOST_STEPS), start=1):
        if row["kind"] not in ApproverKind.values:
            continue
        kind, who = ApproverKind(row["kind"]), row["who"].strip()
        person = group = condition = None
        if kind in WHO and not who:
            errors.append(f"Step {place}: write {WHO[kind]}.")
        elif kind == ApproverKind.PERSON:
            person = _user(who, errors)
        elif kind == ApproverKind.GROUP:
            groups, wrong = giving.groups_of(who, known)
            group, errors[len(errors) :] = (groups[0] if groups else None), wrong
        elif kind == ApproverKind.CONDITION:
            try:
                condition = conditions.parse(who, known)
            except ValueError as error:
                errors.append(f"Step {place}: {error}")
        remind, escalate = (_days(row[key]) for key in ("remind", "raise"))
        if remind is None or escalate is None:
            errors.append(f"Step {place}: write the days as numbers from 1 to {MOST_DAYS:,}.")
        found.append(StepDraft(kind, person, group, condition, remind or 1, escalate or 1))
    if not found:
        errors.append("Choose at least one step: somebody decides about every request.")
    return found


def _fields(data: QueryDict, errors: list[str]) -> list[dict[str, Any]]:
    found = []
    for row in _rows(data, "field", FIELD, MOST_FIELDS):
        if not (label := row["label"].strip()[:100]):
            continue
        kind = row["kind"] if row["kind"] in KINDS else "text"
        choices = [one.strip()[:100] for one in row["choices"].split(";") if one.strip()]
        if kind == "choice" and not choices:
            errors.append(f"{label}: write what can be chosen, with a semicolon between.")
        one: dict[str, Any] = {"label": label, "kind": kind, "required": row["required"] == "yes"}
        found.append({**one, **({"choices": choices} if kind == "choice" else {})})
    return found


def _picture(request: HttpRequest) -> tuple[bytes | None, list[str]]:
    if "no_picture" in request.POST:
        return b"", []
    file = request.FILES.get("picture")
    if not isinstance(file, UploadedFile):
        return None, []
    if (file.size or 0) > MOST_PICTURE:
        return None, [f"The picture is larger than {MOST_PICTURE // 1024} KB. Choose a smaller one."]
    data = file.read()
    if image_type(data) is None:
        return None, ["The picture is neither PNG, JPEG, GIF nor WebP. Choose another one."]
    return data, []


def _user(name: str, errors: list[str]) -> int | None:
    if not name.strip():
        return None
    found = User.objects.filter(username_key=fold(name)).values_list("pk", flat=True).first()
    if found is None:
        errors.append(f"There is no user {name.strip()}. Write the user name.")
    return found


def _department(name: str, known: Known, errors: list[str]) -> int | None:
    if not name.strip():
        return None
    found = known.departments.ids(name)
    if len(found) != 1:
        words = "There is no department" if not found else "There are several departments called"
        errors.append(f"{words} {name.strip()}. Write its name or its number.")
        return None
    return Department.objects.filter(pk=found[0]).values_list("pk", flat=True).first()


def _number(data: QueryDict, key: str, what: str, errors: list[str]) -> int | None:
    text = data.get(key, "").strip()
    found = giving.number(text)
    if text and found is None:
        errors.append(f"Write {what} as a number, or leave it blank.")
    return found


def _days(text: Any) -> int | None:
    found = giving.number(text)
    return found if found is not None and 1 <= found <= MOST_DAYS else None


def _step_row(step: ProductStep, known: Known) -> dict[str, Any]:
    who = step.person.username if step.person else step.group.name if step.group else ""
    if step.kind == ApproverKind.CONDITION:
        try:
            who = conditions.render(from_json(step.condition), known)
        except ValueError:
            who = ""
    return {"kind": step.kind, "who": who, "remind": step.remind, "raise": step.escalate}


def _rows(data: QueryDict, name: str, keys: Sequence[str], most: int) -> list[dict[str, str]]:
    columns = [data.getlist(f"{name}_{key}") for key in keys]
    return _padded([dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=False)], keys, most)


def _padded(rows: Sequence[dict[str, Any]], keys: Sequence[str], most: int) -> list[dict[str, Any]]:
    blank = dict.fromkeys(keys, "")
    found = [{**blank, **row} for row in rows[:most]]
    return found + [dict(blank) for _ in range(most - len(found))]

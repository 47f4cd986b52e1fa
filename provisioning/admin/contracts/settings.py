"""The page of the order of contracts and of what follows the primary one, with a preview on three people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse

from provisioning.contracts import fields
from provisioning.contracts import services as contracts
from provisioning.contracts.derive import Derived, basis, derive, fits, followable, following
from provisioning.contracts.models import Contract, Employment, PrimaryOrder, ProfileSource
from provisioning.models import User
from provisioning.models.people import fold
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

STEPS = 6
PEOPLE = 3
NOBODY = "Nobody has the user name {}."


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The settings as a form gives them: steps (field, highest first), and fields by attribute."""

    order: Sequence[tuple[str, bool]]
    follows: Mapping[str, str]

    def described(self) -> dict[str, Any]:
        """Describe it, as the evidence has it."""
        return {"order": [list(one) for one in self.order], "follows": dict(self.follows)}

    def unknown(self) -> list[str]:
        """Name the fields, and the attributes that follow one, that are not there any more."""
        custom = _custom_fields()
        gone = {name for name, _ in self.order if name not in {*fields.ORDERED, *custom}}
        known = {path for path, _ in followable()}
        for path, name in self.follows.items():
            if path not in known:
                gone.add(path)
            elif name not in {*fields.NAMES, *custom} or not fits(path, name):
                gone.add(name)
        return sorted(gone)


def arrangement() -> Arrangement:
    """Return the settings as they are."""
    order = [(one.field, one.descending) for one in PrimaryOrder.objects.all()]
    return Arrangement(order, dict(ProfileSource.objects.values_list("attribute", "field")))


@dataclass(frozen=True, slots=True)
class SettingsEffect:
    """What the settings come to for one person, now and as they are drafted."""

    user: User
    now: Derived
    then: Derived
    values: Sequence[tuple[str, Any, Any]]

    @property
    def another(self) -> bool:
        """Whether another contract would be the primary one."""
        return _number(self.now) != _number(self.then)


def settings_page(request: HttpRequest, context: dict[str, Any], may_change: bool) -> HttpResponse:
    """Show or save the settings. A preview writes nothing."""
    names = _custom_fields()
    data = request.POST
    asked = "preview" in data
    if request.method == "POST" and not asked:
        save_arrangement(_read(data, names), request.user.get_username())
        messages.success(request, "Saved. What follows from it is planned within a minute, and the guard looks at it.")
        return HttpResponseRedirect(reverse("admin:contracts_primaryorder_changelist"))
    held = _read(data, names) if asked else arrangement()
    problems: list[str] = []
    effects = _effects(data.getlist("person"), held, problems) if asked else []
    ordered = [(name, fields.label(name)) for name in (*fields.ORDERED, *names)]
    source = [(name, fields.label(name)) for name in (*fields.NAMES, *names)]
    order = list(held.order) or [(by.field, by.descending) for by in fields.ORDER]
    context |= {
        "title": "Contracts",
        "may_change": may_change,
        "steps": [order[place] if place < len(order) else ("", False) for place in range(STEPS)],
        "ordered": ordered,
        "attributes": [
            (path, label, held.follows.get(path, ""), [one for one in source if fits(path, one[0])])
            for path, label in followable()
        ],
        "people": (data.getlist("person") or _suggested()) + [""] * PEOPLE,
        "places": range(PEOPLE),
        "effects": effects,
        "asked": asked,
        "problems": problems,
        "first": not held.order,
    }
    context["people"] = context["people"][:PEOPLE]
    return render(request, "provisioning/contracts/settings.html", context)


def _read(data: QueryDict, custom: Sequence[str]) -> Arrangement:
    """Return what a form says; what is no field is passed over, and a field counts where it stands first."""
    known = {*fields.ORDERED, *custom}
    order: dict[str, bool] = {}
    for name, direction in zip(data.getlist("field"), data.getlist("direction"), strict=False):
        if name in known and name not in order:
            order[name] = direction == "highest"
    allowed = {*fields.NAMES, *custom}
    follows = {path: data.get(f"follows.{path}", "") for path, _ in followable()}
    return Arrangement(
        list(order.items()), {path: name for path, name in follows.items() if name in allowed and fits(path, name)}
    )


@transaction.atomic
def save_arrangement(wanted: Arrangement, actor: str) -> None:
    """Keep the settings, with a line in the report and in the evidence."""
    contracts.arrange(wanted.order, wanted.follows)
    words = f"{actor} arranged which contract is the primary one, and what follows it."
    how: dict[str, Any] = {"direction": Direction.PORTAL, "operation": Operation.SETTINGS, "result": Result.SUCCESS}
    record(Line(identifier="", application="", message=words, actor=actor, **how))
    evidence.changed("order of contracts", wanted.described(), words, actor)


def _effects(names: Sequence[str], wanted: Arrangement, problems: list[str]) -> list[SettingsEffect]:
    keys = {fold(name): name for name in names[:PEOPLE] if name.strip()}
    users = {user.username_key: user for user in User.objects.filter(username_key__in=keys)}
    problems += [NOBODY.format(name) for key, name in keys.items() if key not in users]
    now = basis()
    then = replace(
        now,
        order=[fields.step(name, descending) for name, descending in wanted.order] or fields.ORDER,
        follows=following(wanted.follows),
    )
    ids = [user.pk for user in users.values()]
    labels = {one.path: one.attribute.label for one in (*now.follows, *then.follows)}
    return [
        SettingsEffect(
            user=before.user,
            now=before,
            then=after,
            values=[(label, before.values.get(path), after.values.get(path)) for path, label in labels.items()],
        )
        for before, after in zip(derive(ids, now), derive(ids, then), strict=True)
    ]


def _suggested() -> list[str]:
    """Return people to try it on: some who have contracts."""
    newest = Employment.objects.filter(primary__isnull=False).order_by("-pk").select_related("user")
    return [one.user.username for one in newest[:PEOPLE]]


def _custom_fields() -> list[str]:
    """Return the custom fields of the newest contracts, as names of fields."""
    rows = Contract.objects.order_by("-pk").values_list("custom", flat=True)[:200]
    return sorted({f"{fields.CUSTOM}{name}"[:80] for row in rows for name in row})


def _number(derived: Derived) -> int | None:
    return derived.primary.contract.pk if derived.primary else None

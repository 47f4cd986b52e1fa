"""What rules come to: who has what by which, conflicts, rules that give nothing, and people whom no rule touches."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest

from directories.models import AccountsFor, Directory
from provisioning import services
from provisioning.models import Group, Membership, User
from provisioning.models.people import fold
from provisioning.rules import services as rules
from provisioning.rules.book import published
from provisioning.rules.models import BusinessRule, Entitlement, EntitlementKind, Granted, ScopeGroup

PAGE = 50


def state_of(rule: BusinessRule, *, stopped: bool) -> str:
    """Say whether a rule holds; ``stopped``: it is published and cannot be used."""
    if rule.retired:
        return "Being removed"
    return "Cannot be used" if stopped else "Published" if rule.published else "Draft"


def people(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of what people have by rules: of one rule or entitlement where that is asked, by id."""
    rows = Granted.objects.exclude(entitlement=None)
    rule = entitlement = None
    if asked.get("rule", "").isdecimal():
        rule = BusinessRule.objects.filter(pk=asked["rule"]).first()
        rows = rows.filter(entitlement__in=Entitlement.objects.filter(rule=rule))
    if asked.get("entitlement", "").isdecimal():
        entitlement = (
            Entitlement.objects.filter(pk=asked["entitlement"]).select_related("rule", "group", "directory").first()
        )
        rows = rows.filter(entitlement=entitlement)
    if asked.get("after", "").isdecimal():
        rows = rows.filter(pk__gt=asked["after"])
    related = ("user", "entitlement__rule", "entitlement__group", "entitlement__directory", "contract")
    found = list(rows.select_related(*related).order_by("pk")[: PAGE + 1])
    of = f" of {rule or entitlement.rule}" if rule or entitlement else ""  # type: ignore[union-attr]
    chosen = "".join(f"{name}={asked[name]}&" for name in ("rule", "entitlement") if asked.get(name, "").isdecimal())
    return {
        "title": f"Who has what by rules{of and f': {of[4:]}'}",
        "rows": found[:PAGE],
        "next": f"?{chosen}after={found[PAGE - 1].pk}" if len(found) > PAGE else "",
    }


def matrix() -> dict[str, Any]:
    """Return each rule with what it gives and to how many: two queries and what the published rules are read by."""
    stopped = published().stopped
    held = dict(Granted.objects.exclude(entitlement=None).order_by().values_list("entitlement").annotate(Count("pk")))
    given = Entitlement.objects.select_related("rule", "group", "directory").order_by("rule__position", "rule", "pk")
    columns: dict[str, None] = {}
    by_rule: dict[BusinessRule, list[tuple[Entitlement, int, str]]] = defaultdict(list)
    for one in given:
        state = "Being removed" if one.ended else state_of(one.rule, stopped=one.rule_id in stopped)
        by_rule[one.rule].append((one, held.get(one.pk, 0), state))
        columns.setdefault(str(one), None)
    return {"title": "Who has what by which rule", "rules": list(by_rule.items()), "things": len(columns)}


def findings(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return what somebody may want to correct: seven queries and what the published rules are read by."""
    book = published()
    by_attribute: dict[str, list[Entitlement]] = defaultdict(list)
    for rule in book.rules:
        for one in book.given.get(rule, ()):
            if one.kind == EntitlementKind.VALUE:
                by_attribute[one.attribute].append(one)
    beaten = dict(Granted.objects.filter(wins=False).order_by().values_list("entitlement").annotate(Count("pk")))
    conflicts = [
        (attribute.partition(".")[2].replace("_", " "), given[0], [(one, beaten.get(one.pk, 0)) for one in given[1:]])
        for attribute, given in by_attribute.items()
        if len({str(one.value) for one in given}) > 1
    ]
    mine = Granted.objects.filter(entitlement__rule=OuterRef("pk"))
    waiting = BusinessRule.objects.filter(~Exists(mine), published=True, by_request=False)
    idle = waiting.exclude(pk__in=book.stopped)
    theirs = Granted.objects.filter(user=OuterRef("pk"))
    untouched = User.objects.filter(~Exists(theirs), is_active=True).order_by("pk")
    if asked.get("after", "").isdecimal():
        untouched = untouched.filter(pk__gt=asked["after"])
    users = list(untouched[: PAGE + 1])
    return {
        "title": "What to look at",
        "published": len(book.rules),
        "stopped": [(book.rules[pk], wrong) for pk, wrong in book.stopped.items()],
        "conflicts": conflicts,
        "idle": idle[:PAGE],
        "untouched": users[:PAGE],
        "next": f"?after={users[PAGE - 1].pk}" if len(users) > PAGE else "",
    }


def accounts(request: HttpRequest) -> dict[str, Any]:
    """Return who gets an account in each directory."""
    groups: dict[int, list[str]] = defaultdict(list)
    for directory, name in ScopeGroup.objects.order_by("group__name_key").values_list("directory_id", "group__name"):
        groups[directory].append(name)
    given = Entitlement.objects.filter(kind=EntitlementKind.ACCOUNT, ended=False).select_related("rule")
    by_directory: dict[int, list[BusinessRule]] = defaultdict(list)
    for one in given.order_by("rule__position", "pk"):
        by_directory[one.directory_id or 0].append(one.rule)
    rows = [
        {
            "directory": one,
            "how": AccountsFor(one.provisioning.accounts_for).label,
            "by_groups": one.provisioning.accounts_for == AccountsFor.GROUPS,
            "by_rules": one.provisioning.accounts_for == AccountsFor.RULES,
            "groups": "\n".join(groups[one.pk]),
            "rules": by_directory[one.pk],
        }
        for one in Directory.objects.filter(provisioning__isnull=False).select_related("provisioning").order_by("name")
    ]
    may = request.user.has_perm("rules.change_businessrule") and request.user.has_perm("directories.change_directory")
    return {"title": "Who gets an account", "rows": rows, "may_change": may}


def choose_groups(request: HttpRequest) -> None:
    """Choose the groups of one directory, after saying what that does; nothing where a name is not known."""
    directory = Directory.objects.filter(pk=request.POST.get("directory", "0")).first()
    names = [line.strip() for line in request.POST.get("groups", "").splitlines() if line.strip()]
    found = {group.name_key: group.pk for group in Group.objects.filter(name_key__in=[fold(name) for name in names])}
    unknown = [name for name in names if fold(name) not in found]
    if directory is None or unknown:
        messages.error(request, f"There is no group {', '.join(unknown) or '…'}. Nothing was changed.")
        return
    if request.POST.get("sure") != "1":
        before = set(ScopeGroup.objects.filter(directory=directory).values_list("group_id", flat=True))
        lost = _only_in(before - set(found.values()), set(found.values()))
        if lost > 5:
            words = f"{lost:,} people would lose their account in {directory}. Tick the box to do it, and save again."
            messages.warning(request, words)
            return
    actor = request.user.get_username()
    if rules.choose_groups(directory.pk, found.values(), directory.name, actor):
        services.provision_directory(directory, actor)
        messages.success(request, f"Saved. {directory} is brought in line with it.")


def _only_in(leaving: set[int], staying: set[int]) -> int:
    """Return how many people are directly in groups that go and in none that stays."""
    stays = Membership.objects.filter(group__in=staying, user=OuterRef("user"))
    gone = Membership.objects.filter(Q(group__in=leaving), ~Exists(stays))
    return gone.values("user").distinct().count()

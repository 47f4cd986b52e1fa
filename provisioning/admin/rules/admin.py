"""Business rules: the list, the page of one rule with its builder, and the questions before it holds or goes."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from provisioning import services
from provisioning.admin.gone import GoneIsNotFound
from provisioning.admin.rules import builder, giving, grid, overview
from provisioning.admin.rules.overview import state_of
from provisioning.imports.doors.actions import AppliedNow
from provisioning.rules import fields, looks
from provisioning.rules import services as rules
from provisioning.rules.book import Book, book_of, published
from provisioning.rules.conditions import EVERYBODY, Known, Node, from_json, words
from provisioning.rules.models import MOST_DAYS, BusinessRule, Entitlement, Evaluation
from provisioning.rules.preview import count
from provisioning.rules.services import RuleDraft

PLANNED = '{} <a class="text-link" href="{}">The plan</a>.'
SOON = "Everybody is looked at within a minute. What that changes is in the import history then."
NOTHING = "Nobody gains or loses anything by it now."


@admin.register(BusinessRule)
class BusinessRuleAdmin(GoneIsNotFound, ModelAdmin):  # type: ignore[misc]
    """Rules, in their order."""

    list_display = ("name", "category", "state", "gives", "position")
    list_filter = ("published", "category")
    search_fields = ("name__icontains", "category__icontains")
    search_help_text = "Part of the name or the category"
    list_per_page = 100
    ordering = ("position", "pk")
    when_empty = (
        "No rule yet. A rule says who gets which accounts, groups and values, by conditions on people and contracts."
    )
    list_before_template = "provisioning/rules/before.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what each gives with it."""
        held = super().get_queryset(request).filter(by_request=False)  # those of products have pages of their own
        return held.prefetch_related("entitlements__directory", "entitlements__group")

    def get_urls(self) -> list[URLPattern]:
        """Add the builder's fragment, the questions, the evaluation and the overviews."""
        wrap = self.admin_site.admin_view
        info = "rules_businessrule"
        return [
            path("fragment/", wrap(require_POST(self.fragment)), name=f"{info}_fragment"),
            path("evaluate/", wrap(require_POST(self.evaluate)), name=f"{info}_evaluate"),
            path("people/", wrap(self.people), name=f"{info}_people"),
            path("matrix/", wrap(self.matrix), name=f"{info}_matrix"),
            path("grid/", wrap(self.grid), name=f"{info}_grid"),
            path("grid/export/", wrap(self.grid_export), name=f"{info}_grid_export"),
            path("findings/", wrap(self.findings), name=f"{info}_findings"),
            path("accounts/", wrap(self.accounts), name=f"{info}_accounts"),
            path("<path:object_id>/decide/<str:what>/", wrap(self.decide), name=f"{info}_decide"),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Note which rules cannot be used, and when everybody was last looked at."""
        found: Any = super().get_changelist_instance(request)
        book = published()
        found.published = sum(not rule.by_request for rule in book.rules.values())
        found.stopped = len(book.stopped)
        found.evaluated_at = Evaluation.objects.values_list("evaluated_at", flat=True).first()
        for rule in found.result_list:
            rule.stopped = rule.pk in book.stopped
        return found

    @display(  # type: ignore[untyped-decorator]
        description="State",
        label={"Published": "success", "Cannot be used": "danger", "Being removed": "warning", "Draft": "default"},
    )
    def state(self, rule: Any) -> str:
        """Say whether it holds."""
        return state_of(rule, stopped=rule.stopped)

    @display(description="Gives")  # type: ignore[untyped-decorator]
    def gives(self, rule: BusinessRule) -> str:
        """Say what it gives."""
        held = [str(one) for one in rule.entitlements.all() if not one.ended]
        return ", ".join(held[:4]) + (f" and {len(held) - 4} more" if len(held) > 4 else "") or "Nothing"

    def get_actions(self, request: HttpRequest) -> Any:
        """Rules are published and removed one by one: each asks."""
        return {}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may remove rules; the admin's own page for it leads to the question."""
        return bool(super().has_delete_permission(request, obj))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask first what is to become of what the rule gave."""
        rule = self._rule(request, object_id)
        if not self.has_delete_permission(request, rule):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:rules_businessrule_decide", args=[rule.pk, "remove"]))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show an empty rule, or write it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._page(request, None, may_change=True)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one rule, or write it; that of a product has another page."""
        if object_id.isdecimal() and BusinessRule.objects.filter(pk=object_id, by_request=True).exists():
            return HttpResponseRedirect(reverse("admin:requests_product_change", args=[object_id]))
        rule = self._rule(request, object_id)
        may_change = self.has_change_permission(request, rule) and not rule.retired
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        return self._page(request, rule, may_change=may_change)

    def fragment(self, request: HttpRequest) -> HttpResponse:
        """Show the builder, or only its result, as a form has it now; nothing is written."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return builder.answer(request, reverse("admin:rules_businessrule_fragment"), _window(request.POST))

    def evaluate(self, request: HttpRequest) -> HttpResponse:
        """Look at everybody now."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        done = services.evaluate_rules(request.user.get_username())
        _tell(request, done)
        return HttpResponseRedirect(reverse("admin:rules_businessrule_changelist"))

    def decide(self, request: HttpRequest, object_id: str, what: str) -> HttpResponse:
        """Ask before a rule is published, taken back or removed, and do it."""
        rule = self._rule(request, object_id)
        allowed = {
            "publish": self.has_change_permission,
            "unpublish": self.has_change_permission,
            "remove": self.has_delete_permission,
        }
        if not allowed.get(what, self.has_change_permission)(request, rule):
            raise PermissionDenied
        if what not in allowed:
            raise Http404("There is no such question.")
        book = _book(rule)
        if request.method == "POST" and (what != "publish" or not book.stopped):
            return self._decided(request, rule, what)
        node = book.conditions.get(rule.pk, EVERYBODY)
        titles = {"publish": "Publish", "unpublish": "Take back", "remove": "Remove"}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{titles[what]} {rule.name}",
            "rule": rule,
            "what": what,
            "problems": book.stopped.get(rule.pk, []) if what == "publish" else [],
            "words": words(node, book.known),
            "found": count(node, (rule.days_before, rule.days_after), book.known) if what == "publish" else None,
            "gives": [str(one) for one in book.given.get(rule.pk, [])],
            "people": rule.people(),
        }
        return render(request, "provisioning/rules/decide.html", context)

    def _decided(self, request: HttpRequest, rule: BusinessRule, what: str) -> HttpResponse:
        actor = request.user.get_username()
        keep = request.POST.get("how") == "keep"
        if what == "publish":
            rules.publish(rule, actor)
        elif request.POST.get("how") not in ("keep", "revoke"):
            messages.error(request, "Choose what is to become of what the rule gave.")
            return HttpResponseRedirect(request.path)
        elif what == "unpublish":
            rules.unpublish(rule, actor, keep=keep)
        else:
            rules.remove(rule, actor, keep=keep)
        _tell(request, services.evaluate_rules(actor, look=what == "publish" and bool(request.POST.get("look"))))
        address = "admin:rules_businessrule_changelist"
        if what == "remove" or not BusinessRule.objects.filter(pk=rule.pk).exists():
            return HttpResponseRedirect(reverse(address))
        return HttpResponseRedirect(reverse("admin:rules_businessrule_change", args=[rule.pk]))

    def people(self, request: HttpRequest) -> HttpResponse:
        """Show who has something by a rule."""
        return self._shown(request, "people", overview.people(request.GET))

    def matrix(self, request: HttpRequest) -> HttpResponse:
        """Show which rule gives what to how many."""
        return self._shown(request, "matrix", overview.matrix())

    def grid(self, request: HttpRequest) -> HttpResponse:
        """Show people against what they have by rules."""
        return self._shown(request, "grid", grid.page(request.GET))

    def grid_export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Stream the same as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        lines = grid.csv_lines(grid.GridCriteria.of(request.GET))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="rules-{timezone.localdate().isoformat()}.csv"'
        return response

    def findings(self, request: HttpRequest) -> HttpResponse:
        """Show conflicts, rules that give nothing, and people whom no rule touches."""
        return self._shown(request, "findings", overview.findings(request.GET))

    def accounts(self, request: HttpRequest) -> HttpResponse:
        """Show who gets an account in each directory; a POST chooses the groups of one."""
        if request.method == "POST":
            if not self.has_change_permission(request) or not request.user.has_perm("directories.change_directory"):
                raise PermissionDenied
            overview.choose_groups(request)
            return HttpResponseRedirect(request.path)
        return self._shown(request, "accounts", overview.accounts(request))

    def _shown(self, request: HttpRequest, name: str, found: Mapping[str, Any]) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, **found}
        return render(request, f"provisioning/rules/{name}.html", context)

    def _rule(self, request: HttpRequest, object_id: str) -> BusinessRule:
        found = BusinessRule.objects.filter(pk=object_id, by_request=False) if object_id.isdecimal() else None
        rule = found.first() if found is not None else None
        if rule is None:
            raise Http404("There is no such rule.")
        if not self.has_view_permission(request, rule):
            raise PermissionDenied
        return rule

    def _page(self, request: HttpRequest, rule: BusinessRule | None, *, may_change: bool) -> HttpResponse:
        known = fields.known()
        errors: list[str] = []
        if request.method == "POST":
            rows = builder.posted(request.POST)
            draft, errors = _draft(request.POST, rule, rows, known)
            if not errors:
                saved = rules.save(rule, draft, request.user.get_username())
                follows = (
                    " It counts from the next evaluation on." if saved.published else " Publish it when it is ready."
                )
                messages.success(request, f"Saved.{follows}")
                return HttpResponseRedirect(reverse("admin:rules_businessrule_change", args=[saved.pk]))
            values, data = _typed(request.POST), request.POST
        else:
            node, values = _stored(rule)
            rows, data = builder.rows_of(node, known), QueryDict()
        stopped = _book(rule).stopped.get(rule.pk, []) if rule else []
        late = list(services.why_not_early(values["directories"]).values()) if rule and rule.days_before else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": rule.name if rule else "Add a rule",
            "rule": rule,
            "may_change": may_change,
            "may_delete": rule is not None and self.has_delete_permission(request, rule) and not rule.retired,
            "stopped": stopped,
            "late": late,
            "state": state_of(rule, stopped=bool(stopped) and rule.published) if rule else "",
            "errors": errors,
            "categories": giving.categories(by_request=False),
            **builder.built(rows, known, reverse("admin:rules_businessrule_fragment"), _window(data or values)),
            **giving.offered(values, known),
        }
        return render(request, "provisioning/rules/rule.html", context, status=422 if errors else 200)


def _window(data: Mapping[str, Any]) -> tuple[int, int]:
    """Return the days before and after that a form says."""
    before, after = (min(giving.number(data.get(name, "0")) or 0, MOST_DAYS) for name in ("days_before", "days_after"))
    return before, after


def _typed(data: QueryDict) -> dict[str, Any]:
    """Return what a form says, to be shown again."""
    names = ("name", "category", "position", "days_before", "days_after")
    return {**{name: data.get(name, "") for name in names}, **giving.typed(data)}


def _stored(rule: BusinessRule | None) -> tuple[Node, dict[str, Any]]:
    """Return the condition of a rule, and its values as a form has them."""
    held = rule or BusinessRule()
    names = ("name", "category", "position", "days_before", "days_after")
    values = {**{name: getattr(held, name) for name in names}, **giving.stored(rule)}
    try:
        return (from_json(held.condition) if rule else EVERYBODY), values
    except ValueError:
        return EVERYBODY, values


def _draft(data: QueryDict, rule: BusinessRule | None, rows: builder.Rows, known: Known) -> tuple[RuleDraft, list[str]]:
    """Return the rule that a form says, and what is wrong with it."""
    node, errors = builder.node_of(rows, known)
    errors = [*errors]
    name = data.get("name", "").strip()[:150]
    if not name:
        errors.append("Give the rule a name.")
    elif BusinessRule.objects.filter(name=name, by_request=False).exclude(pk=rule.pk if rule else 0).exists():
        errors.append(f"There is a rule {name} already. Choose another name.")
    numbers = {}
    for key, most in (("position", 1_000_000), ("days_before", MOST_DAYS), ("days_after", MOST_DAYS)):
        number = giving.number(data.get(key, ""))
        if number is None or number > most:
            errors.append(
                f"Write a number from 0 to {most:,} for {key.replace('_', ' ').replace('position', 'the order')}."
            )
        numbers[key] = number or 0
    given = giving.read(data, known)
    draft = RuleDraft(
        name=name,
        category=data.get("category", "").strip()[:80],
        condition=node,
        directories=given.directories,
        groups=given.groups,
        values=given.values,
        position=numbers["position"],
        days_before=numbers["days_before"],
        days_after=numbers["days_after"],
    )
    return draft, errors + given.errors


def _book(rule: BusinessRule) -> Book:
    given = Entitlement.objects.filter(rule=rule, ended=False).select_related("directory", "group")
    return book_of([rule], given)


def _tell(request: HttpRequest, done: AppliedNow | None) -> None:
    if done is None:
        messages.info(request, NOTHING if not looks.everybody_is_due(timezone.now()) else SOON)
        return
    address = reverse("admin:provisioning_importrun_change", args=[done.run.pk])
    said = "The plan waits for you." if done.run.preview else done.words
    messages.info(request, format_html(PLANNED, said, address))

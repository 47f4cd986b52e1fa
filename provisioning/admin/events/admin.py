"""Subscriptions to events: the list, the page of one, the log of its deliveries, and what was given up."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from directories.connectors.base import ConnectorError
from directories.encryption import is_lost
from provisioning.admin.events.form import SubscriptionForm
from provisioning.admin.states import counted
from provisioning.events import delivery, keys, subscriptions
from provisioning.events.kinds import KINDS, TEST
from provisioning.events.models import Attempt, EventDelivery, OutgoingEvent, SigningKey, Subscription
from reports.paging import CappedPaginator

FOLDER = "provisioning/events"
PAGE = 50
NAME = "events_subscription"
STATES = {"On": "success", "Takes nothing": "danger", "Switched off": "danger", "Off": "default"}


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):  # type: ignore[misc]
    """Who gets events: few rows, each with much to look at."""

    list_display = ("name", "address", "state", "waiting", "given_up", "last")
    list_display_links = ("name",)
    search_fields = ("name__icontains",)
    search_help_text = "Part of the name"
    ordering = ("name",)
    paginator = CappedPaginator
    show_full_result_count = False
    counted_as = "receivers"
    actions = None
    when_empty = (
        "No receiver yet. Add the address of a service that is to hear what happens to people, groups and accounts."
    )
    list_before_template = f"{FOLDER}/before.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the log, what was given up, and the buttons."""
        wrap, one = self.admin_site.admin_view, "<int:object_id>"
        posts: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            f"{one}/test/": ("test", self.test),
            f"{one}/switch/": ("switch", self.switch),
            f"{one}/try/": ("try", self.try_now),
            f"{one}/show/": ("show", self.show),
            f"{one}/rotate/": ("rotate", self.rotate),
            f"{one}/again/": ("again", self.again),
            f"{one}/given-up/decide/": ("decide", self.decide),
            "new-key/": ("new_key", self.new_key),
        }
        return [
            *(path(route, wrap(require_POST(view)), name=f"{NAME}_{name}") for route, (name, view) in posts.items()),
            path(f"{one}/log/", wrap(self.log), name=f"{NAME}_log"),
            path(f"{one}/given-up/", wrap(self.given_up_view), name=f"{NAME}_given_up"),
            *super().get_urls(),
        ]

    # --- The list ----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Bring along whether something was given up."""
        parked = EventDelivery.objects.filter(subscription=OuterRef("pk"), parked__isnull=False)
        return Subscription.objects.annotate(has_given_up=Exists(parked))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Take no filter from the address: one could ask for what is hidden of a receiver's."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show where the keys of security event tokens are."""
        extra = {
            "title": "Events",
            "keys_address": request.build_absolute_uri(reverse("event_keys")),
            "signing": SigningKey.objects.exists(),
            "may_change": self.has_change_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, extra)  # type: ignore[no-any-return]

    @display(description="Address")  # type: ignore[untyped-decorator]
    def address(self, one: Subscription) -> str:
        """Return where it is, without what may be secret in it."""
        return subscriptions.shown_address(one.url)

    @display(description="State", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, one: Subscription) -> str:
        """Return whether events go out."""
        return state_of(one)

    @display(description="Waiting")  # type: ignore[untyped-decorator]
    def waiting(self, one: Subscription) -> str:
        """Return how many events are still to go."""
        return counted(one.deliveries.filter(parked=None))

    @display(description="Given up")  # type: ignore[untyped-decorator]
    def given_up(self, one: Any) -> str:
        """Return how many events were given up."""
        if not one.has_given_up:
            return "0"
        return format_html('<span class="rc-wrong">{}</span>', counted(one.deliveries.filter(parked__isnull=False)))

    @display(description="Last try")  # type: ignore[untyped-decorator]
    def last(self, one: Subscription) -> str:
        """Return when something was sent last."""
        at = Attempt.objects.filter(subscription=one).order_by("-pk").values_list("at", flat=True).first()
        return timezone.localtime(at).strftime("%Y-%m-%d %H:%M") if at else "never"

    # --- One subscription --------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show an empty subscription, or add it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._page(request, Subscription(), may_change=True)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one subscription, or change it."""
        pk = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0
        with transaction.atomic():
            one = self._one(request, pk, lock=request.method == "POST")
            may_change = self.has_change_permission(request, one)
            if request.method == "POST" and not may_change:
                raise PermissionDenied
            return self._page(request, one, may_change=may_change)

    def delete_model(self, request: HttpRequest, obj: Subscription) -> None:
        """Delete a subscription with what waits for it."""
        subscriptions.remove(obj, request.user.get_username())

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Tell the consequences in words; Django would load and list every delivery."""
        words = "{} gets no events any more. What waits for it goes, and so does the log of its deliveries."
        return [words.format(one) for one in objs], {}, set(), []

    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send one event that tells of nothing, now."""
        one = self._one(request, object_id, change=True)
        actor = request.user.get_username()
        event = OutgoingEvent.objects.create(kind=TEST, subject="portal", actor=actor, told=True, only=one)
        try:
            tried = delivery.test(one, event)
        except ConnectorError as error:
            messages.error(request, error.message)
            return self._back(one)
        if tried.taken:
            messages.success(request, f"{one} took the test event ({tried.status}, {tried.milliseconds:,} ms).")
        else:
            messages.error(request, f"{one} did not take the test event. {tried.words}")
        return self._back(one)

    def switch(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Switch it on or off."""
        one = self._one(request, object_id, change=True)
        subscriptions.switch(one, not one.enabled, request.user.get_username())
        soon = f"What happens is sent within {settings.EVENTS_LOOK_SECONDS:.0f} seconds from now on."
        said = soon if one.enabled else "What waits stays. Nothing is sent, or added."
        messages.success(request, f"{one} is {'on' if one.enabled else 'off'}. {said}")
        return self._back(one)

    def try_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask a receiver that could not be reached now."""
        one = self._one(request, object_id, change=True)
        subscriptions.try_now(one)
        messages.success(request, f"{one} is tried now. The log shows how that ends.")
        return self._back(one)

    def show(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show the secret; the report says who looked."""
        one = self._one(request, object_id, change=True)
        secret = subscriptions.show_secret(one, request.user.get_username())
        return self._page(request, one, may_change=True, secret=secret)

    def rotate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Make a new secret and show it."""
        one = self._one(request, object_id, change=True)
        secret = subscriptions.rotate_secret(one, request.user.get_username())
        return self._page(request, one, may_change=True, secret=secret)

    def new_key(self, request: HttpRequest) -> HttpResponse:
        """Make a new key for security event tokens."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        made = keys.rotate(request.user.get_username())
        when = timezone.localtime(made.signs_from).strftime("%H:%M")
        messages.success(request, f"A new key is published. It signs from {when} on; the one before stays for a week.")
        return HttpResponseRedirect(reverse(f"admin:{NAME}_changelist"))

    # --- The log, and what was given up ------------------------------------------------------------------------------

    def log(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what was sent, the newest first."""
        one = self._one(request, object_id)
        rows = Attempt.objects.filter(subscription=one).order_by("-pk")
        which = "failed" if request.GET.get("which") == "failed" else ""
        if which:
            rows = rows.filter(taken=False)
        return self._list(request, one, "log", rows, f"Log of {one}", which=which, before="pk__lt")

    def again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send events of the log once more."""
        one = self._one(request, object_id, change=True)
        chosen = Attempt.objects.filter(subscription=one, pk__in=_ids(request, "attempt"))
        number = subscriptions.send_again(chosen, request.user.get_username())
        if number:
            messages.success(request, f"{_events(number)} sent again, with the same id.")
        else:
            messages.warning(request, "Nothing was chosen, or it is older than what the portal keeps.")
        return HttpResponseRedirect(reverse(f"admin:{NAME}_log", args=[one.pk]))

    def given_up_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what was given up, the oldest first."""
        one = self._one(request, object_id)
        rows = one.deliveries.filter(parked__isnull=False).select_related("event").order_by("pk")
        return self._list(request, one, "given_up", rows, f"Given up for {one}", before="pk__gt")

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send what was given up once more, or drop it."""
        one = self._one(request, object_id, change=True)
        chosen = one.deliveries.filter(parked__isnull=False)
        if not request.POST.get("all"):
            chosen = chosen.filter(pk__in=_ids(request, "delivery"))
        actor = request.user.get_username()
        if not chosen.exists():
            messages.warning(request, "Nothing was chosen.")
        elif request.POST.get("action") == "drop":
            number = subscriptions.drop_given_up(chosen, actor)
            messages.success(request, f"{_events(number)} dropped.")
        else:
            number = chosen.count()
            subscriptions.retry_given_up(chosen, actor)
            messages.success(request, f"{_events(number)} tried again now, in order.")
        return HttpResponseRedirect(reverse(f"admin:{NAME}_given_up", args=[one.pk]))

    # --- Parts -------------------------------------------------------------------------------------------------------

    def _page(self, request: HttpRequest, one: Subscription, *, may_change: bool, secret: str = "") -> HttpResponse:
        posted = request.method == "POST" and "_save" in request.POST
        form = SubscriptionForm(request.POST if posted else None, instance=one)
        if not may_change:
            form.initial["url"] = subscriptions.shown_address(one.url)
        if posted and form.is_valid():
            held, new = form.filled(), one.pk is None
            subscriptions.save(held, request.user.get_username())
            follows = " Give the receiver its secret, and send a test event." if new else ""
            messages.success(request, f"Saved.{follows}")
            return self._back(held)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": one.name if one.pk else "Add a receiver of events",
            "one": one,
            "form": form,
            "state": state_of(one) if one.pk else "",
            "may_change": may_change,
            "may_delete": one.pk is not None and self.has_delete_permission(request, one),
            "secret": secret,
            "lost": one.pk is not None and is_lost(one, "secrets"),
            "last_words": _last_words(one) if one.failing_since else "",
            "overlaps": one.previous_until is not None and one.previous_until > timezone.now(),
            "given_up": counted(one.deliveries.filter(parked__isnull=False)) if one.pk else "0",
            "waiting": counted(one.deliveries.filter(parked=None)) if one.pk else "0",
            "keys_address": request.build_absolute_uri(reverse("event_keys")),
        }
        return render(request, f"{FOLDER}/subscription.html", context, status=422 if form.errors else 200)

    def _list(
        self, request: HttpRequest, one: Subscription, name: str, rows: QuerySet[Any], title: str, **more: Any
    ) -> HttpResponse:
        after = request.GET.get("after", "")
        if after.isdecimal() and len(after) < 19:
            rows = rows.filter(**{more["before"]: int(after)})
        found = list(rows[: PAGE + 1])
        which = f"which={more['which']}&" if more.get("which") else ""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "one": one,
            "rows": found[:PAGE],
            "labels": KINDS,
            "may_change": self.has_change_permission(request, one),
            "first_url": f"?{which}" if after else "",
            "next_url": f"?{which}after={found[PAGE - 1].pk}" if len(found) > PAGE else "",
            **more,
        }
        return render(request, f"{FOLDER}/{name}.html", context)

    def _one(self, request: HttpRequest, pk: int, *, change: bool = False, lock: bool = False) -> Subscription:
        every = Subscription.objects.select_for_update() if lock else Subscription.objects
        one = every.filter(pk=pk).first()
        allowed = self.has_change_permission if change else self.has_view_permission
        if not allowed(request, one):
            raise PermissionDenied
        if one is None:
            raise Http404("There is no such receiver.")
        return one

    def _back(self, one: Subscription) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[one.pk]))


def state_of(one: Subscription) -> str:
    """Return whether events go out to a subscription."""
    if not one.enabled:
        return "Switched off" if one.stopped_because else "Off"
    return "Takes nothing" if one.unreachable_since or one.failing_since else "On"


def _last_words(one: Subscription) -> str:
    """Return what became of the last try that was not taken."""
    failed = Attempt.objects.filter(subscription=one, taken=False).order_by("-pk")
    return failed.values_list("words", flat=True).first() or "The log says what it answers."


def _ids(request: HttpRequest, name: str) -> list[int]:
    return [int(pk) for pk in request.POST.getlist(name) if pk.isdecimal() and len(pk) < 19]


def _events(number: int) -> str:
    return "1 event is" if number == 1 else f"{number:,} events are"

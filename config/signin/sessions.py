"""The sessions of people: which there are, and how they end before their time."""

from collections.abc import Collection
from importlib import import_module
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db.models import QuerySet


def of(user: Any) -> list[UserSession]:
    """Return the sessions of somebody that still open pages, the newest first."""
    return sorted(UserSession.objects.purge_and_list(user), key=lambda session: session.created_at, reverse=True)


def end(rows: "QuerySet[UserSession]") -> int:
    """End sessions; return how many that were."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    keys = list(rows.values_list("session_key", flat=True))
    store.get_model_class().objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def end_all(user_ids: Collection[int]) -> int:
    """End every session of people; return how many that were."""
    return end(UserSession.objects.filter(user_id__in=user_ids))


def browser(agent: str) -> str:
    """Return the browser and the system that a User-Agent header names, as people say it."""
    browsers = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = {
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Android": "Android",
        "Windows": "Windows",
        "Mac OS X": "macOS",
        "Linux": "Linux",
    }
    what = next((name for sign, name in browsers.items() if sign in agent), "")
    where = next((name for sign, name in systems.items() if sign in agent), "")
    return " on ".join(filter(None, (what, where))) or "An unknown browser"

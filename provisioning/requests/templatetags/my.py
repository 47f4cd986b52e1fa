"""What the pages under /my/ need of templates."""

from dataclasses import dataclass
from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

register = template.Library()

PAGES = (
    ("My access", "home", "my:home"),
    ("Catalogue", "storefront", "my:catalogue"),
    ("Requests", "assignment", "my:requests"),
    ("Approvals", "task_alt", "my:approvals"),
    ("Team", "groups", "my:team"),
    ("Account", "person", "my_account"),
)


@dataclass(frozen=True, slots=True)
class MyPage:
    """An entry of the navigation."""

    title: str
    icon: str
    link: str
    here: bool


@register.simple_tag(takes_context=True)
def my_pages(context: dict[str, Any]) -> list[MyPage]:
    """Return the navigation under /my/; of the entries whose address the page's begins with, the longest is here.

    The pages of one's own sign-in, which say which of them is ``here``, all belong to the account.
    """
    request: HttpRequest = context["request"]
    links = [(title, icon, link) for title, icon, name in PAGES if (link := _link(name))]
    path = _link("my_account") if context.get("here") else request.path
    here = max((link for _, _, link in links if path.startswith(link)), key=len, default="")
    return [MyPage(title, icon, link, link == here) for title, icon, link in links]


def _link(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""

"""What the pages under /my/ share."""

from collections.abc import Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from provisioning.models import User
from provisioning.requests import rights

PAGE = 30


def page(request: HttpRequest, name: str, title: str, found: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Show a page under /my/."""
    return render(request, f"my/{name}.html", {"title": title, **found}, status=status)


def me(request: HttpRequest) -> User:
    """Return who looks; the pages ask for sign-in first."""
    assert isinstance(request.user, User)
    return request.user


def person_of(request: HttpRequest, wanted: str) -> User:
    """Return whom a page is about: who looks, or a person whom they may ask for; others are not found."""
    mine = me(request)
    if not wanted:
        return mine
    person = User.objects.filter(pk=wanted).first() if wanted.isdecimal() and len(wanted) < 19 else None
    if person is None or not rights.may_ask_for(mine, person):
        raise Http404("There is nobody of that number whom you may ask for.")
    return person


def part(rows: "QuerySet[Any]", request: HttpRequest) -> Any:
    """Return one page of rows, by ``?page=``."""
    return Paginator(rows, PAGE).get_page(request.GET.get("page"))

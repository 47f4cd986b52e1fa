"""The pages under /my/: each person sees their own, and what is somebody else's is not found."""

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from provisioning.models import User
from provisioning.requests import links, mails
from provisioning.requests.models import ApproverKind, Product, ProductRequest, RequestState, StepState, Substitute
from provisioning.rules.models import Holding
from tests.provisioning.requests.conftest import approve, ask, group, others, person, product, step_of

pytestmark = pytest.mark.django_db

Browser = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def text_of(answer: HttpResponse) -> str:
    """Return the words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.mark.heavy
def test_from_the_catalogue_to_having_it_by_the_pages(browser_of: Browser) -> None:
    others(200)
    boss = person("boss")
    ada = person("ada", manager=boss)
    fields = [
        {"label": "Which ward?", "kind": "choice", "choices": ["A", "B"], "required": True},
        {"label": "From when?", "kind": "date"},
    ]
    wanted = product("VPN", group("VPN"), fields=fields, text="Work from home.", risk="Opens the network.", days=30)
    mine, theirs = browser_of(ada), browser_of(boss)
    page = text_of(mine.get(reverse("my:catalogue")))
    assert "VPN" in page
    assert "Work from home." in page
    address = reverse("my:product", args=[wanted.pk])
    assert "Opens the network." in text_of(mine.get(address))
    wrong = mine.post(address, {"field_0": "C", "field_1": "soon"})
    assert wrong.status_code == 422
    assert not ProductRequest.objects.exists()
    answer = mine.post(address, {"field_0": "B", "field_1": "2026-12-01", "reason": "Nights"}, follow=True)
    one = ProductRequest.objects.get()
    assert one.answers == [["Which ward?", "B"], ["From when?", "2026-12-01"]]
    assert "Waiting for Boss (boss) (manager)." in text_of(answer)
    assert "VPN for Ada (ada)" in text_of(theirs.get(reverse("my:approvals")))
    decide = reverse("my:approval", args=[step_of(one).pk])
    assert "Which ward? B" in text_of(theirs.get(decide))
    assert theirs.post(decide, {"decision": "refuse", "reason": ""}).status_code == 409
    assert theirs.post(decide, {}).status_code == 409
    theirs.post(decide, {"decision": "approve"})
    assert "Done." in text_of(mine.get(reverse("my:request", args=[one.pk])))
    assert "Done." in text_of(mine.get(reverse("my:home")))
    assert "Has VPN." in text_of(theirs.get(reverse("my:team")))
    mine.post(reverse("my:return", args=[Holding.objects.get().pk]))
    one.refresh_from_db()
    assert one.state == RequestState.RETURNED


@pytest.mark.heavy
def test_what_is_somebody_elses_is_not_found(browser_of: Browser) -> None:
    """Every address that names an object, as a stranger, read and written."""
    boss, stranger = person("boss"), person("stranger")
    ada = person("ada", manager=boss)
    guards = group("Guards")
    hidden = product("Hidden", audience="groups", groups=[guards.pk], picture=PNG)
    wanted = product("VPN", steps=[ApproverKind.MANAGER, ApproverKind.MANAGER])
    one = ask(wanted, ada)
    given = ask(product("Other"), ada)
    approve(given, boss)
    held = Holding.objects.get()
    today = timezone.localdate()
    away = Substitute.objects.create(user=boss, substitute=ada, starts=today, ends=today)
    client = browser_of(stranger)
    for name, pk in (
        ("product", hidden.pk),
        ("picture", hidden.pk),
        ("request", one.pk),
        ("withdraw", one.pk),
        ("approval", step_of(one).pk),
        ("return", held.pk),
    ):
        for method in (client.get, client.post):
            answer = method(reverse(f"my:{name}", args=[pk]), {"decision": "approve"})
            assert answer.status_code in (404, 405), name
    for name in ("home", "catalogue"):
        assert client.get(reverse(f"my:{name}"), {"for": ada.pk}).status_code == 404
    assert client.get(reverse("my:product", args=[wanted.pk]), {"for": ada.pk}).status_code == 404
    assert client.post(reverse("my:product", args=[wanted.pk]), {"for": ada.pk}).status_code == 404
    assert client.post(reverse("my:substitutes"), {"remove": away.pk}).status_code == 404
    assert "q=" not in client.get(reverse("my:team"), {"q": "ada"}).content.decode()
    assert "Ask for Ada" not in text_of(client.get(reverse("my:team"), {"q": "ada"}))
    one.refresh_from_db()
    assert (one.state, Holding.objects.count(), Substitute.objects.count()) == (RequestState.WAITING, 1, 1)
    assert "Hidden" not in text_of(client.get(reverse("my:catalogue")))


def test_nobody_opens_them_without_signing_in(client: Client) -> None:
    for name in ("home", "catalogue", "requests", "approvals", "team", "substitutes"):
        answer = client.get(reverse(f"my:{name}"))
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/")
    assert client.get(reverse("my:decide", args=["x"])).status_code == 302


@pytest.mark.heavy
def test_links_decide_nothing_alone_and_only_for_whom_they_were_made(browser_of: Browser, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    boss = person("boss", email="boss@example.org")
    ada = person("ada", manager=boss)
    one = ask(product("VPN"), ada)
    mails.send_due()
    address = re.search(r"Approve: http\S+?(/my/decide/\S+)", mail.outbox[0].body)
    assert address
    link = address[1]
    theirs = browser_of(boss)
    assert Client().get(link).status_code == 302, "it asks for sign-in first"
    assert browser_of(ada).get(link).status_code == 403, "it is for somebody else"
    assert browser_of(ada).post(link, {"decision": "approve"}).status_code == 403
    assert theirs.get(link).status_code == 200
    assert step_of(one).state == StepState.OPEN, "opening it decides nothing"
    for changed in (link[:-2] + ("a/" if link[-2] != "a" else "b/"), "/my/decide/nonsense/", link[:40] + "/"):
        assert theirs.post(changed, {"decision": "approve"}).status_code == 404
    forged = links.address(step_of(one).pk, boss.pk, "approve").partition("/my/")[2].replace(":", ".", 1)
    assert theirs.post(f"/my/{forged}", {"decision": "approve"}).status_code == 404
    assert step_of(one).state == StepState.OPEN
    assert theirs.post(link, {"decision": "approve"}).status_code == 302
    again = theirs.post(link, {"decision": "refuse", "reason": "No"})
    assert again.status_code == 409
    assert "decided already: Approved by Boss (boss)." in text_of(again)
    one.refresh_from_db()
    assert one.state == RequestState.GRANTED


def test_a_form_without_its_token_changes_nothing(browser_of: Browser) -> None:
    boss = person("boss")
    one = ask(product("VPN"), person("ada", manager=boss))
    client = Client(enforce_csrf_checks=True)
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse("my:approval", args=[step_of(one).pk]), {"decision": "approve"})
    assert answer.status_code == 403
    assert step_of(one).state == StepState.OPEN


@pytest.mark.heavy
def test_managers_and_the_helpdesk_ask_for_others(browser_of: Browser) -> None:
    from django.contrib.auth.models import Group as Role

    top = person("top")
    boss = person("boss", manager=top)
    ada = person("ada", manager=boss)
    wanted = product("VPN")
    address = reverse("my:product", args=[wanted.pk])
    browser_of(boss).post(address, {"for": ada.pk, "reason": "New here"})
    one = ProductRequest.objects.get()
    assert (one.person, one.asked_by) == (ada, boss)
    assert "for ada" in text_of(browser_of(ada).get(reverse("my:requests"))).lower()
    helper = person("helper", is_staff=True)
    helper.groups.add(Role.objects.get(name="Helpdesk"))
    client = browser_of(helper)
    assert "Ask for Ada (ada)" in text_of(client.get(reverse("my:team"), {"q": "ada"}))
    client.post(reverse("my:withdraw", args=[one.pk]))
    one.refresh_from_db()
    assert one.state == RequestState.WITHDRAWN
    client.post(address, {"for": ada.pk})
    assert ProductRequest.objects.latest("pk").asked_by == helper


def test_substitutes_are_named_and_taken_back(browser_of: Browser) -> None:
    boss, other = person("boss"), person("other")
    client = browser_of(boss)
    address = reverse("my:substitutes")
    for data, words in (
        ({"username": "nobody", "starts": "2026-12-01", "ends": "2026-12-02"}, "nobody of that user name"),
        ({"username": "boss", "starts": "2026-12-01", "ends": "2026-12-02"}, "This is you"),
        ({"username": "other", "starts": "2026-12-03", "ends": "2026-12-02"}, "before the first"),
    ):
        answer = client.post(address, data)
        assert answer.status_code == 422
        assert words in text_of(answer)
    client.post(address, {"username": "OTHER", "starts": "2099-12-01", "ends": "2099-12-02"})
    held = Substitute.objects.get()
    assert held.substitute == other
    assert "Other (other)" in text_of(client.get(address))
    client.post(address, {"remove": held.pk})
    assert not Substitute.objects.exists()


def test_the_picture_is_what_it_says(browser_of: Browser) -> None:
    wanted = product("VPN", picture=PNG)
    answer = browser_of(person("ada")).get(reverse("my:picture", args=[wanted.pk]))
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert Product.objects.get().picture_type == "image/png"


@pytest.mark.heavy
def test_the_number_of_queries_does_not_grow_with_the_lists(browser_of: Browser) -> None:
    boss = person("boss")
    wanted = [product(f"Product {number}", group(f"G{number}")) for number in range(3)]
    conditions = product("For nurses", audience="condition")
    assert conditions.audience == "condition"
    for number in range(4):
        ada = person(f"ada{number}", manager=boss)
        for one in wanted:
            ask(one, ada)
    client = browser_of(boss)
    names = ("home", "catalogue", "requests", "approvals", "team")
    first = {name: _queries(client, name) for name in names}
    more = [product(f"More {number}", group(f"H{number}")) for number in range(5)]
    for number in range(4, 12):
        ada = person(f"ada{number}", manager=boss)
        for one in (*wanted, *more):
            ask(one, ada)
    assert {name: _queries(client, name) for name in names} == first


def _queries(client: Client, name: str) -> int:
    with CaptureQueriesContext(connection) as found:
        assert client.get(reverse(f"my:{name}")).status_code == 200
    return len(found)

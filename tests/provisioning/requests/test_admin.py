"""Products and requests in the admin: written by the form, refused with words, and ended by the helpdesk."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from provisioning.models import User
from provisioning.requests.models import Product, ProductRequest, RequestState
from provisioning.rules.models import BusinessRule, Holding
from tests.provisioning.requests.conftest import approve, ask, department, group, members, others, person, product
from tests.provisioning.requests.test_pages import text_of

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
ADD = "admin:requests_product_add"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def form(**values: Any) -> dict[str, Any]:
    """Return what the form of a product sends."""
    blank: dict[str, Any] = {"name": "VPN", "position": "50", "offered": "1", "audience": "everyone", "mode": "rows"}
    steps = {
        "step_kind": ["manager", "person", "", ""],
        "step_who": ["", "owner", "", ""],
        "step_remind": ["3", "2", "3", "3"],
        "step_raise": ["7", "4", "7", "7"],
    }
    fields = {"field_label": ["Ward"], "field_kind": ["choice"], "field_choices": ["A; B"], "field_required": ["yes"]}
    return {**blank, **steps, **fields, **values}


@pytest.mark.heavy
def test_a_product_is_written_and_shown_again(root: Client) -> None:
    owner = person("owner")
    department("Care")
    vpn, guards = group("VPN"), group("Guards")
    picture = SimpleUploadedFile("vpn.png", PNG, content_type="image/png")
    data = form(
        category="Network",
        text="From home.",
        risk="Opens the network.",
        owner="OWNER",
        department="Care",
        groups="VPN",
        audience="groups",
        seen_by="Guards",
        days="30",
        most="5",
        renewable="1",
        picture=picture,
    )
    root.post(reverse(ADD), data)
    one = Product.objects.get()
    assert (one.name, one.rule.category, one.owner, one.days, one.most) == ("VPN", "Network", owner, 30, 5)
    assert [entitlement.group for entitlement in one.rule.entitlements.all()] == [vpn]
    assert list(one.seen_by.all()) == [guards]
    assert [(step.kind, step.person, step.remind, step.escalate) for step in one.steps.all()] == [
        ("manager", None, 3, 7),
        ("person", owner, 2, 4),
    ]
    assert one.fields == [{"label": "Ward", "kind": "choice", "required": True, "choices": ["A", "B"]}]
    assert (one.picture_type, one.until_disabled) == ("image/png", False)
    page = root.get(reverse("admin:requests_product_change", args=[one.pk])).content.decode()
    for words in ('value="owner"', "A; B", "Guards", "From home.", 'value="30"'):
        assert words in page
    assert "VPN" in text_of(root.get(reverse("admin:requests_product_changelist")))
    leads = root.get(reverse("admin:rules_businessrule_change", args=[one.pk]))
    assert leads["Location"] == reverse("admin:requests_product_change", args=[one.pk])
    assert "VPN" not in text_of(root.get(reverse("admin:rules_businessrule_changelist")))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "Give the product a name."),
        ({"step_kind": ["", "", "", ""]}, "Choose at least one step"),
        ({"step_who": ["", "nobody", "", ""]}, "There is no user nobody."),
        ({"step_kind": ["condition", "", "", ""], "step_who": ["user.nothing eq 1", "", "", ""]}, "There is no field"),
        ({"step_kind": ["group", "", "", ""], "step_who": ["Nowhere", "", "", ""]}, "There is no group Nowhere"),
        ({"step_remind": ["0", "2", "3", "3"]}, "write the days as numbers"),
        ({"audience": "groups"}, "Name the groups"),
        ({"days": "0"}, "The time limit is from 1"),
        ({"most": "0"}, "The maximum number is at least 1"),
        ({"field_choices": [""]}, "write what can be chosen"),
        ({"department": "Nowhere"}, "There is no department Nowhere"),
        ({"picture": SimpleUploadedFile("x.svg", b"<svg onload=alert(1)>")}, "neither PNG, JPEG, GIF nor WebP"),
        ({"picture": SimpleUploadedFile("x.png", PNG + b"0" * 300_000)}, "The picture is larger than 256 KB"),
    ],
)
def test_what_cannot_be_is_refused_with_words(root: Client, values: dict[str, Any], words: str) -> None:
    person("owner")
    answer = root.post(reverse(ADD), form(**values))
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not Product.objects.exists()
    assert not BusinessRule.objects.exists()


@pytest.mark.heavy
def test_removing_asks_and_the_helpdesk_ends_requests(root: Client, browser_of: Callable[[User], Client]) -> None:
    others(200)
    boss = person("boss")
    ada, ben = person("ada", manager=boss), person("ben", manager=boss)
    vpn = group("VPN")
    wanted = product("VPN", vpn)
    given, waiting = ask(wanted, ada), ask(wanted, ben)
    approve(given, boss)
    helper = person("helper", is_staff=True)
    helper.groups.add(Role.objects.get(name="Helpdesk"))
    help_desk = browser_of(helper)
    page = text_of(help_desk.get(reverse("admin:requests_productrequest_changelist")))
    assert "Boss (boss) (manager)" in page
    for one in (given, waiting):
        help_desk.post(reverse("admin:requests_productrequest_end", args=[one.pk]))
        one.refresh_from_db()
    assert (given.state, waiting.state) == (RequestState.RETURNED, RequestState.WITHDRAWN)
    assert (members(vpn), Holding.objects.count()) == (set(), 0)
    approve(ask(wanted, ada), boss)
    address = reverse("admin:requests_product_remove", args=[wanted.pk])
    assert "1 person has something by it now" in text_of(root.get(address))
    root.post(address, {})
    assert Product.objects.exists(), "it was not said what is to become of it"
    root.post(address, {"how": "revoke"})
    assert (members(vpn), Product.objects.exists()) == (set(), False)
    assert ProductRequest.objects.count() == 3


def test_start_says_what_waits_for_who_looks(root: Client) -> None:
    boss = User.objects.get(username="root")
    ask(product("VPN"), person("ada", manager=boss))
    assert "1 request waits for your decision" in text_of(root.get("/"))

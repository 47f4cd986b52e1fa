"""Every address of the REST API, by every role, with every scope: nobody gets more by a token than they have."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern

from provisioning.api.access import Endpoint
from provisioning.api.resources import ApiResource
from provisioning.api.urls import urlpatterns
from provisioning.models import Group, Membership, User
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from provisioning.tokens.families import FAMILIES, WRITTEN
from provisioning.tokens.issuing import READ
from provisioning.tokens.models import ApiToken
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import EVERYTHING, Program, of_service, personal

pytestmark = pytest.mark.django_db
ROLES = {"S": "", "I": IT_STAFF, "H": HELPDESK, "A": AUDITOR}
METHODS = ("get", "post", "patch", "delete")
SEEN_BY_ALL = (
    "users",
    "groups",
    "memberships",
    "events",
    "departments",
    "locations",
    "contracts",
    "products",
    "requests",
)
# Whoever is asked decides, and nobody else: no service does.
IN_PERSON = [("post", f"requests/<int:pk>/{name}") for name in ("approve", "refuse")]
CHANGED_BY = {
    ("patch", "users/<int:pk>"): "SI",
    ("delete", "users/<int:pk>"): "SI",
    ("patch", "groups/<int:pk>"): "SI",
    ("delete", "groups/<int:pk>"): "SI",
    ("delete", "memberships/<int:pk>"): "SI",
    **dict.fromkeys(IN_PERSON, "SIHA"),
}


def operations() -> Iterator[tuple[str, str, Any]]:
    """Yield method, route and view of everything that takes a token of the API."""
    for entry in urlpatterns:
        view = getattr(entry.callback, "cls", None) if isinstance(entry, URLPattern) else None
        if view is not None and issubclass(view, ApiResource):
            for method in METHODS:
                if getattr(view, method, None):
                    yield method, str(entry.pattern), view


def allowed(method: str, route: str) -> str:
    """Return the letters of the roles that may."""
    if method != "get":
        return CHANGED_BY.get((method, route), "SI")
    name = route.partition("/")[0]
    return "SA" if name == "evidence" else "SIHA" if name in SEEN_BY_ALL else "SIA"


def ask(program: Program, method: str, route: str) -> int:
    address = route.replace("<int:pk>", "0")
    return int(program.ask(method, address, None if method == "get" else {}).status_code)


def test_there_is_something_to_ask() -> None:
    found = list(operations())
    assert len(found) > 55
    assert {view.family for _, _, view in found} | {"passwords"} == FAMILIES.keys()
    assert {view.family for method, _, view in found if method != "get"} | {"passwords"} == WRITTEN
    assert all(issubclass(view, Endpoint) and view.family in FAMILIES for _, _, view in found)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["personal", "service"])
@pytest.mark.parametrize("letter", "SIHA")
def test_a_token_gives_what_its_role_has_and_its_scopes_say(letter: str, kind: str, uncounted: None) -> None:
    if letter == "S" and kind == "service":
        pytest.skip("no service is a superuser")
    owner = roll.staff(ROLES[letter], "somebody")
    scopes = {"all": EVERYTHING, "read": dict.fromkeys(FAMILIES, READ), "none": {}}
    programs = {
        name: personal(owner, found, name) if kind == "personal" else of_service(ROLES[letter], found, name)
        for name, found in scopes.items()
    }
    wrong = []
    for method, route, _ in operations():
        may = letter in allowed(method, route) and not (kind == "service" and (method, route) in IN_PERSON)
        expected = {"all": may, "read": may and method == "get", "none": False}
        for name, program in programs.items():
            status = ask(program, method, route)
            if status >= 500 or (status != 403) != expected[name]:
                wrong.append(f"{method} {route} with scope {name}: {status}")
    assert not wrong, "\n".join(wrong)


def test_a_refused_request_changes_nothing() -> None:
    member = Membership.objects.create(group=Group.objects.create(name="Nurses"), user=roll.person("anna"))
    helpdesk = personal(roll.staff(HELPDESK, "hilda"))
    before = [model.objects.count() for model in (User, Group, Membership, ApiToken)]
    for method, address in (
        ("delete", f"users/{member.user_id}"),
        ("patch", f"users/{member.user_id}"),
        ("delete", f"groups/{member.group_id}"),
        ("delete", f"memberships/{member.pk}"),
        ("post", "memberships"),
    ):
        body = {"group": member.group_id, "user": User.objects.get(username="hilda").pk, "is_active": False}
        assert helpdesk.ask(method, address, body).status_code == 403
    assert [model.objects.count() for model in (User, Group, Membership, ApiToken)] == before
    assert User.objects.get(username="anna").is_active

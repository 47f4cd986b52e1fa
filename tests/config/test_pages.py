"""Error pages in the house's look, and the headers of every answer."""

import re

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views import defaults

from provisioning.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_user("new", is_staff=True, provisioned=False))
    return client


def test_no_such_page(staff: Client) -> None:
    response = staff.get("/no/such/page/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()
    assert 'href="/"' in response.content.decode()


@pytest.mark.parametrize("asked", ["/admin/", "/admin/?next=%2Fuser%2F&a=1"])
def test_the_usual_address_of_an_admin_leads_to_the_start_page(client: Client, asked: str) -> None:
    response = client.get(asked)
    assert (response.status_code, response["Location"]) == (302, asked.replace("/admin/", "/"))


def test_not_for_this_role(staff: Client) -> None:
    response = staff.get("/reports/event/")
    assert response.status_code == 403
    text = response.content.decode()
    assert "This page is not for your role" in text
    assert "You are signed in as new" in text


def test_a_fault_shows_nothing_of_the_inside(rf: RequestFactory) -> None:
    response = defaults.server_error(rf.get("/"))
    assert response.status_code == 500
    assert "Something went wrong in the portal" in response.content.decode()


def test_an_old_form_is_explained() -> None:
    response = Client(enforce_csrf_checks=True).post("/login/", {"login": "x", "password": "y"})
    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()


POLICY = {  # scripts come from the portal's own files only: none stands in a page, and no nonce lets one in
    "default-src 'self'",
    "script-src 'self' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize(
    "path", ["/login/", "/", "/healthz", "/no/such/page/", "/scim/no/such/page/", "/scim/v2/Users", "/scim/v2"]
)
def test_headers(client: Client, path: str) -> None:
    response = client.get(path)
    assert set(response["Content-Security-Policy"].split("; ")) == POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def test_signing_in_leads_to_the_start_page(client: Client) -> None:
    User.objects.create_user("root", "pw-Long-1", is_staff=True, provisioned=False)
    response = client.post("/login/", {"login": "root", "password": "pw-Long-1"})
    assert response["Location"] == "/"


def test_pages_carry_the_house_style(staff: Client) -> None:
    html = staff.get("/").content.decode()
    assert "portal/portal.css" in html
    assert "portal/favicon.svg" in html


@pytest.mark.parametrize(
    "name", ["provisioning_user", "provisioning_group", "portal_role", "portal_staff", "scim_client"]
)
def test_a_page_below_a_list_says_which_it_is(admin_client: Client, name: str) -> None:
    """The heading of what adds something is not the list's alone."""
    page = admin_client.get(reverse(f"admin:{name}_add"))
    heading = re.sub(r"<[^>]*>", " ", page.content.decode().partition("<h1")[2].partition("</h1>")[0])
    assert re.search(r"chevron_right\s+Add [a-zA-Z ]+", heading), heading

"""Signing in, as people do it: a passkey that staff need, a person's own pages, and an identity provider."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from config.signin.models import SignInSettings
from config.sso.models import IdentityProvider
from provisioning.models import User
from tests.browser.conftest import PASSWORD, Look, fits, settled
from tests.config.sso.conftest import knows, oidc_server
from tests.fixtures.waiting import wait_until

__all__ = ["oidc_server"]
KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def with_key(page: Page) -> None:
    """Give the browser a passkey device that says yes to everything."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})


def at(page: Page, path: str) -> None:
    expect(page).to_have_url(re.compile(rf"^http://[^/]+{re.escape(path)}(\?.*)?$"))
    settled(page)


def test_staff_add_a_passkey_that_they_need_and_sign_in_with_it_alone(
    live_server: LiveServer, open_page: Callable[..., Page], it_person: User, look: Look
) -> None:
    SignInSettings.objects.create(pk=1, second_factor=True, self_service=True)
    page = open_page(live_server.url.replace("127.0.0.1", "localhost"))
    with_key(page)
    page.goto("/login/")
    look(page, "sign-in")
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    at(page, "/my/second-factor/")
    look(page, "needed")
    page.goto("/provisioning/user/")
    at(page, "/my/second-factor/")
    page.get_by_role("link", name="Add a passkey").click()
    at(page, "/my/second-factor/passkey/")
    look(page, "passkey")
    page.get_by_label("Name").fill("Grace's laptop")
    page.get_by_role("button", name="Add the passkey").click()
    at(page, "/my/second-factor/codes/")
    expect(page.get_by_role("listitem").filter(has_text=re.compile(r"^\d{4} \d{4}$"))).to_have_count(10)
    look(page, "codes")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Grace's laptop")).to_be_visible()
    look(page, "factors")
    page.get_by_role("link", name="Add an app").click()
    at(page, "/my/second-factor/app/")
    look(page, "app")
    page.get_by_role("link", name="Sessions").click()
    at(page, "/my/sessions/")
    look(page, "sessions")
    page.get_by_role("button", name="Sign out").click()
    at(page, "/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    at(page, "/")
    page.goto("/my/second-factor/")
    page.get_by_role("link", name="Remove Grace's laptop").click()
    look(page, "remove")
    page.get_by_role("button", name="Remove").click()
    at(page, "/my/second-factor/")
    expect(page.get_by_text("Staff of this portal need a second factor")).to_be_visible()


def test_a_passkey_is_asked_for_after_the_password_and_before_what_is_dangerous(
    live_server: LiveServer, open_page: Callable[..., Page], it_person: User, look: Look
) -> None:
    page = open_page(live_server.url.replace("127.0.0.1", "localhost"))
    with_key(page)
    page.goto("/login/?next=/my/second-factor/passkey/")
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    at(page, "/my/second-factor/passkey/")
    page.get_by_role("button", name="Add the passkey").click()
    at(page, "/my/second-factor/codes/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    at(page, "/login/second/")
    look(page, "second-step")
    page.get_by_role("button", name="Use a passkey").click()
    at(page, "/")
    page.goto("/login/again/?next=/my/password/")
    at(page, "/login/again/password/")
    look(page, "again-password")
    page.get_by_role("link", name="Use a passkey").click()
    at(page, "/login/again/passkey/")
    look(page, "again-passkey")
    page.get_by_role("button", name="Use a passkey").click()
    at(page, "/my/password/")
    look(page, "password")
    fits(page)


def test_a_person_comes_through_an_identity_provider_to_their_own_pages(
    live_server: LiveServer,
    open_page: Callable[..., Page],
    transactional_db: None,
    oidc_server: str,
    look: Look,
    settings: Any,
) -> None:
    settings.EMAIL_HOST = "mail.example.org"
    SignInSettings.objects.create(pk=1, self_service=True)
    User.objects.create_user("anna", email="anna@example.org", display_name="Anna Berg")
    provider = IdentityProvider.objects.create(
        name="Company login", slug="company", issuer=oidc_server, client_id="rollcall", secret="s3cret"
    )
    knows(provider, "a1", email="anna@example.org", email_verified=True)
    page = open_page(live_server.url.replace("127.0.0.1", "localhost"))
    page.route(
        re.compile("^https://"), lambda route: route.fulfill(body="")
    )  # what the provider's own page would like to load
    page.goto("/provisioning/user/")
    at(page, "/login/")
    look(page, "sign-in-with-provider")
    page.get_by_role("link", name="Forgot your password?").click()
    at(page, "/login/forgotten/")
    look(page, "forgotten")
    page.get_by_role("link", name="Go to the sign-in").click()
    page.get_by_role("link", name="Sign in with Company login").click()
    wait_until(lambda: page.url.startswith(oidc_server))
    page.locator("input[name=sub]").first.fill("a1")
    page.locator("button[type=submit], input[type=submit]").first.click()
    at(page, "/my/")
    page.get_by_role("navigation", name="My pages").get_by_role("link", name="Account").click()
    at(page, "/my/account/")
    expect(page.get_by_role("heading", name="Anna Berg")).to_be_visible()
    expect(page.get_by_text("You sign in without a password.")).to_be_visible()
    look(page, "account")
    fits(page)
    page.goto("/")
    at(page, "/my/")

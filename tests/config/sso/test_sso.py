"""Signing in through an identity provider: a real one, whom it lets in, and which roles its groups give."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.test import Client

from config.signin import again
from config.signin.models import SignInSettings
from config.sso import people
from config.sso.models import Given, IdentityProvider, RoleMapping
from config.sso.service import ProviderService
from directories.connectors import outgoing
from provisioning.models import User
from provisioning.roles import AUDITOR, HELPDESK
from reports.models import Event, Evidence
from tests.config.second_factor.conftest import code_of, with_app
from tests.config.sso.conftest import HOST, at_provider, come_back, knows, sign_in_as, to_provider
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
VERIFIED = {"email": "anna@example.org", "email_verified": True}


@pytest.fixture(autouse=True)
def door(db: None) -> Any:
    """The provider is on this machine, which only tests open."""
    before = outgoing._networks
    outgoing.allow(["127.0.0.0/8", "::1"])
    SignInSettings.objects.create(pk=1, self_service=True)
    yield
    outgoing._networks = before


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create_user("anna", email="Anna@Example.org", employee_number="4711")


def told(answer: Any) -> str:
    """Return what the sign-in page says after a refusal."""
    assert answer["Location"] == "/login/", answer["Location"]
    return str(next(iter(answer.wsgi_request._messages)))


def last() -> str:
    return Event.objects.latest("id").message


# --- The way there and back ------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_person_signs_in(keycloak: IdentityProvider, anna: User) -> None:
    knows(keycloak, "a1", **VERIFIED)
    client = Client()
    page = client.get("/login/", headers={"Host": HOST}).content.decode()
    assert 'href="/login/with/keycloak/"' in page
    assert "Sign in with Keycloak" in page
    answer = sign_in_as("a1", client)
    assert answer["Location"] == "/my/"
    assert client.get("/my/account/", headers={"Host": HOST}).status_code == 200
    assert last() == "anna signed in from 127.0.0.1, through keycloak."
    held = SocialAccount.objects.get()
    assert (held.user_id, held.uid, held.extra_data) == (anna.pk, "a1", {})


@pytest.mark.heavy
def test_the_request_has_state_nonce_and_a_challenge_that_the_code_is_changed_with(
    keycloak: IdentityProvider, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows(keycloak, "a1", **VERIFIED)
    client = Client()
    address = to_provider(client, scope="admin", auth_params="prompt=none", process="connect")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"http://{HOST}/login/with/keycloak/back/"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert "prompt" not in asked
    assert len(asked["nonce"]) > 30
    sent: dict[str, str] = {}
    ask = ProviderService.tokens
    monkeypatch.setattr(
        ProviderService, "tokens", lambda one, about, fields: sent.update(fields) or ask(one, about, fields)
    )
    come_back(client, at_provider(address, "a1"))
    digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
    assert to_provider(Client()).count(asked["nonce"]) == 0


@pytest.mark.heavy
def test_an_answer_counts_once_and_for_the_browser_that_asked(keycloak: IdentityProvider, anna: User) -> None:
    knows(keycloak, "a1", **VERIFIED)
    client, stranger = Client(), Client()
    path = at_provider(to_provider(client), "a1")
    assert "did not work" in told(come_back(stranger, path))
    assert come_back(client, path)["Location"] == "/my/"
    assert "did not work" in told(come_back(Client(), path))
    client.logout()
    assert "did not work" in told(come_back(client, path))


@pytest.mark.heavy
def test_the_answer_to_another_nonce_is_refused(keycloak: IdentityProvider, anna: User) -> None:
    """Somebody puts the code of their own sign-in into another one's."""
    knows(keycloak, "a1", **VERIFIED)
    knows(keycloak, "m1", email="mallory@example.org", email_verified=True)
    client = Client()
    mine, theirs = at_provider(to_provider(client), "a1"), at_provider(to_provider(Client()), "m1")
    state = parse_qs(urlsplit(mine).query)["state"][0]
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    assert "did not work" in told(come_back(client, f"/login/with/keycloak/back/?code={code}&state={state}"))
    assert "of another sign-in" in last()


def test_a_refusal_there_and_a_provider_that_is_away_are_told(keycloak: IdentityProvider) -> None:
    client = Client()
    state = parse_qs(urlsplit(to_provider(client)).query)["state"][0]
    assert told(come_back(client, f"/login/with/keycloak/back/?error=access_denied&state={state}")) == (
        "You did not sign in there."
    )
    IdentityProvider.objects.update(issuer="http://localhost:1")
    answer = Client().get("/login/with/keycloak/", headers={"Host": HOST})
    assert "Signing in through Keycloak did not work" in told(answer)
    assert last().startswith("Refused a sign-in through Keycloak from 127.0.0.1:")
    IdentityProvider.objects.update(enabled=False)
    assert Client().get("/login/with/keycloak/").status_code == 404


def test_a_provider_inside_the_network_is_not_opened(keycloak: IdentityProvider) -> None:
    outgoing.allow([])
    assert "did not work" in told(Client().get("/login/with/keycloak/", headers={"Host": HOST}))
    assert "does not open" in last() or "in the clear" in last()


def test_a_provider_that_names_itself_otherwise_is_not_believed(keycloak: IdentityProvider) -> None:
    IdentityProvider.objects.update(issuer=f"{keycloak.issuer}/")
    Client().get("/login/with/keycloak/", headers={"Host": HOST})
    assert "Type the issuer exactly so" in last()


@pytest.mark.heavy
def test_a_second_factor_that_somebody_has_is_asked_for_after_it(keycloak: IdentityProvider, anna: User) -> None:
    knows(keycloak, "a1", **VERIFIED)
    with_app(anna)
    client = Client()
    assert sign_in_as("a1", client, next="/my/sessions/")["Location"] == "/login/second/"
    assert "access_token" not in str(dict(client.session))
    assert anna.password not in str(dict(client.session))
    assert client.post("/login/second/", {"code": code_of()}, headers={"Host": HOST})["Location"] == "/my/sessions/"
    assert last() == "anna signed in from 127.0.0.1, through keycloak, with an authenticator app."


# --- Whom it lets in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "anna@example.org"}, "not verified"),
        ({"email": "anna@example.org", "email_verified": False}, "not verified"),
        ({"email": "anna@example.org", "email_verified": "true"}, "not verified"),
        ({"email": "bob@example.org", "email_verified": True}, "nobody of the roll"),
        ({"email_verified": True}, "claim email is missing"),
        ({"email": ["anna@example.org"], "email_verified": True}, "claim email is missing"),
        ({"email": "two@example.org", "email_verified": True}, "several people"),
        ({"email": "gone@example.org", "email_verified": True}, "nobody of the roll"),
    ],
)
def test_others_are_not_let_in(keycloak: IdentityProvider, anna: User, claims: dict[str, Any], why: str) -> None:
    for name in ("two", "too"):
        User.objects.create_user(name, email="two@example.org")
    User.objects.create_user("gone", email="gone@example.org", is_active=False)
    with pytest.raises(people.NotVouchedFor, match=why):
        people.find(keycloak, claims)


@pytest.mark.parametrize(
    ("settings", "claims"),
    [
        ({"match_by": "username"}, {"preferred_username": "ANNA"}),
        ({"match_by": "employee_number"}, {"employee_number": 4711}),
        ({"match_by": "employee_number", "claim": "hr_id"}, {"hr_id": "4711"}),
    ],
)
def test_people_are_found_by_what_the_admin_chose(
    keycloak: IdentityProvider, anna: User, settings: dict[str, str], claims: dict[str, Any]
) -> None:
    for name, value in settings.items():
        setattr(keycloak, name, value)
    assert people.find(keycloak, claims) == anna


def test_that_one_address_is_verified_says_nothing_of_another_one(keycloak: IdentityProvider, anna: User) -> None:
    keycloak.claim = "mail"
    mallory = {"email": "mallory@example.org", "email_verified": True}
    with pytest.raises(people.NotVouchedFor, match="not verified"):
        people.find(keycloak, {**mallory, "mail": "anna@example.org"})
    assert people.find(keycloak, {**VERIFIED, "mail": "Anna@example.org"}) == anna


@pytest.mark.heavy
def test_a_link_outlives_the_address_and_an_address_brings_nobody_elses_link(
    keycloak: IdentityProvider, anna: User
) -> None:
    knows(keycloak, "a1", **VERIFIED)
    sign_in_as("a1")
    knows(keycloak, "a2", **VERIFIED)  # the address was given to somebody else there
    assert "does not let you in" in told(sign_in_as("a2"))
    assert "linked with another account there" in last()
    knows(keycloak, "a1", email="new@example.org", email_verified=True)
    assert sign_in_as("a1")["Location"] == "/my/"


@pytest.mark.heavy
def test_superusers_come_by_it_only_where_that_is_switched_on(keycloak: IdentityProvider) -> None:
    User.objects.create_superuser("root", email="root@example.org")
    knows(keycloak, "r1", email="root@example.org", email_verified=True)
    assert "does not let you in" in told(sign_in_as("r1"))
    IdentityProvider.objects.update(superusers=True)
    assert sign_in_as("r1")["Location"] == "/"


@pytest.mark.heavy
def test_whoever_may_not_sign_in_is_refused(keycloak: IdentityProvider, anna: User) -> None:
    SignInSettings.objects.update(self_service=False)
    knows(keycloak, "a1", **VERIFIED)
    assert "You may not sign in" in told(sign_in_as("a1"))
    assert last() == "Refused sign-in as anna from 127.0.0.1: they may not sign in."


# --- Roles -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(keycloak: IdentityProvider) -> IdentityProvider:
    for group, role in (("desk", HELPDESK), ("audit", AUDITOR)):
        RoleMapping.objects.create(provider=keycloak, group=group, role=Role.objects.get(name=role))
    return keycloak


def state(user: User) -> tuple[bool, bool, list[str]]:
    user.refresh_from_db()
    return user.is_staff, user.is_superuser, sorted(role.name for role in user.roles)


@pytest.mark.heavy
def test_groups_give_roles_and_take_them_back(mapped: IdentityProvider, anna: User) -> None:
    knows(mapped, "a1", **VERIFIED, groups=["desk", "audit", "unknown"])
    assert sign_in_as("a1")["Location"] == "/"
    assert state(anna) == (True, False, [AUDITOR, HELPDESK])
    people.give_roles(mapped, anna, {"groups": ["audit"]})
    assert state(anna) == (True, False, [AUDITOR])
    people.give_roles(mapped, anna, {"_claim_names": {"groups": "src1"}})  # too many to list: nothing is known
    assert state(anna) == (True, False, [AUDITOR])
    people.give_roles(mapped, anna, {})
    assert state(anna) == (False, False, [])
    assert not Given.objects.exists()
    assert Event.objects.filter(actor="the groups of Keycloak", user_id=anna.pk).count() >= 4


@pytest.mark.heavy
def test_nothing_is_given_to_who_may_not_sign_in(mapped: IdentityProvider, anna: User) -> None:
    SocialAccount.objects.create(provider="keycloak", uid="a1", user=anna)
    User.objects.update(is_active=False)
    knows(mapped, "a1", **VERIFIED, groups=["desk"])
    assert "You may not sign in" in told(sign_in_as("a1"))
    assert state(anna) == (False, False, [])


def test_what_was_given_by_hand_stays(mapped: IdentityProvider) -> None:
    desk = roll.staff(HELPDESK, "desk")
    people.give_roles(mapped, desk, {"groups": ["desk", "audit"]})
    assert state(desk) == (True, False, [AUDITOR, HELPDESK])
    people.give_roles(mapped, desk, {"groups": []})
    assert state(desk) == (True, False, [HELPDESK])


def test_two_providers_give_the_same_role(mapped: IdentityProvider, anna: User) -> None:
    other = IdentityProvider.objects.create(name="Entra", slug="entra", issuer="https://e.example", client_id="x")
    RoleMapping.objects.create(provider=other, group="d", role=Role.objects.get(name=HELPDESK))
    people.give_roles(mapped, anna, {"groups": "desk"})
    anna.refresh_from_db()
    people.give_roles(other, anna, {"groups": ["d"]})
    people.give_roles(mapped, anna, {"groups": []})
    assert state(anna) == (True, False, [HELPDESK])
    people.give_roles(other, anna, {"groups": []})
    assert state(anna) == (False, False, [])


def test_superusers_are_left_alone_and_nobody_becomes_one(mapped: IdentityProvider, anna: User) -> None:
    root = User.objects.create_superuser("root")
    people.give_roles(mapped, root, {"groups": ["desk"]})
    assert state(root) == (True, True, [])
    powerful = Role.objects.create(name="Gives rights")
    powerful.permissions.add(Permission.objects.get(codename="change_role"))
    RoleMapping.objects.create(provider=mapped, group="kings", role=powerful)
    people.give_roles(mapped, anna, {"groups": ["kings"], "is_superuser": True, "is_staff": True})
    assert state(anna) == (False, False, [])


# --- Proving it once more --------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_dangerous_page_asks_the_provider_again(mapped: IdentityProvider, anna: User) -> None:
    knows(mapped, "a1", **VERIFIED, groups=["desk"])
    client = Client()
    sign_in_as("a1", client)
    session = client.session
    session[again.KEPT] = [anna.pk, time.time() - 4000]
    session.save()
    asked = client.get("/my/second-factor/app/", headers={"Host": HOST}, follow=False)
    way = client.get(asked["Location"], headers={"Host": HOST})["Location"]
    assert way == "/login/with/keycloak/?again=1&next=%2Fmy%2Fsecond-factor%2Fapp%2F"
    address = client.get(way, headers={"Host": HOST})["Location"]
    assert "prompt=login" in address
    assert "max_age=0" in address
    answer = come_back(client, at_provider(address, "a1"))
    assert answer["Location"] == "/my/second-factor/app/"
    assert client.get(answer["Location"], headers={"Host": HOST}).status_code == 200


# --- The pages -------------------------------------------------------------------------------------------------------


FORM = {
    "name": "Entra",
    "slug": "entra",
    "issuer": "https://login.example.com",
    "client_id": "rollcall",
    "client_secret": "hush-Zebra",
    "enabled": "on",
    "match_by": "email",
    "scopes": "openid",
    "groups_claim": "groups",
    "mappings-TOTAL_FORMS": "0",
    "mappings-INITIAL_FORMS": "0",
}


@pytest.mark.heavy
def test_a_provider_is_edited_and_its_secret_is_never_shown() -> None:
    client = roll.root()
    assert client.post("/sso/identityprovider/add/", FORM).status_code == 302
    row = IdentityProvider.objects.get()
    assert row.secret == "hush-Zebra"
    address = f"/sso/identityprovider/{row.pk}/change/"
    page = client.get(address).content.decode()
    assert "hush-Zebra" not in page
    assert "http://localhost:8000/login/with/entra/back/" in page
    assert client.post(address, {**FORM, "client_secret": "", "name": "Entra ID"}).status_code == 302
    row.refresh_from_db()
    assert (row.secret, row.name) == ("hush-Zebra", "Entra ID")
    kept = [str(one.payload) for one in Evidence.objects.all()]
    assert len(kept) >= 2
    assert not any("hush-Zebra" in one for one in kept)
    assert last() == "root changed the identity provider Entra ID."


def test_another_issuer_knows_other_people(anna: User) -> None:
    row = IdentityProvider.objects.create(name="Entra", slug="entra", issuer="https://a.example", client_id="x")
    SocialAccount.objects.create(provider="entra", uid="7", user=anna)
    client = roll.root()
    client.post(f"/sso/identityprovider/{row.pk}/change/", FORM)
    assert not SocialAccount.objects.exists()


def test_the_test_says_what_is_wrong(keycloak: IdentityProvider) -> None:
    client = roll.root()
    address = f"/sso/identityprovider/{keycloak.pk}/test/"
    assert "has 1 of its keys" in roll.words(client.post(address, follow=True))
    IdentityProvider.objects.update(issuer="http://localhost:1")
    assert "cannot be used yet" in roll.words(client.post(address, follow=True))

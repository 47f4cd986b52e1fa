"""SCIM applications as directories, on a real SCIM server and on one that answers otherwise."""

import datetime as dt
import gzip
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.wrappers import Request, Response

from directories.connectors.base import (
    Capability,
    Conflict,
    ConnectorConfig,
    ConnectorError,
    Entry,
    GroupEntry,
    NotFound,
    Page,
    RemoteAccount,
    Unavailable,
    Write,
)
from directories.connectors.gateway.codec import codec
from directories.connectors.outgoing import HttpDoor
from directories.connectors.scim import Scim, client, discovery, rate
from directories.connectors.scim import connector as connector_module
from directories.connectors.scim.paths import ENTERPRISE
from directories.gateway.work import ANSWERS
from tests.directories.connectors.scim_subject import FIRST, LAST, MAIL, ScimSubject
from tests.fixtures.http import HttpServer, reply
from tests.fixtures.scim_server import TOKEN, ScimServer

JSON = "application/scim+json"
MANAGER = f"{ENTERPRISE}:manager.value"


def entry(key: str = "ann", *, ref: str = "", portal_id: str = "", **attributes: Any) -> Entry:
    values = {FIRST: "Ann", LAST: "Lee", MAIL: f"{key}@example.org"}
    return Entry(key, ref, {**values, **attributes}, {"username": key}, portal_id)


def said(data: Any, status: int = 200, **headers: str) -> Response:
    body = data if isinstance(data, bytes | str) else orjson.dumps(data)
    return Response(body, status, headers={"Content-Type": JSON, **headers})


def once(answer: Callable[[Request], Response | None], method: str) -> Callable[[Request], Response | None]:
    """Let the first request of a method be answered so, and the server answer every other."""
    left = [True]

    def before(request: Request) -> Response | None:
        if request.method == method and left:
            left.clear()
            return answer(request)
        return None

    return before


@pytest.fixture(autouse=True)
def own_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for what another test sent, or for a pause that an application asks for."""
    store = rate.MemoryRates(clock=itertools.count(step=1000).__next__)
    monkeypatch.setattr(rate, "_stores", [store])


# --- The connection test ---


@pytest.mark.heavy
def test_the_connection_test_says_what_the_application_can_do_and_what_it_wants(scim: ScimSubject) -> None:
    with scim.open() as connector:
        connector.create(entry())
        found = connector.test()
    words = {step.name: step.message for step in found.steps}
    assert found.ok
    assert words["What it can do"].startswith("It can change single values, look accounts up")
    assert words["Users"].startswith("1 user. The first is ann. The application shows:")
    assert words["Groups"] == "0 groups."
    assert {FIRST, MAIL, f"{ENTERPRISE}:department", "title"} <= {*found.attributes}
    assert not {"groups", "meta", "password", "active"} & {*found.attributes}
    assert found.required == ["userName"]


@pytest.mark.parametrize("passwords", [True, False])
def test_passwords_that_the_application_does_not_take_are_told_of(scim: ScimSubject, *, passwords: bool) -> None:
    says = said({"patch": {"supported": True}, "changePassword": {"supported": False}})
    scim.server.before = lambda request: says if request.path == "/ServiceProviderConfig" else None
    with scim.open(passwords=passwords) as connector:
        found = connector.test()
    (can,) = [step for step in found.steps if step.name == "What it can do"]
    assert (can.ok, can.caution, "switch Give passwords off" in can.message) == (True, passwords, passwords)


def test_only_paths_that_the_application_has_are_suggested_and_all_that_it_requires(scim_server: ScimServer) -> None:
    """canaille has e-mail addresses without a type, and requires the whole name."""
    name = [{"name": "formatted", "required": True}, {"name": "familyName"}]
    attributes = [
        {"name": "name", "type": "complex", "required": True, "subAttributes": name},
        {"name": "emails", "type": "complex", "multiValued": True, "subAttributes": [{"name": "value"}]},
    ]
    schemas = {"Resources": [{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": attributes}]}
    scim_server.before = lambda request: said(schemas) if request.path == "/Schemas" else None
    with ScimSubject(scim_server).open() as connector:
        found = connector.test()
        assert [connector.meant_by(path) for path in found.attributes] == ["", "familyName", "email"]
    assert (found.attributes, found.required) == (
        ["name.formatted", "name.familyName", "emails.value"],
        ["userName", "name.formatted"],
    )


@pytest.mark.parametrize(
    ("answer", "step", "words"),
    [
        (said({}, 401), "Sign-in", "refuses the sign-in"),
        (said({"detail": f"not with {TOKEN}"}, 403), "Users", "403"),
        (said("<html>Welcome</html>", 200), "Users", "not SCIM"),
        (said({"users": []}), "Users", "no list"),
        (said("", 302, Location="https://elsewhere.example/"), "Users", "another address"),
        (said({}, 503), "Users", "503"),
    ],
)
def test_what_is_wrong_is_said_by_the_step_that_finds_it(
    scim: ScimSubject, answer: Response, step: str, words: str
) -> None:
    scim.server.before = lambda request: answer if request.path != "/ServiceProviderConfig" else None
    with scim.open() as connector:
        found = connector.test()
    failed = next(one for one in found.steps if not one.ok)
    assert (failed.name, words in failed.message, TOKEN in failed.message) == (step, True, False)
    assert "by itself" not in failed.words, "nobody but who tests tries again"


def test_what_keeps_everybody_out_closes_the_application_and_refuses_nobody(
    scim: ScimSubject, certificate: Path
) -> None:
    """A token that ended and a certificate that changed: changes wait, and go on by themselves."""
    with scim.open(secret="old") as connector, pytest.raises(Unavailable) as caught:
        connector.create(entry())
    assert caught.value.code == "login"
    scim.server.before = lambda request: said({}, 401) if request.path == "/token" else None
    settings = {"auth": "oauth2", "user": "us", "token_url": f"{scim.server.url}/token"}
    with scim.open(**settings) as connector, pytest.raises(Unavailable) as caught:
        connector.create(entry())
    assert caught.value.code == "login"
    server = HttpServer(lambda request: reply(request, b"{}"), certificate=certificate)
    with server.running(), scim.open(url=server.url) as connector:
        with pytest.raises(Unavailable) as caught:
            connector.create(entry())
        assert connector.test().steps[-1].name == "Address"
    assert caught.value.code == "tls"


def test_a_certificate_is_checked_unless_somebody_switched_that_off_and_is_told_of_it(
    scim: ScimSubject, certificate: Path
) -> None:
    server = HttpServer(lambda request: reply(request, b'{"totalResults": 0}'), certificate=certificate)
    pem = certificate.read_text()
    own = pem[pem.index("-----BEGIN CERTIFICATE") :]
    with server.running():
        for settings, ok in (({}, False), ({"ca": own}, True), ({"check_certificate": "no"}, True)):
            with scim.open(url=server.url, **settings) as connector:
                found = connector.test()
            assert (found.ok, found.dangerous) == (ok, "check_certificate" in settings)
    assert "not checked" in found.steps[0].message
    assert Scim.cautions({"check_certificate": "no"})
    assert not Scim.cautions({})


@pytest.mark.parametrize("url", ["", "scim.example.org", "https://ann:pass@example.org", "https://example.org/?a=b"])
def test_what_is_no_base_url_is_said_before_anything_is_sent(scim: ScimSubject, url: str) -> None:
    with scim.open(url=url) as connector:
        assert not connector.test().ok
    assert not scim.server.asked


def test_a_user_and_a_group_can_be_looked_at_as_the_application_shows_them(scim: ScimSubject) -> None:
    with scim.open() as connector:
        ann = connector.create(entry())
        group = connector.create_group(GroupEntry("Sales"))
        connector.add_members(GroupEntry("Sales", group.ref), [entry(ref=ann.ref)])
        person, team = connector.inspect("ann"), connector.inspect("Sales")
        assert connector.inspect("nobody") is None
    assert person is not None
    assert team is not None
    shown = {one.name: [*one.values] for one in person.attributes}
    assert (shown["userName"], shown[MAIL]) == (["ann"], ["ann@example.org"])
    assert {one.name: [*one.values] for one in team.attributes}["members.value"] == [ann.ref]
    assert team.notes


# --- Signing in ---


def test_every_request_carries_the_sign_in_and_further_headers(scim: ScimSubject) -> None:
    seen: list[dict[str, str]] = []

    def before(request: Request) -> None:
        seen.append({name.lower(): value for name, value in request.headers.items()})

    scim.server.before = before
    with scim.open(headers="X-Customer: 42\nX-Other: b", secret_header="X-Key: hidden") as connector:
        connector.create(entry())
    assert {one["authorization"] for one in seen} == {f"Bearer {TOKEN}"}
    assert {(one["x-customer"], one["x-other"], one["x-key"]) for one in seen} == {("42", "b", "hidden")}


@pytest.mark.parametrize("kind", [RSAKey, ECKey])
@pytest.mark.parametrize("form", ["pem", "line", "jwk"])
def test_a_client_signs_in_with_its_private_key_and_again_when_the_token_ends(
    scim: ScimSubject, kind: type[RSAKey] | type[ECKey], form: str
) -> None:
    key = RSAKey.generate_key(2048) if kind is RSAKey else ECKey.generate_key("P-256")
    pem = key.as_pem(private=True).decode()
    secret = {"pem": pem, "line": " ".join(pem.split("\n")), "jwk": json.dumps(key.as_dict(private=True))}[form]
    assertions: list[dict[str, Any]] = []
    ended: list[str] = []

    def before(request: Request) -> Response | None:
        if request.path == "/token":
            form_ = parse_qs(request.get_data(as_text=True))
            algorithms = ["RS256", "ES256"]
            assertions.append(jwt.decode(form_["client_assertion"][0], key, algorithms=algorithms).claims)
            return said({"access_token": TOKEN, "expires_in": 3600})
        if request.method == "POST" and not ended:
            ended.append("token")
            return said({}, 401)
        return None

    scim.server.before = before
    settings = {"auth": "oauth2_key", "user": "us", "token_url": f"{scim.server.url}/token", "secret": secret}
    with scim.open(**settings) as connector:
        assert connector.create(entry()).ref
    assert len(assertions) == 2, "the one at the beginning, and one for the token that had ended"
    assert {one["iss"] for one in assertions} == {"us"}
    assert len({one["jti"] for one in assertions}) == 2


def test_what_is_no_private_key_says_so_and_shows_nothing(scim: ScimSubject) -> None:
    settings = {"auth": "oauth2_key", "user": "us", "token_url": f"{scim.server.url}/token", "secret": "s3cret"}
    with scim.open(**settings) as connector:
        step = connector.test().steps[-1]
    assert (step.ok, step.name, "private key" in step.message, "s3cret" in step.message) == (
        False,
        "Sign-in",
        True,
        False,
    )


@pytest.mark.parametrize("auth", ["bearer", "oauth2"])
def test_words_of_the_application_show_nothing_that_the_portal_signs_in_with(scim: ScimSubject, auth: str) -> None:
    def telling(request: Request) -> Response | None:
        if request.path == "/token":
            return said({"access_token": TOKEN, "expires_in": 3600})
        told = f"{request.headers['Authorization']} with {request.headers['X-Key']} is too few"
        return said({"detail": told}, 400) if request.method == "POST" else None

    scim.server.before = telling
    settings = {"auth": auth, "user": "us3r", "token_url": f"{scim.server.url}/token", "secret_header": "X-Key: hidden"}
    secret = TOKEN if auth == "bearer" else "the-secret-of-the-client"
    with scim.open(**settings, secret=secret) as connector, pytest.raises(ConnectorError) as caught:
        connector.create(entry())
    assert "too few" in caught.value.message
    assert not [word for word in (TOKEN, "hidden") if word in caught.value.message]


# --- Users ---


def test_only_what_differs_is_sent_and_what_nobody_maps_is_kept(scim: ScimSubject) -> None:
    with scim.open() as connector:
        ann = connector.create(entry())
        scim.server.asked.clear()
        held = connector.find(entry(ref=ann.ref))
        connector.update(entry(ref=ann.ref, **{LAST: "Berg"}), held)
        patches = [one.body["Operations"] for one in scim.server.asked if one.method == "PATCH"]
        assert patches == [[{"op": "replace", "path": LAST, "value": "Berg"}]]
        scim.server.asked.clear()
        connector.update(entry(ref=ann.ref, **{LAST: "Berg"}), connector.find(entry(ref=ann.ref)))
        assert scim.server.methods() == ["GET"]


@pytest.mark.parametrize("how", ["chosen", "said", "refused"])
def test_where_patch_is_missing_the_whole_is_read_and_put_with_what_nobody_maps(scim: ScimSubject, how: str) -> None:
    with scim.open(attributes=(*scim.attributes, "title")) as connector:
        ann = connector.create(entry(title="Boss"))

    def before(request: Request) -> Response | None:
        if how == "said" and request.path == "/ServiceProviderConfig":
            return said({"patch": {"supported": False}, "filter": {"supported": True}})
        return said({}, 501) if request.method == "PATCH" and how == "refused" else None

    scim.server.before = before
    discovery.forget()
    with scim.open(update="put" if how == "chosen" else "") as connector:
        connector.update(entry(ref=ann.ref, **{FIRST: "Anna"}))
        connector.update(entry(ref=ann.ref, **{FIRST: "Annika"}))
    user = scim.server.user("ann")
    assert user is not None
    assert (user["title"], user["name"]["givenName"]) == ("Boss", "Annika")
    assert scim.server.methods().count("PUT") == 2
    assert scim.server.methods().count("PATCH") == (1 if how == "refused" else 0)


def test_a_user_is_found_by_what_the_portal_calls_it_before_its_name(scim: ScimSubject) -> None:
    with scim.open() as connector:
        made = connector.create(entry("ann", portal_id="7c"))
        connector.create(entry("bob", portal_id="8d"))
        found = connector.find(entry("bob", portal_id="7c"))
        assert found is not None
        assert found.ref == made.ref
        renamed = connector.find(entry("other", ref="gone", portal_id="7c"))
        assert renamed is not None
        assert renamed.ref == made.ref, "a user with another id than before is looked up, not made again"
        assert connector.find(entry("ann", ref="gone", portal_id="9e")) is None, "a name alone proves nothing then"


def test_a_user_can_be_found_by_mail_where_that_is_wanted(scim: ScimSubject) -> None:
    with scim.open() as connector:
        made = connector.create(entry("lee"))
        wanted = Entry("ann", "", {MAIL: "lee@example.org"})
        assert connector.find(wanted) is None
    with scim.open(by_email=True) as connector:
        found = connector.find(wanted)
    assert found is not None
    assert (found.ref, found.key) == (made.ref, "ann")


def test_whoever_is_taken_over_by_name_gets_what_the_portal_calls_them(scim: ScimSubject) -> None:
    with scim.open() as connector:
        for name in ("ann", "bob"):
            connector.create(entry(name))
        for one in scim.server.storage.resources:
            one.external_id = "of another system" if one.user_name == "bob" else None
        for name in ("ann", "bob"):
            found = connector.find(entry(name, portal_id="7c"))
            assert found is not None
            assert connector.adopt(entry(name, ref=found.ref, portal_id="7c"), found).ref == found.ref
        held = {one["userName"]: one["externalId"] for one in scim.server.resources("User")}
        assert held == {"ann": "7c", "bob": "of another system"}
        scim.server.before = lambda request: said({"detail": "read only"}, 400) if request.method == "PATCH" else None
        scim.server.storage.resources[0].external_id = None
        found = connector.find(entry("ann", portal_id="7c"))
        assert found is not None
        assert connector.adopt(entry("ann", ref=found.ref, portal_id="7c"), found) == found, "it takes it from nobody"


def test_a_group_that_is_taken_over_by_name_gets_what_the_portal_calls_it(scim: ScimSubject) -> None:
    with scim.open() as connector:
        group = connector.create_group(GroupEntry("Sales"))
        connector.adopt_group(GroupEntry("Sales", group.ref, portal_id="g1"), group)
        connector.adopt_group(GroupEntry("Sales", group.ref, portal_id="g2"), group)
        (held,) = scim.server.resources("Group")
        assert held["externalId"] == "g1"
        connector.teams.rules = replace(connector.teams.rules, patchable=("members",))
        scim.server.storage.resources[0].external_id = None
        scim.server.asked.clear()
        connector.adopt_group(GroupEntry("Sales", group.ref, portal_id="g1"), group)
        assert not scim.server.asked, "the product does not let it be changed"


def test_a_gateway_marks_what_is_taken_over_as_the_portal_does(scim: ScimSubject) -> None:
    with scim.open() as connector:
        ann, group = connector.create(entry("ann")), connector.create_group(GroupEntry("Sales"))
        for one in scim.server.storage.resources:
            one.external_id = None
        assert ANSWERS["adopt"](connector, entry("ann", ref=ann.ref, portal_id="7c")).account.ref == ann.ref
        ANSWERS["adopt_group"](connector, GroupEntry("Sales", group.ref, portal_id="g1"))
        assert ANSWERS["adopt"](connector, entry("bob", portal_id="8d")) is None
    assert [one["externalId"] for kind in ("User", "Group") for one in scim.server.resources(kind)] == ["7c", "g1"]
    travels = codec(Entry)
    known = replace(entry(), manager_ref="1")
    assert travels.decode(travels.encode(known)) == known


# --- Managers ---


def test_a_manager_is_named_by_id_there_and_by_user_name_here(scim: ScimSubject) -> None:
    with scim.open(attributes=(*scim.attributes, MANAGER)) as connector:
        boss = connector.create(entry("boss"))
        ann = connector.create(replace(entry("ann", **{MANAGER: "boss"}), manager_ref=boss.ref))
        bob = connector.create(entry("bob", **{MANAGER: "boss"}))
        assert {one.attributes[MANAGER] for one in (ann, bob)} == {"boss"}
        held = {one["userName"]: one.get(ENTERPRISE, {}) for one in scim.server.resources("User")}
        assert {held[name]["manager"]["value"] for name in ("ann", "bob")} == {boss.ref}
        scim.server.asked.clear()
        wanted = replace(entry("ann", ref=ann.ref, **{MANAGER: "boss"}), manager_ref=boss.ref)
        connector.update(wanted)
        assert scim.server.methods() == ["GET"], "it is as it should be"
        cleared = connector.update(entry("ann", ref=ann.ref, **{MANAGER: None}))
        assert cleared.attributes[MANAGER] is None
        scim.server.asked.clear()
        crawled_ = {one.key: one.attributes[MANAGER] for page in connector.accounts(2) for one in page.accounts}
        assert crawled_ == {"boss": None, "ann": None, "bob": "boss"}
    assert len([one for one in scim.server.asked if one.path.endswith(boss.ref)]) == 0, "it was read with the others"


def test_a_manager_who_is_not_there_yet_keeps_nobody_waiting_for_the_rest(scim: ScimSubject) -> None:
    with scim.open(attributes=(*scim.attributes, MANAGER)) as connector:
        ann = connector.create(entry("ann", **{MANAGER: "boss"}))
        assert "fills it in by itself" in ann.waits
        connector.create(entry("boss"))
        filled = connector.update(entry("ann", ref=ann.ref, **{MANAGER: "boss"}))
        assert (filled.attributes[MANAGER], filled.waits) == ("boss", "")


def test_a_server_that_takes_no_notice_of_filters_gives_nobody_elses_account(scim: ScimSubject) -> None:
    with scim.open() as connector:
        connector.create(entry("lee"))
        everybody = {"totalResults": 1, "Resources": [{"id": "1", "userName": "lee", "externalId": "lee"}]}
        scim.server.before = lambda request: said(everybody) if request.method == "GET" else None
        assert connector.find(entry("ann")) is None
        assert connector.find_group(GroupEntry("Sales")) is None


def test_two_with_the_portals_own_identifier_are_for_a_person_to_decide(scim: ScimSubject) -> None:
    two = [{"id": ref, "userName": ref, "externalId": "7c"} for ref in "ab"]
    scim.server.before = lambda request: said({"totalResults": 2, "Resources": two}) if request.args else None
    with scim.open() as connector, pytest.raises(ConnectorError) as caught:
        connector.find(entry(portal_id="7c"))
    assert caught.value.code == "ambiguous"


def test_a_409_that_is_no_duplicate_is_said_in_the_servers_words(scim: ScimSubject) -> None:
    refusal = {"scimType": "invalidValue", "detail": "REQUIRED_FIELD_MISSING: ann@example.org wants a profile"}
    scim.server.before = lambda request: said(refusal, 409) if request.method == "POST" else None
    wanted = entry(entitlements="0A", displayName="Ann", emails="ann@example.org")
    with scim.open(product="salesforce") as connector, pytest.raises(ConnectorError) as caught:
        connector.create(wanted)
    assert not isinstance(caught.value, Conflict)
    assert "wants a profile" in caught.value.message
    assert "ann@example.org" not in caught.value.message


def test_what_is_accepted_and_not_applied_is_told(scim: ScimSubject) -> None:
    def ignoring(request: Request) -> Response | None:
        if request.method != "PATCH":
            return None
        return said({**(scim.server.user("ann") or {}), "id": request.path.rpartition("/")[2]})

    with scim.open() as connector:
        ann = connector.create(entry())
        assert not ann.ignored
        scim.server.before = ignoring
        written = connector.update(entry(ref=ann.ref, **{LAST: "Berg", FIRST: "Ann"}))
    assert [*written.ignored] == [LAST]
    assert written.attributes[LAST] == "Lee"


def test_leavers_are_switched_off_and_may_be_hidden_afterwards(scim: ScimSubject) -> None:
    def hiding(request: Request) -> Response | None:
        user = scim.server.user("ann")
        gone = user is not None and not user["active"]
        if not gone or request.method != "GET":
            return None
        return said({"totalResults": 0}) if request.path == "/Users" else said({"status": "404"}, 404)

    with scim.open(product="atlassian") as connector:
        wanted = entry(emails="ann@example.org")
        ann = connector.create(wanted)
        scim.server.before = hiding
        assert connector.disable(entry(ref=ann.ref), connector.find(entry(ref=ann.ref))) is None
        assert scim.server.user("ann")["active"] is False  # type: ignore[index]
        assert connector.find(entry(ref=ann.ref)) is None
        assert connector.keeps_deleted
        connector.delete(entry(ref=ann.ref))
        connector.delete(entry(ref=ann.ref))


@pytest.mark.parametrize(
    ("product", "wanted", "code"),
    [
        ("aws", {FIRST: None}, "required"),
        ("aws", {"displayName": "Ann", 'emails[type eq "home"].value': "a@b.c"}, "mapping"),
    ],
)
def test_what_a_product_is_known_to_refuse_is_not_sent(
    scim: ScimSubject, product: str, wanted: dict[str, Any], code: str
) -> None:
    with scim.open(product=product) as connector, pytest.raises(ConnectorError) as caught:
        connector.create(entry(**wanted))
    assert caught.value.code == code
    assert "POST" not in scim.server.methods()


# --- Groups ---


@pytest.mark.parametrize(
    ("product", "requests", "operations"),
    [("generic", 3, 1), ("aws", 3, 1), ("entra", 13, 1), ("keycloak", 3, 100)],
)
def test_members_come_and_go_in_the_portions_that_the_product_takes(
    scim: ScimSubject, product: str, requests: int, operations: int
) -> None:
    """``operations``: how many there are in the first request."""
    members = [entry(f"u{number}", ref=f"ref-{number}") for number in range(250)]
    scim.server.before = lambda request: said("", 204) if request.method == "PATCH" else None
    with scim.open(product=product) as connector:
        assert not connector.add_members(GroupEntry("Sales", "1"), members)
        sent = [one.body["Operations"] for one in scim.server.asked if one.method == "PATCH"]
        assert (len(sent), len(sent[0])) == (requests, operations)
        assert not connector.remove_members(GroupEntry("Sales", "1"), members)
    asked = {one.path for one in scim.server.asked if one.method == "GET"}
    assert asked <= {"/ServiceProviderConfig"}, "what an application shows of members decides nothing"
    named = orjson.dumps([one.body for one in scim.server.asked]).decode()
    assert all(named.count(f'ref-{number}\\"') + named.count(f'ref-{number}"') >= 2 for number in range(250))


def test_one_member_who_cannot_be_added_spoils_it_for_nobody_else(scim: ScimSubject) -> None:
    def strict(request: Request) -> Response | None:
        if request.method != "PATCH" or b'"bad' not in request.get_data():
            return None
        return said({"scimType": "invalidValue", "detail": "no such member"}, 400)

    with scim.open() as connector:
        group = connector.create_group(GroupEntry("Sales"))
        people = [entry(name, ref=connector.create(entry(name)).ref) for name in ("ann", "bob", "cid")]
        scim.server.before = strict
        refused = connector.add_members(GroupEntry("Sales", group.ref), [*people, entry("x", ref="bad"), entry("y")])
        assert [one.entry.key for one in refused] == ["y", "x"]
        pages = [*connector.members(group)]
    assert {ref for page in pages for ref in page.refs} == {one.ref for one in people}


def test_members_of_a_group_that_is_gone_are_not_refused_one_by_one(scim: ScimSubject) -> None:
    with scim.open() as connector, pytest.raises(NotFound):
        connector.add_members(GroupEntry("Sales", "gone"), [entry(ref="a"), entry("bob", ref="b")])
    assert scim.server.methods().count("PATCH") == 1


def test_a_group_that_somebody_renamed_is_found_by_what_the_portal_calls_it(scim: ScimSubject) -> None:
    with scim.open() as connector:
        group = connector.create_group(GroupEntry("Sales", portal_id="g1"))
        connector.update_group(GroupEntry("Other", group.ref, portal_id="g1"))
        found = connector.find_group(GroupEntry("Sales", "gone", portal_id="g1"))
    assert found is not None
    assert (found.ref, found.name) == (group.ref, "Other")


# --- Lists ---


def crawled(connector: Scim, size: int = 2) -> list[Page]:
    return [*connector.accounts(size)]


def listing(*pages: dict[str, Any]) -> Callable[[Request], Response | None]:
    """Answer requests for lists with these pages, one after the other."""
    left = [*pages]
    return lambda request: said(left.pop(0)) if request.path == "/Users" else None


def people(*refs: str) -> list[dict[str, Any]]:
    return [{"id": ref, "userName": f"user-{ref}"} for ref in refs]


@pytest.mark.parametrize(
    ("pages", "error"),
    [
        ([{"totalResults": 3, "Resources": people("a", "b")}, {"totalResults": 3}], Unavailable),
        (
            [
                {"totalResults": 3, "Resources": people("a", "b")},
                {"totalResults": 4, "Resources": people("c")},
            ],
            Unavailable,
        ),
        ([{"totalResults": 3, "Resources": people("a", "b")}] * 2, Unavailable),
        ([{"totalResults": 2, "Resources": people("a", "a")}], Unavailable),
        ([{"totalResults": 1, "Resources": [{"userName": "nobody"}]}], ConnectorError),
        ([{"totalResults": 1, "Resources": "everybody"}], ConnectorError),
    ],
    ids=["cut short", "grown", "the same page again", "an id twice", "no id", "no list"],
)
def test_a_list_that_may_not_be_whole_is_an_error(
    scim: ScimSubject, pages: list[dict[str, Any]], error: type[ConnectorError]
) -> None:
    scim.server.before = listing(*pages)
    with scim.open() as connector, pytest.raises(error):
        crawled(connector)


def test_a_list_of_a_product_that_leaves_people_out_proves_nobodys_absence(scim: ScimSubject) -> None:
    cursors = [
        {"Resources": people("a", "b"), "nextCursor": "x"},
        {"Resources": people("c")},
    ]
    scim.server.before = listing(*cursors)
    with scim.open(product="aws") as connector:
        pages = crawled(connector)
        assert Capability.IMPORT_GROUPS not in connector.capabilities
    assert [(len(page.accounts), page.last) for page in pages] == [(2, False), (1, True)]
    assert not pages[-1].whole
    assert "cursor=&" in scim.server.asked[1].path or scim.server.asked[1].path.endswith("cursor=")


def test_a_cursor_that_comes_again_is_no_endless_list(scim: ScimSubject) -> None:
    numbers = itertools.count()

    def before(request: Request) -> Response | None:
        return said({"Resources": people(str(next(numbers))), "nextCursor": "x"}) if request.path == "/Users" else None

    scim.server.before = before
    with scim.open(product="aws") as connector, pytest.raises(ConnectorError):
        crawled(connector)
    assert len(scim.server.asked) < 5


def test_what_changed_is_asked_for_where_its_times_are_trusted(scim: ScimSubject) -> None:
    with scim.open() as connector:
        assert "trusted" in connector.lacks(Capability.INCREMENTAL)
    with scim.open(trusts_modified=True) as connector:
        cursor = connector.cursor()
        assert cursor is not None
        connector.create(entry())
        (page,) = connector.changes(cursor)
        assert [one.key for one in page.accounts] == ["ann"]
        assert not [one for page in connector.changes({"since": "2100-01-01T00:00:00+00:00"}) for one in page.accounts]
    with scim.open(product="slack", trusts_modified=True) as connector:
        assert connector.lacks(Capability.INCREMENTAL)


def test_an_application_whose_clock_is_wrong_is_asked_by_its_own_time(
    scim: ScimSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hours behind: by our own time, what changed in the last two hours would never be asked for."""
    theirs = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)

    def before(request: Request) -> Response:
        busy = request.method == "POST"
        until = {"Retry-After": format_datetime(theirs + dt.timedelta(hours=1), usegmt=True)} if busy else {}
        return said({"totalResults": 0}, 429 if busy else 200, **until)

    scim.server.before = before
    date = format_datetime(theirs, usegmt=True)
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: date)
    with scim.open(trusts_modified=True) as connector:
        cursor = connector.cursor()
        with pytest.raises(Unavailable) as caught:
            connector.create(entry())
    assert cursor is not None
    before_that = theirs - dt.datetime.fromisoformat(cursor["since"])
    assert dt.timedelta(minutes=9) < before_that < dt.timedelta(minutes=11)
    assert caught.value.retry_after == 3600, "an hour, although our clock says that it is over"


# --- Many at once, pauses and limits ---


def test_several_are_written_at_a_time_and_each_says_how_it_went(scim: ScimSubject) -> None:
    with scim.open(in_flight=4) as connector:
        connector.create(entry("user3"))
        wanted = [entry(f"user{number}") for number in range(8)]
        found = connector.find_many(wanted)
        together = threading.Barrier(4)  # nobody is answered before four have asked

        def before(request: Request) -> None:
            if request.method == "POST":
                together.wait(30)

        scim.server.before = before
        answers = connector.write_many([Write(Capability.CREATE, one) for one in wanted])
    assert [number for number, one in sorted(found.items()) if one is not None] == [3]
    assert [isinstance(one, RemoteAccount) for one in answers] == [number != 3 for number in range(8)]
    assert isinstance(answers[3], Conflict)
    assert len(scim.server.resources("User")) == 8


def test_a_short_pause_is_made_and_a_storm_of_refusals_is_left_to_the_portal(scim: ScimSubject) -> None:
    scim.server.before = once(lambda request: said({}, 429, **{"Retry-After": "1"}), "POST")
    with scim.open() as connector:
        assert connector.create(entry()).ref
        scim.server.asked.clear()
        scim.server.before = lambda request: said({}, 429, **{"Retry-After": "1"})
        with pytest.raises(Unavailable) as caught:
            connector.create(entry("bob"))
        assert (caught.value.retry_after, len(scim.server.asked)) == (1, client.PAUSES + 1)
        scim.server.asked.clear()
        scim.server.before = lambda request: said({}, 429, **{"Retry-After": "3600"})
        with pytest.raises(Unavailable) as caught:
            connector.create(entry("bob"))
    assert (caught.value.retry_after, len(scim.server.asked)) == (3600, 1)


# --- Answers that lie ---


def bomb() -> Response:
    return said(gzip.compress(b" " * 200_000_000, 9), **{"Content-Encoding": "gzip"})


def dripping() -> Response:
    def drops() -> Any:
        while True:
            yield b" "
            time.sleep(0.05)

    return Response(drops(), 200, headers={"Content-Type": JSON})


LIES: dict[str, tuple[Callable[[Request], Response | None], type[ConnectorError]]] = {
    "a page for people": (lambda request: said("<html>hello</html>", **{"Content-Type": "text/html"}), Unavailable),
    "a list instead of an object": (lambda request: said([]), Unavailable),
    "half of an answer": (lambda request: said('{"id": "1", "userN', 201), Unavailable),
    "10 MB": (lambda request: said(b" " * 11_000_000), ConnectorError),
    "a gzip bomb": (lambda request: bomb(), ConnectorError),
    "a slow drip": (lambda request: dripping(), Unavailable),
    "an error page": (lambda request: said("<html>sorry</html>", 502, **{"Content-Type": "text/html"}), Unavailable),
    "a server that breaks": (lambda request: said("", 500), Unavailable),
    "201 without id": (lambda request: said({"userName": "ann"}, 201), ConnectorError),
    "201 with nothing": (lambda request: said("", 201), ConnectorError),
    "somebody else": (lambda request: said({"id": "9", "userName": "bob"}, 201), ConnectorError),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("done", [False, True], ids=["not done", "done"])
def test_a_lie_makes_no_duplicate_and_loses_nobody(
    scim: ScimSubject, lie: str, done: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """``done``: the server created the user before it lied. Afterwards a look decides, as a delivery does it."""
    answer, error = LIES[lie]
    caplog.set_level(logging.DEBUG)

    def lying(request: Request) -> Response | None:
        if done:
            scim.server.pass_on(request)
        return answer(request)

    scim.server.before = once(lying, "POST")
    with scim.open(timeout=1) as connector:
        assert connector.find(entry()) is None
        message = ""
        try:
            connector.create(entry())
        except error as caught:
            message = caught.message
        if connector.find(entry()) is None:
            connector.create(entry())
    assert message or done, "only a look makes good what was done"
    assert not {TOKEN, "ann@example.org"} & {*message.split()}
    assert len(scim.server.resources("User")) == 1
    assert TOKEN not in caplog.text


def test_a_server_that_is_killed_half_way_loses_nothing_and_makes_nobody_twice() -> None:
    first = ScimServer()
    with first.running() as server:
        subject = ScimSubject(server)
        with subject.open(timeout=1) as connector:
            connector.create(entry("ann"))
            kept = server.storage
            server.kill()
            with pytest.raises(Unavailable):
                connector.create(entry("bob"))
    with ScimServer(storage=kept, port=first.port).running() as server, subject.open() as connector:
        for name in ("ann", "bob"):
            if connector.find(entry(name)) is None:
                connector.create(entry(name))
        assert sorted(one["userName"] for one in server.resources("User")) == ["ann", "bob"]


def test_no_setting_shows_a_secret(scim: ScimSubject) -> None:
    with scim.open(secret_header="X-Key: hidden") as connector:
        assert TOKEN not in repr(connector.settings)
        assert "hidden" not in repr(connector.settings)


@pytest.mark.parametrize("product", [name for name, _ in Scim.fields[0].choices])
def test_every_product_can_be_set_up_and_says_what_to_do(product: str) -> None:
    with Scim(ConnectorConfig({"product": product})) as connector:
        assert {Capability.CREATE, Capability.DISABLE, Capability.IMPORT} <= connector.capabilities
        assert connector.deletion_is_final.endswith(".") is not connector.keeps_deleted
        assert Scim.notes[product].endswith(".)") or product == "generic"
        assert Scim.called({"product": product}) in (f"{connector.preset.label} (SCIM)", "SCIM 2.0 application")
        assert all(connector.meant_by(name) for name in Scim.required({"product": product}) if "." in name)


def test_no_more_connections_are_made_ready_than_requests_are_under_way(
    scim: ScimSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[HttpDoor] = []
    closed: list[HttpDoor] = []

    class Door(HttpDoor):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            made.append(self)

        def close(self) -> None:
            super().close()
            closed.append(self)

    monkeypatch.setattr(client, "HttpDoor", Door)
    with scim.open(in_flight=4) as connector:
        connector.create(entry())
        connector.find(entry())
        assert len(made) == 1
        together = threading.Barrier(4)
        scim.server.before = lambda request: together.wait(30) * 0 or None if request.method == "POST" else None
        connector.write_many([Write(Capability.CREATE, entry(f"user{number}")) for number in range(8)])
        assert len(made) == 4
    assert closed == made


@pytest.mark.parametrize("update", ["patch", "put"])
def test_what_a_leaver_needs_goes_before_the_others(
    scim: ScimSubject, monkeypatch: pytest.MonkeyPatch, update: str
) -> None:
    taken: list[tuple[str, bool]] = []
    real = rate.Limiter.turn

    def turn(self: rate.Limiter, request: rate.Sending, patience: float) -> None:
        taken.append((request.method, request.urgent))
        real(self, request, patience)

    with scim.open(update=update) as connector:
        ann = connector.create(entry())
        monkeypatch.setattr(rate.Limiter, "turn", turn)
        wanted = entry(ref=ann.ref)
        connector.disable(wanted, connector.find(wanted))
        assert taken == [("GET", False), (update.upper(), True)], "the one that closes is urgent by itself"
        connector.enable(wanted)
        assert not any(urgent for _, urgent in taken[2:])
        taken.clear()
        connector.urgent = True
        connector.disable(wanted, connector.find(wanted))
        assert connector.find(wanted) is not None
    assert taken == [("GET", True), (update.upper(), True), ("GET", True)]


def test_who_was_looked_up_just_now_is_not_read_again_to_be_written(
    scim: ScimSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(connector_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with scim.open(in_flight=4) as connector:
        made = [connector.create(entry(f"user{number}")) for number in range(4)]
        wanted = [entry(one.key, ref=one.ref, **{LAST: "Berg"}) for one in made]
        connector.find_many(wanted)
        scim.server.asked.clear()
        connector.write_many([Write(Capability.UPDATE, one) for one in wanted])
        asked = [one.method for one in scim.server.asked if one.path.endswith(made[0].ref)]
        assert asked == ["PATCH", "GET"], "the second reads what became of it"
        scim.server.asked.clear()
        connector.write_many([Write(Capability.UPDATE, one) for one in wanted])
        assert scim.server.methods() == ["GET"] * 4, "what was found before a write counts no more"
        connector.find_many(wanted)
        now[0] += 2
        scim.server.asked.clear()
        connector.write_many([Write(Capability.UPDATE, one) for one in wanted])
        assert scim.server.methods() == ["GET"] * 4, "nor does what was found a while ago"


def test_a_group_that_is_put_as_a_whole_keeps_its_name_and_what_the_portal_calls_it(scim: ScimSubject) -> None:
    with scim.open(update="put") as connector:
        group = connector.create_group(GroupEntry("Sales", portal_id="g1"))
        ann = connector.create(entry())
        connector.teams.rules = replace(connector.teams.rules, members_by="attributes")
        connector.add_members(GroupEntry("Sales", group.ref), [entry(ref=ann.ref)])
        (held,) = scim.server.resources("Group")
        assert (held["displayName"], held["externalId"]) == ("Sales", "g1")
        assert [one["value"] for one in held["members"]] == [ann.ref]
        connector.update_group(GroupEntry("Crew", group.ref))
    (held,) = scim.server.resources("Group")
    assert (held["displayName"], held["externalId"]) == ("Crew", "g1")

"""Security event tokens: RFC 8417 tokens with RFC 9967 events, pushed as RFC 8935 says, under published keys."""

import datetime as dt
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from provisioning import services
from provisioning.events import keys
from provisioning.events.models import Envelope, OutgoingEvent, SigningKey, Subscription
from provisioning.models import Group, User
from tests.provisioning.events.conftest import Receiver, send, subscribe

pytestmark = pytest.mark.django_db
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
KINDS = ["user.created", "user.updated", "user.deactivated", "user.deleted", "membership.added", "group.created"]


@pytest.fixture
def subscription(db: None, receiver: Receiver) -> Subscription:
    return subscribe(receiver.server.url, envelope=Envelope.SET, kinds=KINDS, audience="https://rp.example.com")


def claims(token: bytes, published: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a token as a receiver does, and return its header and claims."""
    found = jws.deserialize_compact(token, KeySet.import_key_set(published), algorithms=["ES256"])
    return dict(found.headers()), json.loads(found.payload)


def published(client: Client) -> dict[str, Any]:
    answer = client.get("/events/keys.json")
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    return dict(answer.json())


@pytest.mark.heavy
def test_a_receiver_verifies_what_happened_by_the_published_keys(
    subscription: Subscription, receiver: Receiver, client: Client, settings: Any
) -> None:
    ada = User(username="ada", department="Sales")
    services.save_user(ada, "root")
    ada.department = "Research"
    services.save_user(ada, "root")
    group = Group(name="Crew")
    services.save_group(group, "root")
    services.add_members(group, [ada.pk], "root")
    services.set_active([ada.pk], False, "root")
    services.delete_users([ada.pk], "root")
    send(subscription)
    assert {one.headers["content-type"] for one in receiver.came} == {"application/secevent+jwt"}
    assert {one.headers["accept"] for one in receiver.came} == {"application/json"}
    read = [claims(one.body, published(client)) for one in receiver.came]
    assert {header["typ"] for header, _ in read} == {"secevent+jwt"}
    by_jti = {body["jti"]: body for _, body in read}
    events = OutgoingEvent.objects.exclude(kind="membership.removed").order_by("pk")
    told = [(event.kind, by_jti[str(event.ident)]) for event in events]
    user, crew = f"/Users/{ada.scim_id}", f"/Groups/{group.scim_id}"
    prov, department = "urn:ietf:params:scim:event:prov", f"{ENTERPRISE}:department"
    assert [(kind, body["sub_id"]["uri"], body["events"]) for kind, body in told] == [
        ("user.created", user, {f"{prov}:create:notice": {"attributes": ["id", "userName", department]}}),
        ("user.updated", user, {f"{prov}:patch:notice": {"attributes": [department]}}),
        ("group.created", crew, {f"{prov}:create:notice": {"attributes": ["id", "displayName"]}}),
        ("membership.added", crew, {f"{prov}:patch:notice": {"attributes": ["members"]}}),
        ("user.deactivated", user, {f"{prov}:deactivate": {}}),
        ("user.deleted", user, {f"{prov}:delete": {}}),
    ]
    one = told[0][1]
    assert (one["iss"], one["aud"], one["sub_id"]["format"]) == (settings.PORTAL_URL, "https://rp.example.com", "scim")
    assert "sub" not in one
    assert b"Sales" not in b"".join(came.body for came in receiver.came)


def test_a_token_names_what_changed_and_there_is_none_where_nothing_may_be_named(
    subscription: Subscription, receiver: Receiver, client: Client
) -> None:
    """RFC 9967 section 2.4: a notice has "attributes", which lists what was created or modified."""
    ada = User(username="ada", first_name="Ada")
    services.save_user(ada, "root")
    ada.first_name = "Augusta"  # which was not chosen
    services.save_user(ada, "root")
    ada.department, ada.is_active = "Research", False
    services.save_user(ada, "root")
    Subscription.objects.update(fields=[])
    services.save_user(User(username="bob"), "root")
    send(subscription)
    prov = "urn:ietf:params:scim:event:prov"
    told = [event for one in receiver.came for event in claims(one.body, published(client))[1]["events"].items()]
    assert told == [
        (f"{prov}:create:notice", {"attributes": ["id"]}),
        (f"{prov}:deactivate", {}),
        (f"{prov}:create:notice", {"attributes": ["id"]}),
    ]


def test_a_new_key_is_published_before_it_signs_and_the_old_one_after(
    subscription: Subscription, receiver: Receiver, client: Client
) -> None:
    before = keys.signing()
    made = keys.rotate("root")
    assert [key["kid"] for key in published(client)["keys"]] == [made.kid, before.kid]
    assert all("d" not in key for key in published(client)["keys"]), "no private part is ever shown"
    assert keys.signing().kid == before.kid
    SigningKey.objects.filter(pk=made.pk).update(signs_from=timezone.now())
    assert keys.signing().kid == made.kid
    services.save_user(User(username="ada"), "root")
    send(subscription)
    header, _ = claims(receiver.came[0].body, published(client))
    assert header["kid"] == made.kid
    SigningKey.objects.filter(kid=before.kid).update(ends_at=timezone.now() - dt.timedelta(seconds=1))
    assert [key["kid"] for key in published(client)["keys"]] == [made.kid]
    keys.forget_ended()
    assert SigningKey.objects.count() == 1


def test_a_token_of_somebody_else_is_refused(subscription: Subscription, receiver: Receiver, client: Client) -> None:
    services.save_user(User(username="ada"), "root")
    send(subscription)
    header, _, signature = receiver.came[0].body.split(b".")
    forged = b".".join([header, b"eyJpc3MiOiJldmlsIn0", signature])
    with pytest.raises(BadSignatureError):
        claims(forged, published(client))

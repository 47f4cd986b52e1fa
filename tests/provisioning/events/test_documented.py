"""The receivers that the documentation shows work as they stand there."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from provisioning import services
from provisioning.events.models import Envelope, OutgoingEvent
from provisioning.models import User
from tests.fixtures.http import HttpServer
from tests.provisioning.events.conftest import Receiver, send, subscribe

pytestmark = pytest.mark.django_db
PAGE = Path(__file__).resolve().parents[3] / "docs" / "events.md"
WEBHOOKS, TOKENS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def shown(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_the_receiver_of_webhooks_takes_each_event_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_SECRETS", "whsec_b2xk")
    code = shown(WEBHOOKS)

    class Server(HttpServer):
        def _handler(self) -> Any:
            return code["Receiver"]

    with Server(lambda handler: None).running() as server:
        one = subscribe(server.url)
        services.save_user(User(username="ada"), "root")
        send(one)
        assert "user.created" not in capsys.readouterr().out, "signed by a secret that it does not have"
        code["SECRETS"].append(one.secrets["secret"])
        type(one).objects.update(retry_at=None, unreachable_since=None)
        one.streams.update(not_before="2026-01-01T00:00Z")
        send(one)
        assert capsys.readouterr().out.count("user.created") == 1
        assert code["seen"] == {str(OutgoingEvent.objects.get().ident)}


def test_the_receiver_of_tokens_verifies_them(receiver: Receiver, client: Client) -> None:
    one = subscribe(
        receiver.server.url, envelope=Envelope.SET, kinds=["user.created"], audience="https://rp.example.com"
    )
    services.save_user(User(username="ada"), "root")
    send(one)
    verified, keys = shown(TOKENS)["verified"], client.get("/events/keys.json").json()
    claims = verified(receiver.came[0].body, keys, "https://rp.example.com")
    assert claims["jti"] == str(OutgoingEvent.objects.get().ident)
    with pytest.raises(ValueError, match="somebody else"):
        verified(receiver.came[0].body, keys, "https://other.example.com")

"""Applications without a browser: the command and blueprints."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from directories.described.document import DocumentError
from provisioning.blueprints.apply import apply
from provisioning.blueprints.export import export
from provisioning.models import Group
from reports.models import Event
from scim.models import Client
from tests.scim.conftest import Scim, make_client

pytestmark = pytest.mark.django_db
SECRET = "rc_this-is-a-token-of-the-blueprint"


def command(*arguments: str) -> Any:
    out = StringIO()
    call_command("scim_client", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_adds_and_finds_an_application(settings: Any) -> None:
    settings.PORTAL_URL = "https://portal.example.org"
    first = command("Entra ID")
    assert first["base_url"] == "https://portal.example.org/scim/entra-id/v2"
    assert Scim(Client.objects.get(), first["token"], "/scim/entra-id/v2").get("/Users").status == 200
    assert command("ENTRA id") == first
    other = command("Entra ID", "--new-token")
    assert other["token"] != first["token"]
    assert Client.objects.get().provider == "entra"
    assert Client.objects.get().tokens.count() == 2
    assert any("looked at a token" in event.message for event in Event.objects.all())


def test_the_command_makes_a_token_where_none_works() -> None:
    scim = make_client()
    scim.client.tokens.update(revoked_at="2026-01-01T00:00Z")
    assert Scim(scim.client, command("Okta")["token"]).get("/Users").status == 200


def test_the_command_prints_two_lines() -> None:
    out = StringIO()
    call_command("scim_client", "Okta", stdout=out)
    base, token = out.getvalue().splitlines()
    assert base.startswith("Base URL: http")
    assert token.startswith("Token:    rollcall_") or token.startswith("Token:    rc_")


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_the_command_refuses_a_name_that_is_none(name: str) -> None:
    with pytest.raises(CommandError):
        command(name)


BLUEPRINT = """
version: 1
scim_applications:
  - name: Okta
    delete_deactivated: true
    recycle_days: 14
    match: email
    tokens:
      Production: file:{path}
    mapping:
      - scim_path: userName
        portal_attribute: username
      - scim_path: title
        portal_attribute: title
        direction: in
        expression: "{{{{ value | upper }}}}"
    group_mapping:
      - scim_path: displayName
        portal_attribute: name
        direction: in
        expression: "{{{{ 'Okta ' ~ value }}}}"
"""


@pytest.fixture
def blueprint(tmp_path: Path) -> str:
    secret = tmp_path / "token"
    secret.write_text(f"{SECRET}\n")
    return BLUEPRINT.format(path=secret)


def test_a_blueprint_brings_an_application(blueprint: str) -> None:
    found = apply(blueprint, actor="grace")
    assert [str(difference) for difference in found.differences] == ["+ SCIM application Okta"]
    client = Client.objects.get()
    assert (client.provider, client.delete_deactivated, client.recycle_days) == ("okta", True, 14)
    scim = Scim(client, SECRET, "/scim/okta/v2")
    assert scim.add("anna", title="nurse")["userName"] == "anna"
    assert scim.post("/Groups", {"displayName": "Sales"}).json["displayName"] == "Sales"
    assert Group.objects.get().name == "Okta Sales"
    assert apply(blueprint, actor="grace").differences == []
    assert "grace added Okta by a blueprint." in [event.message for event in Event.objects.all()]


def test_a_check_changes_nothing(blueprint: str) -> None:
    assert apply(blueprint, actor="grace", check=True).differences
    assert not Client.objects.exists()


def test_a_changed_token_replaces_the_one_of_that_name(blueprint: str, tmp_path: Path) -> None:
    apply(blueprint, actor="grace")
    (tmp_path / "token").write_text("another-token-of-the-blueprint")
    differences = [str(difference) for difference in apply(blueprint, actor="grace").differences]
    assert differences == ["~ SCIM application Okta: tokens.Production: (secret) -> (secret)"]
    client = Client.objects.get()
    assert Scim(client, SECRET).get("/Users").status == 401
    assert Scim(client, "another-token-of-the-blueprint").get("/Users").status == 200


def test_what_is_not_said_stays(blueprint: str) -> None:
    scim = make_client(create_users=False)
    apply("version: 1\nscim_applications:\n  - name: okta\n    read: true\n    sync_groups: false\n", actor="grace")
    scim.client.refresh_from_db()
    assert (scim.client.name, scim.client.create_users, scim.client.sync_groups) == ("okta", False, False)
    assert scim.client.mappings.count() > 20
    assert scim.get("/Users").status == 200


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("    tokens: {Production: clear-text-token-here}", "This is a secret."),
        ("    tokens: {Production: env:NO_SUCH_VARIABLE}", "is not set"),
        ("    tokens: {Production: file:/etc/hostname}", "at least 20 characters"),
        ("    matching: email", "Did you mean 'match'?"),
        ("    match: shoe", "line 4: scim_applications[0].match: This should be 'username', 'external_id', "),
        ("    allow_bearer: false", "Leave one way to sign in on"),
        ("    mapping: [{scim_path: title, portal_attribute: title}]", "must bring the user name"),
        ("    group_mapping: [{scim_path: title, portal_attribute: name}]", "The name of a group is displayName"),
        ("    group_mapping: [{scim_path: title, portal_attribute: description}]", "Write it as URN:attribute"),
        ("    mapping: [{scim_path: 'a b', portal_attribute: title}]", "not the path of a SCIM attribute"),
        (
            "    mapping: [{scim_path: userName, portal_attribute: username}, {scim_path: t, portal_attribute: titel}]",
            "Did you mean title?",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(part: str, words: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(words)):
        apply(f"version: 1\nscim_applications:\n  - name: Okta\n{part}\n", actor="grace")
    assert not Client.objects.exists()


def test_an_export_holds_references_and_applies_to_itself(blueprint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(blueprint, actor="grace")
    text = export()
    assert SECRET not in text
    assert "Production: env:ROLLCALL_OKTA_TOKEN_PRODUCTION" in text
    monkeypatch.setenv("ROLLCALL_OKTA_TOKEN_PRODUCTION", SECRET)
    assert apply(text, actor="grace").differences == []
    Client.objects.all().delete()
    apply(text, actor="grace")
    assert Scim(Client.objects.get(), SECRET).get("/Users").status == 200

"""What a blueprint changed is taken back; what was changed since, and what it added, stays and is listed."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from directories.models import Directory, ProvisioningSettings
from provisioning.blueprints.apply import apply
from provisioning.blueprints.undo import undo
from provisioning.models import AppliedBlueprint, AttributeDefinition, Group
from reports.models import Evidence
from scim.models import Client
from scim.upkeep import clients
from tests.provisioning.blueprints.test_blueprints import FIXED, PASSWORD, example

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
CHANGE = """
version: 1
attributes:
  - {name: badge_number, label: Badge, type: text}
  - {name: fresh, label: Fresh, type: text}
groups:
  - {name: Engineering, description: Builders}
directories:
  - name: APPSDB
    kind: postgresql
    description: Changed
    settings: {host: other.example.org, port: 5433, database: APPSDB, user: rollcall, user_table: USERS,
      username_column: USERNAME}
    secrets: {password: "env:ROLLCALL_APPSDB_OTHER"}
    provisioning: {create_users: false, max_leavers: 7}
scim_applications:
  - {name: Okta, create_users: false}
"""


@pytest.fixture(autouse=True)
def applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documented example, and a blueprint that changes it."""
    monkeypatch.setenv("ROLLCALL_APPSDB_PASSWORD", PASSWORD)
    monkeypatch.setenv("ROLLCALL_APPSDB_INITIAL_PASSWORD", FIXED)
    monkeypatch.setenv("ROLLCALL_APPSDB_OTHER", "another secret")
    clients.add("Okta", "ada", "okta")
    apply(example(), actor="ada")
    apply(CHANGE, actor="ada")


def directory() -> Directory:
    return Directory.objects.select_related("provisioning").get()


def test_settings_secrets_groups_and_applications_are_as_before() -> None:
    stored = directory()
    assert (stored.settings["host"], stored.secrets["password"]) == ("other.example.org", "another secret")
    assert not stored.provisioning.create_users
    found = undo(None, actor="bob")
    assert found.kept == ["attribute fresh: was added by it, and stays. Switch it off or delete it on its page."]
    stored = directory()
    assert (stored.settings["host"], stored.secrets["password"]) == ("serverdomain", PASSWORD)
    assert (stored.description, stored.provisioning.create_users) == ("The application database", True)
    assert stored.provisioning.max_leavers == 50
    assert Group.objects.get().description == "Everyone who builds the product"
    assert AttributeDefinition.objects.get(name="badge_number").label != "Badge"
    assert Client.objects.get().create_users
    row = Evidence.objects.filter(payload__by="bob").latest("seq")
    assert "hidden" not in str(row.payload)
    assert "another secret" not in str(list(Evidence.objects.values_list("payload", flat=True)))


def test_what_was_changed_since_stays_and_is_listed() -> None:
    stored = directory()
    stored.settings = {**stored.settings, "host": "third.example.org"}
    stored.save()
    ProvisioningSettings.objects.update(max_leavers=9)
    Group.objects.update(description="By hand")
    found = undo(None, actor="bob", check=True)
    assert directory().description == "Changed", "nothing is changed by a check"
    kept = set(found.kept)
    assert "directory APPSDB: settings.host was changed since, and stays as it is." in kept
    assert "directory APPSDB: provisioning.max_leavers was changed since, and stays as it is." in kept
    assert "group Engineering: description was changed since, and stays as it is." in kept
    undo(None, actor="bob")
    stored = directory()
    assert (stored.settings["host"], stored.provisioning.max_leavers) == ("third.example.org", 9)
    assert (stored.secrets["password"], stored.provisioning.create_users) == (PASSWORD, True)
    assert Group.objects.get().description == "By hand"


def test_it_is_taken_back_once_and_the_undo_itself_can_be() -> None:
    first, second = AppliedBlueprint.objects.order_by("pk")
    undo(second.pk, actor="bob")
    newest = AppliedBlueprint.objects.latest("pk")
    out = StringIO()
    call_command("blueprint", "list", stdout=out)
    assert out.getvalue().startswith(f"{newest.pk}: took back blueprint {second.pk} by bob on ")
    for number, words in ((second.pk, "was taken back already"), (9999, "There is no blueprint 9999")):
        with pytest.raises(CommandError, match=words):
            call_command("blueprint", "undo", str(number))
    call_command("blueprint", "undo", str(newest.pk), stdout=StringIO())
    assert directory().settings["host"] == "other.example.org"
    out = StringIO()
    call_command("blueprint", "undo", str(first.pk), "--check", stdout=out)
    assert "Nothing to change." in out.getvalue()
    assert "= directory APPSDB: was added by it, and stays." in out.getvalue()


def reach_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every change of a directory reach 4,812 accounts, which is over a limit."""
    from provisioning import services

    class Wide(services.Impact):
        """What reaches many."""

        @property
        def reached(self) -> int:
            return 4812

        def objections(self, limits: Any) -> list[Any]:
            from provisioning.guard.limits import Objection
            from provisioning.guard.losses import LossKind

            return [Objection(LossKind.CHANGED, "4,812 accounts would get another value of mail.")]

    monkeypatch.setattr(services, "impact_of_change", lambda *_: Wide())


def test_an_undo_over_a_limit_needs_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    reach_many(monkeypatch)
    with pytest.raises(CommandError, match="4,812 accounts would get another value"):
        call_command("blueprint", "undo")
    assert directory().description == "Changed"
    call_command("blueprint", "undo", "--number", "4812", stdout=StringIO())
    assert directory().description == "The application database"


def test_what_is_not_there_any_more_is_said_and_the_rest_is_taken_back() -> None:
    Directory.objects.update(name="Renamed since")
    AttributeDefinition.objects.filter(name="badge_number").delete()
    found = undo(None, actor="bob")
    gone = {f"{label}: is not there any more." for label in ("directory APPSDB", "attribute badge_number")}
    assert gone <= set(found.kept)
    assert directory().description == "Changed"
    assert Group.objects.get().description == "Everyone who builds the product"
    assert Client.objects.get().create_users


def test_an_item_that_cannot_be_written_is_named() -> None:
    Group.objects.update(pushed_by="Okta")
    with pytest.raises(CommandError, match=r"^group Engineering: name: This group comes from a directory"):
        call_command("blueprint", "undo")
    assert directory().description == "Changed"


def test_a_token_that_was_replaced_does_not_come_back_and_the_rest_does(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "version: 1\nscim_applications:\n  - {name: Okta, tokens: {Main: 'env:ROLLCALL_T'}, update_users: UPDATES}"
    for number, updates in enumerate(("true", "false")):
        monkeypatch.setenv("ROLLCALL_T", f"a token that nobody guesses {number}")
        apply(lines.replace("UPDATES", updates), actor="ada")
    found = undo(None, actor="bob")
    assert [words for words in found.kept if "tokens" in words] == [
        "scim application Okta: its new tokens stay valid, and those that they replaced do not come back. "
        "Change tokens on its page."
    ]
    okta = Client.objects.get()
    assert okta.update_users
    assert [str(one.secret) for one in okta.tokens.filter(label="Main", revoked_at=None)] == [
        "a token that nobody guesses 1"
    ]

"""What people change about SCIM applications and their tokens is kept as evidence, without the tokens."""

import pytest

from reports.models import Evidence
from scim.access import tokens
from scim.upkeep import clients

pytestmark = pytest.mark.django_db


def test_applications_and_tokens_are_kept() -> None:
    issued = clients.add("Okta", "ada")
    clients.set_enabled(issued.client, False, "ada")
    tokens.revoke(issued.token, "bob")
    clients.remove(issued.client, "bob")
    rows = [row.payload for row in Evidence.objects.order_by("seq")]
    subject = f"SCIM application {rows[0]['subject'].split()[-1]}"
    assert {row["subject"] for row in rows} == {subject}
    assert [row["by"] for row in rows] == ["ada", "ada", "ada", "bob", "bob"]
    assert "First token" in str(rows[1]["changes"])
    assert rows[2]["changes"] == {"enabled": [True, False]}
    (changed,) = rows[3]["changes"]
    assert changed.endswith("revoked_at")
    assert rows[4]["changes"]["slug"] == ["okta", None]
    assert issued.clear not in str(rows)

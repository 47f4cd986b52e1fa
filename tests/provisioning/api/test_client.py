"""The Python client of the docs: it is what the description says now, and it works."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import Client

from provisioning.api import client
from provisioning.models import User
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import personal

SAMPLE = Path(__file__).parents[3] / "docs" / "samples" / "rollcall_client.py"


def sample() -> ModuleType:
    found = importlib.util.spec_from_file_location("rollcall_client", SAMPLE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.heavy
def test_the_client_in_the_docs_is_what_the_description_says_now() -> None:
    assert SAMPLE.read_text(encoding="utf-8") == client.source(), (
        "manage.py api_client > docs/samples/rollcall_client.py"
    )


@pytest.mark.heavy
@pytest.mark.django_db
def test_the_client_lists_writes_and_says_what_is_refused(staff: User) -> None:
    module, browser = sample(), Client()

    class InProcess(module.Rollcall):  # type: ignore[misc, name-defined]
        def send(self, method: str, address: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
            answer: Any = browser.generic(
                method, address, body or b"", content_type="application/json", headers=dict(headers)
            )
            return int(answer.status_code), bytes(answer.content)

    portal = InProcess("http://testserver", personal(staff).secret)
    for number in range(5):
        roll.person(f"u{number}")
    assert [one["username"] for one in portal.list_users(filter='username sw "u"', limit=2)] == [
        f"u{number}" for number in range(5)
    ]
    anna = portal.create_user({"username": "anna"}, idempotency_key="1")
    assert portal.create_user({"username": "anna"}, idempotency_key="1") == anna
    assert portal.update_user(anna["id"], {"title": "Nurse"})["title"] == "Nurse"
    with pytest.raises(module.Refused, match="400") as refused:
        portal.create_user({"username": "anna"})
    assert "username" in refused.value.errors
    assert portal.delete_user(anna["id"]) is None
    with pytest.raises(module.Refused, match="404"):
        portal.get_user(anna["id"])

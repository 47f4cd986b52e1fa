"""Bulk requests as no careful client sends them: each operation is answered, and the others are done."""

import json
from io import BytesIO
from typing import Any

import pytest
from django.test import Client as Browser

from provisioning.models import User
from tests.scim.conftest import USER, Answer, Scim

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def creating(name: str, path: str = "/Users") -> dict[str, object]:
    return {"method": "POST", "path": path, "bulkId": name, "data": {"schemas": [USER], "userName": name}}


@pytest.mark.parametrize(
    "path", ["//[", "//[::1/Users", "/Users#a", "/Users;x=1", "/http://[", "/Users/../Bulk", "/%ff"]
)
def test_a_path_that_is_none_fails_alone(scim: Scim, path: str) -> None:
    answer = scim.post("/Bulk", {"schemas": [BULK], "Operations": [creating("anna", path), creating("ben")]})
    assert answer.status == 200, answer
    assert [done["status"] for done in answer.json["Operations"]] == ["404", "201"]
    assert User.objects.get().username == "ben"


def test_a_request_in_chunks_reaches_its_operations(scim: Scim) -> None:
    body = json.dumps({"schemas": [BULK], "Operations": [creating("anna")]}).encode()
    browser = Browser(headers={"Authorization": f"Bearer {scim.token}", "Transfer-Encoding": "chunked"})
    server: Any = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True}
    sent = browser.generic("POST", "/scim/v2/Bulk", body, "application/scim+json", **server)
    assert [done["status"] for done in Answer(sent).json["Operations"]] == ["201"]

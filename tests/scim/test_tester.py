"""scim2-tester's checks, by scim2-client over HTTP to a live server.

The PATCH of each attribute of a user, half a minute of them, is done in process: see ``test_operating``.
"""

from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from provisioning.models import AttributeDefinition
from tests.scim.conftest import Scim, make_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.heavy]


@pytest.fixture
def application(db: None) -> Scim:
    AttributeDefinition.objects.create(name="badge", label="Badge", type="text")
    AttributeDefinition.objects.create(name="remote", label="Works remotely", type="boolean")
    return make_client()


def complaints(client: Any) -> list[str]:
    client.discover()
    patches = {"patch:add", "patch:remove", "patch:replace"}
    results = check_server(client, exclude_tags=patches)
    results += check_server(client, include_tags=patches, resource_types=["Group"])
    assert len(results) > 50
    bad = [result for result in results if result.status not in (Status.SUCCESS, Status.SKIPPED)]
    return [f"{result.status.name} {result.title}: {result.reason}" for result in bad]


def test_every_check_is_green_over_http(application: Scim, live_server: Any) -> None:
    headers = {"Authorization": f"Bearer {application.token}"}
    base = f"{live_server.url}/scim/{application.client.slug}/v2"
    with httpx2.Client(base_url=base, headers=headers, trust_env=False, timeout=60) as browser:
        assert complaints(SyncSCIMClient(browser)) == []

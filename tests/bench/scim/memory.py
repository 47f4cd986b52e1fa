"""scim2-server with its storage in memory: ``gunicorn tests.bench.scim.memory:application`` with ``MEMORY_PEOPLE``."""

import datetime as dt
import os
from typing import Any

from scim2_models import Meta
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider

GROUP = 20_000


def build(count: int) -> BearerTokenApplication:
    """Return the application with ``count`` people and a group of at most 20,000."""
    provider = load_default_provider()
    person: Any = provider.model_for_endpoint("/Users")
    team: Any = provider.model_for_endpoint("/Groups")
    now = dt.datetime.now(dt.UTC)

    def meta(kind: str) -> Meta:
        return Meta(resource_type=kind, created=now, last_modified=now, version='W/"0"')

    def user(n: int) -> Any:
        name = {"givenName": "First", "familyName": f"Last{n}"}
        emails = [{"value": f"{n}@example.org", "type": "work", "primary": True}]
        known = {"userName": f"person{n}", "name": name, "emails": emails, "active": True}
        return person.model_validate(known).model_copy(update={"id": str(n), "meta": meta("User")})

    members = [{"value": str(n), "type": "User"} for n in range(1, min(count, GROUP) + 1)]
    group = team.model_validate({"displayName": "Everybody", "members": members})
    storage = InMemoryStorage()
    storage.resources = [
        *(user(n) for n in range(1, count + 1)),
        group.model_copy(update={"id": "everybody", "meta": meta("Group")}),
    ]
    service = ScimService(provider, secret=os.environ["SECRET_KEY"])
    return BearerTokenApplication(storage, provider, service=service, bearer_tokens=[os.environ["BENCH_TOKEN"]])


application = build(int(os.environ["MEMORY_PEOPLE"]))

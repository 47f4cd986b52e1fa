"""The update that says of each role where it comes from, with what providers gave before."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.sso.models import Given
from provisioning.models import Grant

BEFORE = [("sso", "0001_identity_providers"), ("provisioning", "0042_rights_to_evidence")]


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_what_providers_gave_is_told_from_what_was_given_by_hand() -> None:
    executor = MigrationExecutor(connection)
    latest = [node for node in executor.loader.graph.leaf_nodes() if node[0] in {"sso", "provisioning"}]
    executor.migrate(BEFORE)
    try:
        apps: Any = MigrationExecutor(connection).loader.project_state(BEFORE).apps
        anna = apps.get_model("provisioning", "User").objects.create(username="anna", username_key="anna")
        roles = {name: apps.get_model("auth", "Group").objects.create(name=name) for name in ("Hand", "One", "Both")}
        anna.groups.add(*roles.values())
        make = apps.get_model("sso", "IdentityProvider").objects.create
        first, second = (make(name=name, slug=name, issuer=f"https://{name}.example.org") for name in ("a", "b"))
        given = apps.get_model("sso", "Given").objects
        given.create(provider=first, user=anna, role=None)
        given.create(provider=first, user=anna, role=roles["One"])
        for provider in (first, second):
            given.create(provider=provider, user=anna, role=roles["Both"])
        given.create(provider=first, user=anna, role=apps.get_model("auth", "Group").objects.create(name="Taken"))
    finally:
        MigrationExecutor(connection).migrate(latest)
    held = {(one.role.name, one.source) for one in Grant.objects.filter(user=anna.pk).select_related("role")}
    assert held == {("Hand", ""), ("One", "a"), ("Both", "a"), ("Both", "b")}
    assert set(Grant.objects.values_list("given_at", flat=True)) == {None}
    assert [(one.provider.slug, one.user_id) for one in Given.objects.all()] == [("a", anna.pk)]

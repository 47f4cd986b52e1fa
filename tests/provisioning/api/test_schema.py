"""The API's description is true: whatever it allows to be asked is answered as it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from directories.encryption import EncryptedJSONField
from provisioning.api import urls
from provisioning.api.configuration import SecretField, SecretsField
from provisioning.models import Group, ImportRun, Membership
from provisioning.models.imports import RunStatus
from provisioning.roles import IT_STAFF
from reports.journal import Line, record
from reports.models import Direction, Operation, Result
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import personal

pytestmark = pytest.mark.django_db
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6  # of each operation


def description() -> Any:
    return SchemaGenerator(patterns=None).get_schema(request=None, public=True)


@pytest.fixture
def row_ids() -> list[int]:
    """One of most things, so that not every answer is 404."""
    anna = roll.person("anna", department="Care", custom_profile={"badge": "7"}, custom_attributes={"hat": "M"})
    roll.definition("badge")
    directory = roll.directory(sync_groups=True, push_groups="chosen")
    member = Membership.objects.create(group=Group.objects.create(name="Nurses"), user=anna)
    run = ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL)
    record(Line("anna", "CRM", Direction.OUT, Operation.UPDATE, Result.SUCCESS, "Told.", {"Title": ("a", None)}))
    return [anna.pk, directory.pk, member.pk, member.group_id, run.pk]


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the test's connection open after each request, as Django's own test client does."""
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.mark.heavy
def test_whatever_is_asked_is_answered_as_the_description_says(
    row_ids: list[int], uncounted: None, one_connection: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "django.request")
    secret = personal(roll.staff("", "root")).secret
    schema = schemathesis.openapi.from_dict(description())
    schema.app = get_wsgi_application()
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 55
    for operation in operations:
        ask_anything(operation, row_ids, secret)


def ask_anything(operation: Any, row_ids: list[int], secret: str) -> None:
    """Ask one operation what its description allows, of rows that are there and others, and take it back."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        if "id" in case.path_parameters and data.draw(st.booleans()):
            case.path_parameters["id"] = data.draw(st.sampled_from(row_ids))
        with transaction.atomic():
            response = case.call(headers={"Authorization": f"Bearer {secret}"}, base_url="http://testserver")
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    ask()


def test_every_operation_has_a_name_of_its_own_and_says_what_it_refuses() -> None:
    operations = [one for methods in description()["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names) > 55
    for one in operations:
        assert {"400", "401", "403", "429"} <= one["responses"].keys()
        assert one["description"]


@pytest.mark.heavy
def test_the_description_and_its_page_are_for_staff_and_work_without_a_network() -> None:
    assert Client().get("/api/v1/docs/").status_code == 401
    assert Client().get("/api/v1/schema/").json()["status"] == 401
    client = roll.signed_in(roll.staff(IT_STAFF))
    page = roll.words(client.get("/api/v1/docs/"))
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "/static/portal/api-docs.js" in page  # which makes it dark
    assert "<script>" not in page  # the policy of the pages allows no script inside one
    assert client.get("/api/v1/schema/?format=json").json()["info"]["title"] == "Rollcall"


def inside(serializer: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field, those of parts too."""
    for name, field in getattr(getattr(serializer, "child", serializer), "fields", {}).items():
        yield name, field
        yield from inside(field)


def test_no_secret_is_ever_sent() -> None:
    for entry in urls.urlpatterns:
        view = getattr(entry.callback, "cls", None)
        serializer = getattr(view, "serializer_class", None)
        if serializer is None:
            continue
        for name, field in inside(serializer()):
            if isinstance(field, SecretField | SecretsField):
                continue  # says whether there is one, see test_configuration
            model = getattr(getattr(field.parent, "Meta", None), "model", None)
            column = {one.name: one for one in model._meta.get_fields()}.get(field.source) if model else None
            assert not isinstance(column, EncryptedJSONField), f"{serializer.__name__}.{name}"
            assert name not in ("password", "digest", "secrets", "secret"), f"{serializer.__name__}.{name}"

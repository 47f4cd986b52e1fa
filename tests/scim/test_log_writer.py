"""The live log that is written beside the requests."""

import pytest

from scim.log.writer import log_writer
from scim.models import Client, RequestLog
from scim.upkeep import clients

pytestmark = pytest.mark.heavy


def row(client, path):
    return {"client_id": client.pk, "method": "GET", "path": path, "status": 200, "milliseconds": 1}


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_written_at_the_end_in_order():
    client, writer = clients.add("Okta", "test").client, log_writer()
    for n in range(1200):
        writer.put(row(client, f"/{n}"))
    writer.close()
    assert [line.path for line in RequestLog.objects.order_by("pk")] == [f"/{n}" for n in range(1200)]


@pytest.mark.django_db(transaction=True)
def test_a_line_that_cannot_be_written_costs_no_other():
    client, writer = clients.add("Okta", "test").client, log_writer()
    gone = Client(pk=client.pk + 1000)
    for each in (client, gone, client):
        writer.put(row(each, "/Users"))
    writer.close()
    assert RequestLog.objects.count() == 2

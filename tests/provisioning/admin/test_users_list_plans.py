"""PostgreSQL answers the users list, its search and each filter from indexes: the plans of the list's own queries."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from provisioning.contracts.models import Employment
from provisioning.models import Account, Group, Membership, User
from provisioning.search import index
from tests.provisioning.admin import roll

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
USERS = 30_000

MAKE = """
INSERT INTO provisioning_user (password, is_superuser, username, username_key, email, email_key, first_name,
    first_name_key, last_name, last_name_key, display_name, phone, mobile, title, department, division, organization,
    cost_center, employee_number, employee_type, street_address, locality, region, postal_code, country, locale,
    time_zone, is_active, is_staff, provisioned, custom_profile, custom_attributes, scim_id, created_at, updated_at)
SELECT '!', false, md5(i::text), md5(i::text), md5('e' || i), md5('e' || i), md5('f' || i), md5('f' || i),
    md5('l' || i), md5('l' || i), '', '', '', '', 'Department ' || i %% 300, '', '', '', 'E' || i, '', '', '', '', '',
    '', '', '', i %% 100 <> 0, false, true,
    jsonb_build_object('badge', 'B-' || i), '{}', gen_random_uuid(), now(), now() - interval '1 hour'
FROM generate_series(1, %s) i
"""


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setattr(index, "LONGEST", float("inf"))
    appsdb, group = roll.directory(), Group.objects.create(name="Few")
    roll.definition("badge")
    with connection.cursor() as cursor:
        cursor.execute(MAKE, [USERS])
        some = list(User.objects.order_by("username_key")[::1000])
        Account.objects.bulk_create(
            Account(user=user, directory=appsdb, key=user.username, state="disabled") for user in some
        )
        Account.objects.filter(user=some[0]).update(last_result="parked")
        Membership.objects.bulk_create(Membership(group=group, user=user) for user in some)
        Employment.objects.bulk_create(
            Employment(user=user, active=place % 100 != 1)
            for place, user in enumerate(User.objects.order_by("username_key"))
        )
    index.refresh()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"directory": appsdb.pk, "group": group.pk}


QUERIES = [
    "",
    "q=abcd",
    "q=abc+abd",
    "q=E1234",
    "active=0",
    "active=1",
    "directory={directory}",
    "directory={directory}&account=disabled",
    "account=attention",
    "contracts=over",
    "contracts=held",
    "department=Department+7",
    "group={group}",
    "attribute_badge=b-77",
    "q=ab&active=0",
    "o=1",
    "o=2",
    "o=3",
]


def plans(client: Client, query: str) -> Iterator[tuple[str, str]]:
    """Yield the SQL and the plan of every query over the portal that the list makes."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/provisioning/user/?{query}").status_code == 200
    for sql in (each["sql"] for each in queries if 'FROM "provisioning_user"' in each["sql"]):
        if "ORDER BY" in sql or "COUNT(" in sql:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + sql)
                yield sql, "\n".join(line for (line,) in cursor.fetchall())


def test_no_query_reads_the_whole_roll(crowd: dict[str, int]) -> None:
    client = roll.root()
    for query in QUERIES:
        found = list(plans(client, query.format(**crowd)))
        assert len(found) >= 2, query  # the capped count and the page
        for sql, plan in found:
            if "COUNT(" in sql and query in {"", "active=1", "o=1", "o=2", "o=3"}:
                assert "Limit" in plan  # whoever matches most, counting stops at the cap
            else:
                assert "Seq Scan on provisioning_user" not in plan, f"{query}\n{sql}\n{plan}"

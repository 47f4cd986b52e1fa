"""At 20,000 people, what the applications ask for goes over indexes: no table is read as a whole."""

import datetime as dt
import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.models import Group, User
from scim.resources import attributes
from tests.scim.conftest import ENTERPRISE

pytestmark = pytest.mark.heavy

COUNT = 20_000
BIG = "provisioning_user|provisioning_group|provisioning_membership|provisioning_nesting|scim_userlink|scim_grouplink"

FILL = [
    """
    INSERT INTO provisioning_user (password, is_superuser, is_staff, is_active, provisioned, username, username_key,
        email, email_key, first_name, first_name_key, last_name, last_name_key, display_name, phone, mobile, title,
        department, division, organization, cost_center, employee_number, employee_type, street_address, locality,
        region, postal_code, country, locale, time_zone, custom_profile, custom_attributes, scim_id, created_at,
        updated_at)
    SELECT '!', false, false, true, true, 'Person' || n, 'person' || n, n || '@Example.org', n || '@example.org',
        'First', 'first', 'Last' || n, 'last' || n, 'Person No ' || n, '', '', '', '', '', '', '', n, '', '', '', '',
        '', '', '', '', '{}', '{}', md5('user' || n)::uuid, now(), now() - n * interval '1 minute'
    FROM generate_series(1, %(count)s) AS n
    """,
    """
    INSERT INTO scim_userlink (client_id, user_id, external_id, user_name, user_name_key, kept, owned, created_at)
    SELECT %(client)s, id, 'ext-' || username_key, '', '', '{}', true, now() FROM provisioning_user
    """,
    """
    INSERT INTO provisioning_group (name, name_key, description, pushed_by, scim_id, created_at, updated_at)
    SELECT 'Group' || n, 'group' || n, '', 'Okta', md5('group' || n)::uuid, now(), now() - n * interval '1 minute'
    FROM generate_series(1, %(count)s / 10) AS n
    """,
    """
    INSERT INTO provisioning_membership (group_id, user_id)
    SELECT (SELECT min(id) FROM provisioning_group) + id %% 100, id FROM provisioning_user
    """,
    """
    INSERT INTO provisioning_nesting (parent_id, child_id)
    SELECT id - 1, id FROM provisioning_group WHERE id > (SELECT min(id) FROM provisioning_group)
    """,
    """
    INSERT INTO scim_grouplink (client_id, group_id, external_id, name, name_key, stands_for, kept, owned, created_at)
    SELECT %(client)s, id, 'ext-' || name_key, '', '', '', '{}', true, now() FROM provisioning_group
    """,
    "ANALYZE",
]


@pytest.fixture
def crowd(scim):
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"count": COUNT, "client": scim.client.pk})
    return scim


def scanned(scim, path):
    """Ask, and return (the answer, the big tables that were read as a whole)."""
    with CaptureQueriesContext(connection) as queries:
        answer = scim.get(path)
    assert answer.status == 200, answer
    found = []
    for query in queries.captured_queries:
        if query["sql"].startswith("SELECT") and re.search(BIG, query["sql"]):
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN " + query["sql"].replace("%", "%%"), [])
                plan = "\n".join(row[0] for row in cursor.fetchall())
            found += [plan] if re.search(rf"Seq Scan on ({BIG})", plan) else []
    return answer, found


def since():
    return (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).isoformat()


USERS = {
    "userName": 'userName eq "PERSON77"',
    "userName, start": 'userName sw "person7777"',
    "externalId": 'externalId eq "ext-person77"',
    "e-mail": 'emails eq "77@EXAMPLE.org"',
    "e-mail value": 'emails.value eq "77@EXAMPLE.org"',
    "e-mail as Entra asks": 'emails[type eq "work"].value eq "77@EXAMPLE.org"',
    "e-mail with type": 'emails[type eq "work" and value eq "77@EXAMPLE.org"]',
    "displayName": 'displayName eq "person no 77"',
    "family name": 'name.familyName eq "LAST77"',
    "two at once": 'userName eq "person77" and externalId eq "ext-person77"',
    "one or the other": 'userName eq "person77" or emails.value eq "77@example.org"',
}


def found_by(scim, kind, text):
    """Return (names found, total, what was read as a whole) of a filter."""
    answer, read = scanned(scim, f"/{kind}?excludedAttributes=members&filter={quote(text)}")
    names = [each.get("userName") or each["displayName"] for each in answer.json["Resources"]]
    return names, answer.json["totalResults"], read


def test_filters_on_users_find_their_one(crowd):
    for name, text in USERS.items():
        expected = ["Person7777"] if "start" in name else ["Person77"]
        assert found_by(crowd, "Users", text) == (expected, 1, []), name
    user = User.objects.get(username="Person77")
    assert found_by(crowd, "Users", f'id eq "{user.scim_id}"') == (["Person77"], 1, [])
    assert found_by(crowd, "Users", f'meta.lastModified gt "{since()}"')[1:] == (4, [])


def test_filters_on_groups(crowd):
    user, child = User.objects.get(username="Person77"), Group.objects.get(name="Group77")
    for text in (
        'displayName eq "GROUP77"',
        'displayName sw "group77" and externalId eq "ext-group77"',
        'externalId eq "ext-group77"',
        f'id eq "{child.scim_id}"',
    ):
        assert found_by(crowd, "Groups", text) == (["Group77"], 1, []), text
    for text in ('members.value eq "{}"', 'members[value eq "{}"]', 'members eq "{}"'):
        assert found_by(crowd, "Groups", text.format(user.scim_id))[1:] == (1, []), text
        assert found_by(crowd, "Groups", text.format(child.scim_id)) == (["Group76"], 1, []), text
    assert found_by(crowd, "Groups", f'meta.lastModified gt "{since()}"')[1:] == (4, [])


def test_pages(crowd):
    for path, total in {
        "/Users?count=100": COUNT,
        "/Users?count=0": COUNT,
        "/Users?startIndex=19000&count=100": COUNT,
        "/Users?cursor=&count=100": COUNT,
        "/Users?sortBy=userName&count=100": COUNT,
        "/Users?sortBy=userName&sortOrder=descending&startIndex=5000&count=10": COUNT,
        "/Groups?count=10&excludedAttributes=members": COUNT // 10,
        "/?count=10": COUNT + COUNT // 10,
    }.items():
        answer, read = scanned(crowd, path)
        assert (answer.json["totalResults"], read) == (total, []), path


# What many people share, or nobody asks for by itself: an index of each would cost every write.
SHARED = {
    "active",
    "meta.created",
    "title",
    "userType",
    "locale",
    "timezone",
    'phoneNumbers[type eq "work"].value',
    'phoneNumbers[type eq "mobile"].value',
    *(f'addresses[type eq "work"].{part}' for part in ("streetAddress", "locality", "region", "postalCode", "country")),
    *(f"{ENTERPRISE}:{name}" for name in ("costCenter", "organization", "division", "department")),
}


def filters(client):
    """Yield each path that a client can filter users by, with a filter."""
    for attribute in attributes.users(client).attributes:
        for slot in attribute.slots:
            [(name, word)] = slot.labels.items()
            for part in slot.parts:
                path = f'{attribute.path}[{name} eq "{word}"].{part}'
                yield path, f'{path} eq "none"'
        for part in (attribute, *attribute.sub):
            if part.lookup:
                value = {"boolean": "true", "dateTime": '"2020-01-01T00:00:00Z"'}.get(part.type, '"none"')
                yield part.path, f"{part.path} eq {value}"


def test_only_what_many_share_is_looked_for_without_an_index(crowd):
    read = {path for path, text in filters(crowd.client) if scanned(crowd, f"/Users?filter={quote(text)}")[1]}
    assert read == SHARED

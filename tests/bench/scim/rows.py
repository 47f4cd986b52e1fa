"""The same people for Rollcall and for stock django-scim2: ``person1`` to ``personN``, and a group of most of them."""

from typing import Any

import psycopg

GROUP = 20_000
TEAMS = 10
OUTSIDERS = LEAVERS = 100  # the last people: in no group, and before them those who are in all teams

ROLLCALL = [
    """
    INSERT INTO provisioning_user (password, is_superuser, is_staff, is_active, provisioned, username, username_key,
        email, email_key, first_name, first_name_key, last_name, last_name_key, display_name, phone, mobile, title,
        department, division, organization, cost_center, employee_number, employee_type, street_address, locality,
        region, postal_code, country, locale, time_zone, custom_profile, custom_attributes, scim_id, created_at,
        updated_at)
    SELECT '!', false, false, true, true, 'person' || n, 'person' || n, n || '@example.org', n || '@example.org',
        'First', 'first', 'Last' || n, 'last' || n, 'Person No ' || n, '', '', '', '', '', '', '', n, '', '', '', '',
        '', '', '', '', '{{}}', '{{}}', md5('user' || n)::uuid, now(), now() - n * interval '1 second'
    FROM generate_series(1, {count}) AS n
    """,
    """
    INSERT INTO scim_userlink (client_id, user_id, external_id, user_name, user_name_key, kept, owned, created_at)
    SELECT (SELECT min(id) FROM scim_client), id, 'ext-' || username, '', '', '{{}}', true, now()
    FROM provisioning_user WHERE NOT is_staff
    """,
    """
    INSERT INTO provisioning_group (name, name_key, description, pushed_by, scim_id, created_at, updated_at)
    VALUES ('Everybody', 'everybody', '', 'Bench', md5('everybody')::uuid, now(), now())
    """,
    """
    INSERT INTO provisioning_membership (group_id, user_id)
    SELECT (SELECT max(id) FROM provisioning_group), id FROM provisioning_user ORDER BY id LIMIT {group}
    """,
    """
    INSERT INTO provisioning_group (name, name_key, description, pushed_by, scim_id, created_at, updated_at)
    SELECT 'Team ' || n, 'team ' || n, '', 'Bench', md5('team' || n)::uuid, now(), now()
    FROM generate_series(1, {teams}) AS n
    """,
    """
    INSERT INTO scim_grouplink (client_id, group_id, external_id, name, name_key, stands_for, kept, owned, created_at)
    SELECT (SELECT min(id) FROM scim_client), id, '', '', '', '', '{{}}', true, now()
    FROM provisioning_group WHERE name LIKE 'Team %'
    """,
    """
    INSERT INTO provisioning_membership (group_id, user_id)
    SELECT team.id, leaver.id FROM provisioning_group team, (
        SELECT id FROM provisioning_user WHERE NOT is_staff ORDER BY id DESC OFFSET {outsiders} LIMIT {leavers}
    ) leaver WHERE team.name LIKE 'Team %'
    """,
]

STOCK = [
    """
    INSERT INTO stock_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
        date_joined, scim_id, scim_external_id, scim_username)
    SELECT n, '!', false, 'person' || n, 'First', 'Last' || n, n || '@example.org', false, true, now(), n,
        'ext-person' || n, 'person' || n
    FROM generate_series(1, {count}) AS n
    """,
    "SELECT setval('stock_user_id_seq', {count})",
    "INSERT INTO stock_group (id, name, scim_id, scim_display_name) VALUES (1, 'Everybody', '1', 'Everybody')",
    "INSERT INTO stock_user_scim_groups (user_id, group_id) SELECT n, 1 FROM generate_series(1, {group}) AS n",
    """
    INSERT INTO stock_group (id, name, scim_id, scim_display_name)
    SELECT n + 1, 'Team ' || n, n + 1, 'Team ' || n FROM generate_series(1, {teams}) AS n
    """,
    """
    INSERT INTO stock_user_scim_groups (user_id, group_id)
    SELECT leaver, team + 1 FROM generate_series(1, {teams}) AS team,
        generate_series({count} - {outsiders} - {leavers} + 1, {count} - {outsiders}) AS leaver
    """,
]


def fill(dsn: str, statements: list[str], count: int) -> None:
    """Write the rows, and let the server learn about them as it would have by night."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(
                statement.format(count=count, group=_group(count), teams=TEAMS, outsiders=OUTSIDERS, leavers=LEAVERS)
            )
        connection.execute("VACUUM ANALYZE")


def ids(dsn: str, query: str) -> list[str]:
    """Return the ids that a query gives."""
    with psycopg.connect(dsn) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return [str(row[0]) for row in rows]


def _group(count: int) -> int:
    """Return how many are in the group; some people always are not."""
    return min(GROUP, count * 7 // 10)

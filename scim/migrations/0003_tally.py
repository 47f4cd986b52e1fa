"""Keep how many people and groups there are, on PostgreSQL (see ``scim.totals``).

A trigger for each statement, not for each row. Now and then it adds up what is committed: rows that another transaction
is adding up are passed over, so nobody waits.
"""

from django.db import migrations

TABLES = {"user": "provisioning_user", "group": "provisioning_group"}

FUNCTION = """
CREATE FUNCTION scim_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM scim_tally WHERE kind = TG_ARGV[0];
        RETURN NULL;
    END IF;
    SELECT count(*) INTO moved FROM touched;
    IF moved = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO scim_tally (kind, delta) VALUES (TG_ARGV[0], CASE TG_OP WHEN 'INSERT' THEN moved ELSE -moved END);
    IF random() < 0.01 THEN
        WITH settled AS (
            DELETE FROM scim_tally WHERE id IN (
                SELECT id FROM scim_tally WHERE kind = TG_ARGV[0] ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
            ) RETURNING delta
        )
        INSERT INTO scim_tally (kind, delta) SELECT TG_ARGV[0], sum(delta) FROM settled HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$
"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    table = "id bigserial PRIMARY KEY, kind text NOT NULL, delta bigint NOT NULL"
    schema_editor.execute(f"CREATE TABLE scim_tally ({table})", params=None)
    schema_editor.execute("CREATE INDEX scim_tally_kind ON scim_tally (kind) INCLUDE (delta)", params=None)
    schema_editor.execute(FUNCTION, params=None)
    for kind, name in TABLES.items():
        call = f"EXECUTE FUNCTION scim_tally('{kind}')"
        for event, touched in (("INSERT", "NEW"), ("DELETE", "OLD")):
            schema_editor.execute(
                f"CREATE TRIGGER scim_tally_{event.lower()} AFTER {event} ON {name}"
                f" REFERENCING {touched} TABLE AS touched FOR EACH STATEMENT {call}",
                params=None,
            )
        schema_editor.execute(
            f"CREATE TRIGGER scim_tally_truncate AFTER TRUNCATE ON {name} FOR EACH STATEMENT {call}", params=None
        )
        # The triggers hold off writers until the end of this migration, so nobody is missed or counted twice.
        schema_editor.execute(
            f"INSERT INTO scim_tally (kind, delta) SELECT '{kind}', count(*) FROM {name}", params=None
        )


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for name in TABLES.values():
        for event in ("insert", "delete", "truncate"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS scim_tally_{event} ON {name}", params=None)
    schema_editor.execute("DROP FUNCTION IF EXISTS scim_tally()", params=None)
    schema_editor.execute("DROP TABLE IF EXISTS scim_tally", params=None)


class Migration(migrations.Migration):
    dependencies = [("scim", "0002_grant"), ("provisioning", "0006_set_passwords")]

    operations = [migrations.RunPython(forwards, backwards)]

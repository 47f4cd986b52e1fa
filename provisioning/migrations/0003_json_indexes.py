"""Index the custom profile attributes on PostgreSQL, so that the users list filters by them at any size.

The default operator class serves both ``@>`` (has this value) and ``?`` (has any value).
"""

from django.db import migrations


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX user_custom_profile ON provisioning_user USING gin (custom_profile)", params=None
        )


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS user_custom_profile", params=None)


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0002_roles")]

    operations = [migrations.RunPython(forwards, backwards)]

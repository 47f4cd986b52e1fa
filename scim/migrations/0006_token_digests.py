"""Tokens made before this are found again: their hashes were keyed with ``SECRET_KEY``, now with the encryption keys."""

from django.db import migrations


def forwards(apps, schema_editor):
    from scim.authentication import digest

    tokens = apps.get_model("scim", "Token").objects
    for pk, secret in tokens.exclude(secret=None).values_list("pk", "secret"):
        tokens.filter(pk=pk).update(digest=digest(secret))


class Migration(migrations.Migration):
    dependencies = [("scim", "0005_group_names")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

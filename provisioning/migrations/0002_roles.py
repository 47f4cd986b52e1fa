"""Create the roles IT staff, Helpdesk and Auditor."""

from django.db import migrations

from provisioning.roles import grant


def forwards(apps, schema_editor):
    grant(apps)


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0001_initial"),
        ("directories", "0001_initial"),
        ("reports", "0001_initial"),
        ("portal", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Going back keeps the roles: people may hold them.
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

"""Give the roles their permissions on groups in directories."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0004_groups_and_passwords"),
        ("directories", "0002_groups_and_passwords"),
        ("reports", "0001_initial"),
        ("portal", "0001_initial"),
    ]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

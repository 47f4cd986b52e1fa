"""Give the roles their permissions on SCIM applications."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):
    dependencies = [
        ("scim", "0001_initial"),
        ("provisioning", "0005_grant"),
        ("reports", "0001_initial"),
        ("portal", "0001_initial"),
    ]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

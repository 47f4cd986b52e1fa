"""Auditors look at the settings of the sign-in and at identity providers."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0002_staff'),
        ('signin', '0002_self_service_and_mails'),
        ('sso', '0001_identity_providers'),
    ]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

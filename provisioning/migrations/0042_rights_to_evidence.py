"""Let auditors see changes of the configuration."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):
    """Rights alone."""

    dependencies = [("provisioning", "0041_stale_accounts"), ("reports", "0011_search_evidence"), ("portal", "0001_initial")]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

"""Who may look at applied blueprints, and take them back."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):
    """Rights alone."""

    dependencies = [("provisioning", "0034_blocked_and_planned_again")]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

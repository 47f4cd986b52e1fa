"""Who may look at applied blueprints, and take them back."""

from django.db import migrations

from provisioning.roles import grant


class Migration(migrations.Migration):
    """Rights alone."""

    dependencies = [("provisioning", "0033_undo_and_taken_over")]

    operations = [migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop)]

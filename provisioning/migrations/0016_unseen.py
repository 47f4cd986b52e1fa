"""Accounts that the portal made and that their directory's own look-up does not find are marked."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One more mark of an account."""

    dependencies = [("provisioning", "0015_lanes")]

    operations = [migrations.AddField("account", "unseen", models.BooleanField(default=False))]

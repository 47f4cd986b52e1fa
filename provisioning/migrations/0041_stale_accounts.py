"""Accounts that are disabled and that nothing will delete."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One index, of these accounts alone."""

    dependencies = [("provisioning", "0040_searchable")]

    operations = [
        migrations.AddIndex(
            "account",
            models.Index(
                fields=["id"],
                name="account_stale",
                condition=models.Q(state="disabled", delete_at__isnull=True, user__isnull=False),
            ),
        ),
    ]

"""Who managed a leaver, by the number that they had when the portal learnt of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column."""

    dependencies = [("receipts", "0003_deletion_in_evidence")]

    operations = [migrations.AddField("receipt", "manager_id", models.BigIntegerField(blank=True, null=True))]

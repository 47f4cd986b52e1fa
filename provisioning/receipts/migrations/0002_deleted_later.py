"""The account of a receipt may be deleted after it had been disabled."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column, empty for every account that is there."""

    dependencies = [("receipts", "0001_receipts")]

    operations = [
        migrations.AddField("receiptaccount", "gone_at", models.DateTimeField(blank=True, null=True)),
    ]

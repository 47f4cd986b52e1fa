"""The deletion of an account that had been disabled has a row of the evidence, also those of before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column, and the index by which the next sweep finds what is to be told."""

    dependencies = [("receipts", "0002_deleted_later")]

    operations = [
        migrations.AddField("receiptaccount", "gone_evidence", models.BigIntegerField(blank=True, null=True)),
        migrations.AddIndex(
            "receiptaccount",
            models.Index(
                condition=models.Q(("gone_at__isnull", False), ("gone_evidence__isnull", True)),
                fields=["id"],
                name="receipt_gone_untold",
            ),
        ),
    ]

"""The result of an import that left errors."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A choice; no column changes."""

    dependencies = [("reports", "0003_sign_in_operations")]

    operations = [
        migrations.AlterField(
            "event",
            "result",
            models.CharField(
                max_length=8,
                choices=[
                    ("success", "Success"),
                    ("partly", "With errors"),
                    ("failed", "Failed"),
                    ("waiting", "Waiting"),
                    ("skipped", "Skipped"),
                ],
            ),
        ),
    ]

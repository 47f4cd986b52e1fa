"""Accounts can be deleted some days after they were disabled, and their groups be taken away before that."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns; what directories do stays as it was."""

    dependencies = [("directories", "0009_quarantine")]

    operations = [
        migrations.AddField(
            "provisioningsettings",
            "delete_after_days",
            models.PositiveSmallIntegerField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(3650),
                ],
            ),
        ),
        migrations.AddField(
            "provisioningsettings",
            "groups_of_leavers",
            models.CharField(
                choices=[
                    ("later", "When the account is deleted"),
                    ("now", "When the account is disabled"),
                ],
                db_default="later",
                default="later",
                max_length=8,
            ),
        ),
    ]

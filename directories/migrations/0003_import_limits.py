"""Limits of what an import may activate again, and open in other directories, without being asked."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    """Three columns of the provisioning settings."""

    dependencies = [("directories", "0002_groups_and_passwords")]

    operations = [
        migrations.AddField("provisioningsettings", "max_activated", models.PositiveIntegerField(default=50)),
        migrations.AddField(
            "provisioningsettings",
            "max_activated_percent",
            models.PositiveSmallIntegerField(
                default=10, validators=[MinValueValidator(0), MaxValueValidator(100)]
            ),
        ),
        migrations.AddField("provisioningsettings", "max_opened", models.PositiveIntegerField(default=500)),
    ]

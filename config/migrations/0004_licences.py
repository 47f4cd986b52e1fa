"""How many licences were bought for each application."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """One small table."""

    dependencies = [("directories", "0016_required_attributes"), ("portal", "0003_sign_in_pages")]

    operations = [
        migrations.CreateModel(
            name="BoughtLicences",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField(blank=True, null=True, verbose_name="licences bought")),
                (
                    "cost",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=10,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="price of one a month",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        default="EUR",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}\\Z", "Write three capital letters, like EUR (ISO 4217)."
                            )
                        ],
                    ),
                ),
                (
                    "directory",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="licences",
                        to="directories.directory",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
    ]

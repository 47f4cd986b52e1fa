"""How many lines each hour has; a worker fills it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two small tables."""

    dependencies = [("reports", "0009_share_saved_filters")]

    operations = [
        migrations.CreateModel(
            name="CountedUntil",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="HourCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField()),
                ("application", models.CharField(blank=True, max_length=100)),
                (
                    "direction",
                    models.CharField(
                        choices=[
                            ("in", "Into the portal"),
                            ("out", "Out to an application"),
                            ("portal", "In the portal"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("success", "Success"),
                            ("partly", "With errors"),
                            ("failed", "Failed"),
                            ("waiting", "Waiting"),
                            ("skipped", "Skipped"),
                        ],
                        max_length=8,
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("newest", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["application", "-hour", "-newest"], name="hour_count_newest")],
                "constraints": [
                    models.UniqueConstraint(fields=["hour", "application", "direction", "result"], name="hour_count_once")
                ],
            },
        ),
    ]

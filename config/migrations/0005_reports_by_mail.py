"""Reports that are mailed, and to whom they still have to be sent."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from provisioning.roles import grant


class Migration(migrations.Migration):
    """Two small tables, and who may see and change the first."""

    dependencies = [
        ("directories", "0016_required_attributes"),
        ("portal", "0004_licences"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ScheduledReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("overview", models.CharField(max_length=32, verbose_name="report")),
                (
                    "rhythm",
                    models.CharField(
                        choices=[
                            ("daily", "Every day"),
                            ("weekly", "Every Monday"),
                            ("monthly", "On the first of each month"),
                        ],
                        default="weekly",
                        max_length=8,
                        verbose_name="how often",
                    ),
                ),
                ("next_at", models.DateTimeField(editable=False, verbose_name="next")),
                ("sent_at", models.DateTimeField(editable=False, null=True, verbose_name="last sent")),
                ("problem", models.TextField(blank=True, editable=False)),
                (
                    "directory",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="directories.directory",
                    ),
                ),
                ("recipients", models.ManyToManyField(related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "report by mail",
                "verbose_name_plural": "reports by mail",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ReportLetter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField(db_index=True)),
                ("until", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="letters",
                        to="portal.scheduledreport",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=["schedule", "person"], name="report_letter_once")
                ],
            },
        ),
        migrations.RunPython(lambda apps, _: grant(apps), migrations.RunPython.noop),
    ]

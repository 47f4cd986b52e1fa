"""Indexes by which the report is searched by direction and by what caused a line, alone or beside another filter."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Three indexes get the direction, and one is new; the lines stay as they are."""

    dependencies = [("reports", "0007_groups_and_departments")]

    operations = [
        migrations.RemoveIndex("event", "event_by_result"),
        migrations.RemoveIndex("event", "event_by_application"),
        migrations.RemoveIndex("event", "event_by_run"),
        migrations.AddIndex(
            "event",
            models.Index(fields=["direction", "result", "operation", "-at", "-id"], name="event_by_outcome"),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["application", "direction", "result", "operation", "-at", "-id"], name="event_by_application"
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["run_id", "direction", "result", "operation", "-at", "-id"],
                name="event_by_run",
                condition=models.Q(run_id__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["actor", "application", "direction", "result", "operation", "-at", "-id"],
                name="event_by_actor",
                opclasses=["varchar_pattern_ops", *["varchar_ops"] * 4, "timestamptz_ops", "int8_ops"],
            ),
        ),
    ]

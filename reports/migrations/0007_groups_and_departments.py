"""Which group a line is about, and who came into a department or left one: what the past is told from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column and two small indexes: no line so far is in either of them, save those of departments."""

    dependencies = [("reports", "0006_saved_filters")]

    operations = [
        migrations.AddField("event", "group_id", models.BigIntegerField(null=True, blank=True)),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["group_id", "-at", "-id"], name="event_by_group", condition=models.Q(group_id__isnull=False)
            ),
        ),
        migrations.AddIndex(
            "event",
            models.Index(
                fields=["-at", "-id"], name="event_of_department", condition=models.Q(changes__has_key="Department")
            ),
        ),
    ]

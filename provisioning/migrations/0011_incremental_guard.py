"""What imports of changes take away is counted, and a plan's progress is one number of its run."""

from typing import Any

from django.db import migrations, models
from django.db.models import Max


def keep_progress(apps: Any, schema_editor: Any) -> None:
    """Let runs that are being applied go on where they are."""
    runs = apps.get_model("provisioning", "ImportRun").objects
    planned = apps.get_model("provisioning", "PlannedChange").objects
    for run in runs.filter(status="applying"):
        last = planned.filter(run=run, applied_at__isnull=False).aggregate(last=Max("pk"))["last"]
        runs.filter(pk=run.pk).update(applied_up_to=last or 0)


class Migration(migrations.Migration):
    """Columns of runs, and the index by which a plan is read in order."""

    dependencies = [("provisioning", "0010_postal_code")]

    operations = [
        migrations.AddField("importrun", "switched_off", models.PositiveIntegerField(default=0)),
        migrations.AddField("importrun", "blanked", models.PositiveIntegerField(default=0)),
        migrations.AddField("importrun", "approved", models.BooleanField(default=False)),
        migrations.AddField("importrun", "applied_up_to", models.BigIntegerField(default=0)),
        migrations.RunPython(keep_progress, migrations.RunPython.noop),
        migrations.RemoveIndex("plannedchange", "planned_to_apply"),
        migrations.AddIndex("plannedchange", models.Index(fields=["run", "id"], name="planned_in_order")),
        migrations.RemoveField("plannedchange", "applied_at"),
    ]

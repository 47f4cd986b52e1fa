"""Changes of the configuration are searched by what was changed and by whom."""

from django.db import migrations, models

PAGE = 500


def fill(apps, _):
    """Write beside each row what its payload says; the chain's hashes are over other columns and stay."""
    evidence = apps.get_model("reports", "Evidence")
    rows = evidence.objects.filter(kind="configuration").order_by("seq")
    last = 0
    while page := list(rows.filter(seq__gt=last)[:PAGE]):
        for row in page:
            row.subject, row.actor = str(row.payload["subject"])[:255], str(row.payload["by"])[:255]
        evidence.objects.bulk_update(page, ["subject", "actor"])
        last = page[-1].seq


class Migration(migrations.Migration):
    """Two columns and three indexes of the evidence."""

    dependencies = [("reports", "0010_hour_counts")]

    operations = [
        migrations.AddField(
            "evidence", "subject", models.CharField(blank=True, db_default="", default="", max_length=255)
        ),
        migrations.AddField(
            "evidence", "actor", models.CharField(blank=True, db_default="", default="", max_length=255)
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex("evidence", models.Index(fields=["kind", "seq"], name="evidence_by_kind")),
        migrations.AddIndex("evidence", models.Index(fields=["subject", "seq"], name="evidence_by_subject")),
        migrations.AddIndex("evidence", models.Index(fields=["actor", "seq"], name="evidence_by_actor")),
    ]

"""The chain of evidence, with its empty head."""

from django.db import migrations, models

KINDS = [
    ("receipt", "Receipt of a leaver"),
    ("approval", "Decision about an import"),
    ("configuration", "Change of the configuration"),
]


def begin(apps, editor):
    """Write the head that appending locks."""
    apps.get_model("reports", "EvidenceHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    """Three tables."""

    dependencies = [("reports", "0004_with_errors")]

    operations = [
        migrations.CreateModel(
            name="Evidence",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(verbose_name="time")),
                ("kind", models.CharField(choices=KINDS, max_length=16)),
                ("payload", models.JSONField()),
                ("previous", models.CharField(blank=True, max_length=64)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={"ordering": ["seq"], "verbose_name_plural": "evidence"},
        ),
        migrations.CreateModel(
            name="EvidenceHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField(default=0)),
                ("hash", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="KnownState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=255, unique=True)),
                ("state", models.JSONField(default=dict)),
            ],
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]

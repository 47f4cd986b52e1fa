"""What a thing was called in the evidence before it was known by its number."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column of the known states."""

    dependencies = [("reports", "0011_search_evidence")]

    operations = [
        migrations.AddField(
            "knownstate", "former", models.CharField(blank=True, db_default="", default="", max_length=255)
        ),
    ]

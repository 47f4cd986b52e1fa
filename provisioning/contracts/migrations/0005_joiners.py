"""Whose employment begins soon."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One index, of people whose contracts do not hold."""

    dependencies = [("contracts", "0004_departments_to_undo")]

    operations = [
        migrations.AddIndex(
            "employment",
            models.Index(
                fields=["next_change_at", "id"], name="employment_joining", condition=models.Q(active=False)
            ),
        ),
    ]

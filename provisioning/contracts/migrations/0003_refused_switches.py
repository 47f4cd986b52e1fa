"""Why somebody was to be switched who then was not, and an index of whose contracts do not hold."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contracts", "0002_records"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="employment",
            name="refused",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddIndex(
            model_name="employment",
            index=models.Index(condition=models.Q(("active", False)), fields=["user"], name="employment_over"),
        ),
    ]

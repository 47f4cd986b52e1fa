"""Let a role be given for some people only."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0043_grants")]

    operations = [
        migrations.AddField(
            "grant", "within", models.JSONField(blank=True, null=True, verbose_name="for whom"),
        ),
    ]

"""Whom a directory was asked to put into a group is remembered until its answer is recorded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column, empty for every group that is there."""

    dependencies = [("provisioning", "0027_plans")]

    operations = [
        migrations.AddField(
            "groupaccount", "unanswered_members", models.JSONField(blank=True, db_default=[], default=list)
        ),
    ]

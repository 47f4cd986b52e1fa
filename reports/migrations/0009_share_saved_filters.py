"""Saved filters are shared with everybody who may see the report, or with a role."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns of a small table; whoever has a filter keeps it for themselves until they share it."""

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("reports", "0008_search_by_direction_and_cause"),
    ]

    operations = [
        migrations.AddField("savedfilter", "everybody", models.BooleanField(default=False, db_default=False)),
        migrations.AddField(
            "savedfilter",
            "role",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="auth.group",
            ),
        ),
    ]

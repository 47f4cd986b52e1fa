"""Accounts keep what their source said of the person's state, and runs what they activate and what follows elsewhere."""

from typing import Any

from django.db import migrations, models


def keep_states(apps: Any, schema_editor: Any) -> None:
    """Note the states that are known without reading a mapping; of the others the next import says it."""
    mapping = apps.get_model("directories", "AttributeMapping").objects
    mapped = mapping.filter(kind="profile", portal_attribute="active").exclude(direction="out")
    accounts = apps.get_model("provisioning", "Account").objects
    imported = accounts.exclude(seen_digest="").exclude(directory__in=mapped.values("directory"))
    for state, seen in (("active", "on"), ("disabled", "off")):
        imported.filter(state=state).update(seen_state=seen)
    accounts.filter(state="absent", seen_digest="", user__isnull=False).exclude(remote_id="").update(
        seen_state="absent"
    )


class Migration(migrations.Migration):
    """Columns of accounts and runs, and a new action."""

    dependencies = [("provisioning", "0011_incremental_guard"), ("directories", "0003_import_limits")]

    operations = [
        migrations.AddField("account", "seen_state", models.CharField(blank=True, max_length=24)),
        migrations.AddField("account", "deleted_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("importrun", "left_alone", models.PositiveIntegerField(default=0)),
        migrations.AddField("importrun", "switched_on", models.PositiveIntegerField(default=0)),
        migrations.AddField("importrun", "follows", models.JSONField(blank=True, default=list)),
        migrations.AlterField(
            "plannedchange",
            "action",
            models.CharField(
                max_length=10,
                choices=[
                    ("create", "Create"),
                    ("update", "Update"),
                    ("deactivate", "Deactivate"),
                    ("link", "Link"),
                    ("leave", "Leave alone"),
                    ("error", "Error"),
                ],
            ),
        ),
        migrations.RunPython(keep_states, migrations.RunPython.noop),
    ]

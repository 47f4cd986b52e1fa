"""Accounts of people who left that nothing closes are marked, and found by the index of what needs attention."""

from typing import Any

from django.db import migrations, models
from django.db.models import Exists, OuterRef, Q


def mark(apps: Any, schema_editor: Any) -> None:
    """Mark those that are open now, in directories that the portal writes to and that do not mean to keep them."""
    accounts = apps.get_model("provisioning", "Account").objects
    users = apps.get_model("provisioning", "User").objects
    settings = apps.get_model("directories", "ProvisioningSettings").objects.filter(directory=OuterRef("directory"))
    writes = Q(create_users=True) | Q(update_users=True) | Q(deactivate_users=True) | Q(delete_users=True)
    keeps = Q(deactivate_users=True, on_deactivate="leave")
    keeps_deleted = Q(delete_users=True, on_delete="leave")
    found = accounts.filter(state="active", last_result__in=["", "ok"])
    inactive = Exists(users.filter(pk=OuterRef("user"), is_active=False))
    found.filter(inactive, Exists(settings.filter(writes).exclude(keeps))).update(last_result="open")
    found.filter(Exists(settings.filter(writes).exclude(keeps_deleted)), user=None).update(last_result="open")


RESULT = models.CharField(
    blank=True,
    choices=[
        ("", "Nothing yet"),
        ("ok", "In step"),
        ("waiting", "Waiting for the directory"),
        ("parked", "Needs attention"),
        ("open", "Still open"),
    ],
    default="",
    max_length=8,
)


class Migration(migrations.Migration):
    """One more result of an account."""

    dependencies = [("provisioning", "0012_source_states")]

    operations = [
        migrations.AlterField("account", "last_result", RESULT),
        migrations.AlterField("groupaccount", "last_result", RESULT),
        migrations.RunPython(mark, migrations.RunPython.noop),
        migrations.RemoveIndex("account", "account_needs_attention"),
        migrations.AddIndex(
            "account",
            models.Index(
                condition=models.Q(last_result__in=["parked", "open"]),
                fields=["last_result"],
                name="account_needs_attention",
            ),
        ),
    ]

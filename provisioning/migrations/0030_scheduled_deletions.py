"""Accounts know when they are to be deleted, and who decided that they are not."""

from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the page about them."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two columns, empty for every account that is there, and two indexes over hardly any rows."""

    dependencies = [("directories", "0010_grace"), ("provisioning", "0029_contracts_door")]

    operations = [
        migrations.AddField("account", "delete_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            "account", "kept_by", models.CharField(blank=True, db_default="", default="", max_length=255)
        ),
        migrations.AddIndex(
            "account",
            models.Index(
                condition=models.Q(("delete_at__isnull", False)), fields=["delete_at", "id"], name="account_delete_at"
            ),
        ),
        migrations.AddIndex(
            "account",
            models.Index(
                condition=models.Q(("delete_at__isnull", False)),
                fields=["directory", "delete_at"],
                name="account_scheduled",
            ),
        ),
        migrations.CreateModel(
            name="ScheduledDeletion",
            fields=[],
            options={
                "verbose_name": "scheduled deletion",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("provisioning.account",),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""Mails to the managers of leavers, and who may switch them on."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("notices", "0002_certificates"),
    ]

    operations = [
        migrations.CreateModel(
            name="ManagerMails",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("on", models.BooleanField(default=False)),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"verbose_name_plural": "manager mails", "default_permissions": ("view", "change")},
        ),
        migrations.CreateModel(
            name="LeaverMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.BigIntegerField()),
                ("receipt_id", models.BigIntegerField(unique=True)),
                ("over", models.BooleanField(default=False)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                (
                    "to",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddConstraint(
            "leavermail",
            models.UniqueConstraint(condition=models.Q(("over", False)), fields=("user_id",), name="leaver_mail_once"),
        ),
        migrations.AddIndex(
            "leavermail",
            models.Index(condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="leaver_mail_due"),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

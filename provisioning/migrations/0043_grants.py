"""Say of each role that somebody has where it comes from, why and until when."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("provisioning", "0042_rights_to_evidence"),
    ]

    operations = [
        # The table is there: Django made it for the roles of users, and keeps its rows.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Grant",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="grants",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "role",
                            models.ForeignKey(
                                db_column="group_id",
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="grants",
                                to="auth.group",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "provisioning_user_groups",
                        "default_permissions": (),
                        "ordering": ["pk"],
                        "unique_together": {("user", "role")},
                    },
                ),
                migrations.AlterField(
                    model_name="user",
                    name="groups",
                    field=models.ManyToManyField(
                        blank=True,
                        related_name="user_set",
                        related_query_name="user",
                        through="provisioning.Grant",
                        to="auth.group",
                        verbose_name="roles",
                    ),
                ),
            ],
        ),
        migrations.AddField("grant", "source", models.CharField(blank=True, db_default="", default="", max_length=40)),
        migrations.AddField(
            "grant",
            "given_by",
            models.CharField(blank=True, db_default="", default="", max_length=255, verbose_name="from whom"),
        ),
        migrations.AddField(
            "grant",
            "reason",
            models.CharField(blank=True, db_default="", default="", max_length=255, verbose_name="why"),
        ),
        # Nobody knows when the roles that are there were given.
        migrations.AddField("grant", "given_at", models.DateTimeField(null=True, verbose_name="given")),
        migrations.AlterField(
            "grant",
            "given_at",
            models.DateTimeField(default=django.utils.timezone.now, null=True, verbose_name="given"),
        ),
        migrations.AddField("grant", "until", models.DateTimeField(blank=True, null=True, verbose_name="until")),
        migrations.AlterUniqueTogether(name="grant", unique_together=set()),
        migrations.AddConstraint(
            "grant",
            models.UniqueConstraint(fields=["user", "role", "source"], name="grant_once_a_source"),
        ),
        migrations.AddIndex(
            "grant",
            models.Index(condition=models.Q(("until__isnull", False)), fields=["until"], name="grant_until"),
        ),
    ]

"""What an application itself said of a user's state, and names looked for whoever uses them."""

from typing import Any

from django.db import migrations, models


def take_over(apps: Any, schema_editor: Any) -> None:
    """Take it that each application last said what is so; whom it deleted it means to be inactive."""
    user = apps.get_model("provisioning", "User")
    links = apps.get_model("scim", "UserLink").objects.using(schema_editor.connection.alias)
    active = user.objects.filter(pk=models.OuterRef("user_id")).values("is_active")
    links.filter(deleted_at=None).update(said_active=models.Subquery(active))
    links.exclude(deleted_at=None).update(said_active=False)


class Migration(migrations.Migration):
    """Add the column and the index."""

    dependencies = [("scim", "0006_token_digests")]
    operations = [
        migrations.AddField("userlink", "said_active", models.BooleanField(blank=True, null=True)),
        migrations.AddIndex(
            "userlink",
            models.Index(
                condition=models.Q(("user_name_key", ""), _negated=True),
                fields=["user_name_key"],
                name="scim_user_called",
            ),
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]

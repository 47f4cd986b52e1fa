"""Values that no row maps are looked for: an index of the few users who have any."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the indexes."""

    dependencies = [("scim", "0007_userlink_said_active")]
    operations = [
        migrations.AddIndex(
            "userlink",
            models.Index(
                condition=models.Q(("kept__has_key", "emails")), fields=["client", "user"], name="scim_user_emails"
            ),
        ),
        migrations.AddIndex(
            "userlink",
            models.Index(
                condition=models.Q(("kept__has_key", "phoneNumbers")), fields=["client", "user"], name="scim_user_phones"
            ),
        ),
    ]

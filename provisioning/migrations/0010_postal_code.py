"""Take postal codes of any length that applications send: SCIM's schema cannot say that only 32 characters fit."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0009_heartbeat_message")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="postal_code",
            field=models.CharField(blank=True, max_length=64),
        ),
    ]

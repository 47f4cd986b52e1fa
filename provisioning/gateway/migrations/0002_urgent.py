"""Let the calls of leavers go before those of others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_gateways")]

    operations = [
        migrations.AddField(
            model_name="gatewaycall", name="urgent", field=models.BooleanField(default=False, db_default=False)
        ),
    ]

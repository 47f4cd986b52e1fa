from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directories", "0015_rate_levels")]

    operations = [
        migrations.AddField(
            model_name="attributemapping",
            name="required",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]

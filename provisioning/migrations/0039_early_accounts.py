from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0038_departments_changed")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="early",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]

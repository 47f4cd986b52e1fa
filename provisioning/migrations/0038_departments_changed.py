from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0037_merge")]

    operations = [
        migrations.AddField(
            model_name="importrun",
            name="departments_changed",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rules", "0001_rules")]

    operations = [
        migrations.AddField(model_name="granted", name="begins_at", field=models.DateTimeField(null=True)),
    ]

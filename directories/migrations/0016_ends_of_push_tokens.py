from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("directories", "0015_required_attributes")]

    operations = [
        migrations.AddField(model_name="pushtoken", name="expires_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="pushtoken", name="withdrawn_at", field=models.DateTimeField(null=True)),
    ]

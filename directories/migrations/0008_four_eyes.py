"""Whether a plan is approved by somebody else than who started it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directories', '0007_answered_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='four_eyes',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]

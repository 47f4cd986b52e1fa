"""Guard limits wait for a second person as well: no directory then."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """One column may be empty."""

    dependencies = [
        ('directories', '0009_quarantine'),
        ('guard', '0003_door_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='awaitedsettings',
            name='directory',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='awaited_settings', to='directories.directory'),
        ),
    ]

"""Settings that wait for a second person."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """One table."""

    dependencies = [
        ('directories', '0009_quarantine'),
        ('guard', '0001_ledger'),
    ]

    operations = [
        migrations.CreateModel(
            name='AwaitedSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('values', models.JSONField()),
                ('actor', models.CharField(max_length=255)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('directory', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='awaited_settings', to='directories.directory')),
            ],
            options={
                'verbose_name_plural': 'awaited settings',
            },
        ),
    ]

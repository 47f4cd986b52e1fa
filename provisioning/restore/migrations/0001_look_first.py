"""The directories that are kept back, how far the database has come, and who may look."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two tables."""

    initial = True

    dependencies = [
        ('provisioning', '0005_grant'),
        ('directories', '0007_answered_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Continuity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('identity', models.UUIDField(default=uuid.uuid4)),
                ('beats', models.BigIntegerField(default=0)),
                ('judged_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='HeldDirectory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('why', models.TextField()),
                ('asked_at', models.DateTimeField(blank=True, null=True)),
                ('looked_at', models.DateTimeField(blank=True, null=True)),
                ('was_read', models.BooleanField(default=False)),
                ('outlook', models.JSONField(blank=True, default=dict)),
                ('failure', models.TextField(blank=True)),
                ('refused_at', models.DateTimeField(blank=True, null=True)),
                ('refused_by', models.CharField(blank=True, max_length=255)),
                ('refused_why', models.TextField(blank=True)),
                ('directory', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='held', to='directories.directory')),
            ],
            options={
                'verbose_name': 'directory kept back',
                'verbose_name_plural': 'look first',
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""What sources said last of each person, the departments that runs mean to write, and who may look at them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new table."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two tables."""

    dependencies = [
        ('contracts', '0001_contracts'),
        ('directories', '0011_contracts_of_sources'),
        ('provisioning', '0034_blocked_and_planned_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='PlannedDepartment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(blank=True, max_length=128)),
                ('name', models.CharField(blank=True, max_length=150)),
                ('code', models.CharField(blank=True, max_length=64)),
                ('parent', models.CharField(blank=True, max_length=128)),
                ('head', models.CharField(blank=True, max_length=512)),
                ('new', models.BooleanField(default=False)),
                ('usable', models.BooleanField(default=True)),
                ('problem', models.TextField(blank=True)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='planned_departments', to='provisioning.importrun')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SourceRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('remote_id', models.CharField(max_length=512, verbose_name='number')),
                ('key', models.CharField(max_length=255, verbose_name='name')),
                ('raw', models.JSONField()),
                ('blocked', models.BooleanField(default=False)),
                ('reason', models.TextField(blank=True)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='read')),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='records', to='directories.directory')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['source', 'id'], name='record_in_order'), models.Index(condition=models.Q(('blocked', True)), fields=['id'], name='record_blocked')],
                'constraints': [models.UniqueConstraint(fields=('source', 'remote_id'), name='record_once_a_source')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""The ledger of losses, and who may look at it."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new table."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """One table."""

    initial = True

    dependencies = [
        ('directories', '0006_guard_limits'),
        ('provisioning', '0005_grant'),
    ]

    operations = [
        migrations.CreateModel(
            name='Loss',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('door', models.CharField(max_length=16)),
                ('kind', models.CharField(choices=[('off', 'People deactivated'), ('on', 'People activated again'), ('blanked', 'People who lose a value'), ('changed', 'People with another value of one attribute'), ('renamed', 'People with another user name'), ('created', 'People added'), ('opened', 'Accounts opened'), ('closed', 'Accounts closed'), ('members', 'Memberships lost'), ('elevated', 'Memberships of privileged groups given'), ('shrank', 'A source that became small'), ('unproven', 'Absence that is not proven')], max_length=10)),
                ('scope', models.CharField(blank=True, max_length=200)),
                ('number', models.IntegerField()),
                ('agreed', models.BooleanField(db_default=False, default=False)),
                ('directory', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='losses', to='directories.directory')),
            ],
            options={
                'verbose_name_plural': 'losses',
                'ordering': ['-at', '-pk'],
                'indexes': [models.Index(condition=models.Q(('agreed', False)), fields=['directory', 'door', 'kind', 'scope', 'at'], name='loss_of_window'), models.Index(fields=['at'], name='loss_by_time')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

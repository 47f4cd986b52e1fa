"""Runs that compare a directory with the portal, what they found, and their settings."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Three tables."""

    initial = True

    dependencies = [
        ('directories', '0007_answered_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReconcileRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('crawling', 'Reading the directory'), ('planned', 'Preview ready'), ('approval', 'Waiting for approval'), ('applying', 'Applying'), ('finished', 'Finished'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=10)),
                ('trigger', models.CharField(choices=[('manual', 'Started by hand'), ('schedule', 'Started by the schedule'), ('command', 'Started on the command line'), ('listener', 'Told by the directory')], default='manual', max_length=8)),
                ('actor', models.CharField(blank=True, max_length=255, verbose_name='started by')),
                ('message', models.TextField(blank=True)),
                ('cancel_requested', models.BooleanField(default=False)),
                ('leased_until', models.DateTimeField(blank=True, null=True)),
                ('expected', models.PositiveIntegerField(blank=True, null=True)),
                ('seen', models.PositiveIntegerField(default=0)),
                ('in_step', models.PositiveIntegerField(default=0)),
                ('under_way', models.PositiveIntegerField(default=0)),
                ('passed_over', models.PositiveIntegerField(default=0)),
                ('groups_seen', models.PositiveIntegerField(default=0)),
                ('counts', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('directory', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='reconcile_runs', to='directories.directory')),
            ],
            options={
                'verbose_name': 'reconciliation',
                'ordering': ['-created_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('enabled', 'Enabled by mistake'), ('orphan', 'Orphans'), ('missing', 'Missing'), ('disabled', 'Disabled by mistake'), ('different', 'Different'), ('several', 'Several matches'), ('unreadable', 'Unreadable'), ('member_less', 'Member missing'), ('member_more', 'Member too many')], max_length=12)),
                ('subject', models.CharField(max_length=255)),
                ('key', models.CharField(blank=True, max_length=255)),
                ('remote_id', models.CharField(blank=True, max_length=512)),
                ('user_id', models.BigIntegerField(blank=True, null=True)),
                ('account_id', models.BigIntegerField(blank=True, null=True)),
                ('group_account_id', models.BigIntegerField(blank=True, null=True)),
                ('values', models.JSONField(blank=True, default=dict)),
                ('version', models.CharField(blank=True, max_length=64)),
                ('danger', models.BooleanField(default=False)),
                ('usable', models.BooleanField(null=True)),
                ('message', models.TextField(blank=True)),
                ('state', models.CharField(choices=[('open', 'Open'), ('done', 'Acted on'), ('ignored', 'Ignored')], default='open', max_length=8)),
                ('action', models.CharField(blank=True, max_length=12)),
                ('reason', models.TextField(blank=True)),
                ('owner', models.CharField(blank=True, max_length=255)),
                ('ignored_until', models.DateField(blank=True, null=True)),
                ('decided_by', models.CharField(blank=True, max_length=255)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('directory', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='directories.directory')),
                ('run', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='findings', to='reconciliation.reconcilerun')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='ReconcileSettings',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('schedule', models.CharField(choices=[('off', 'Off'), ('hourly', 'Hourly'), ('daily', 'Daily'), ('weekly', 'Weekly')], default='off', max_length=8)),
                ('schedule_time', models.TimeField(blank=True, null=True)),
                ('schedule_weekday', models.PositiveSmallIntegerField(blank=True, choices=[(0, 'Monday'), (1, 'Tuesday'), (2, 'Wednesday'), (3, 'Thursday'), (4, 'Friday'), (5, 'Saturday'), (6, 'Sunday')], null=True)),
                ('next_run_at', models.DateTimeField(blank=True, db_index=True, editable=False, null=True)),
                ('policies', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('directory', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='reconciliation', to='directories.directory')),
            ],
            options={
                'verbose_name': 'reconciliation settings',
                'verbose_name_plural': 'reconciliation settings',
            },
        ),
        migrations.AddIndex(
            model_name='reconcilerun',
            index=models.Index(fields=['directory', '-created_at'], name='reconcile_newest'),
        ),
        migrations.AddConstraint(
            model_name='reconcilerun',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['queued', 'crawling'])), fields=('directory',), name='reconcile_one_run_a_directory'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['run', 'id'], name='finding_of_run'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['run', 'kind', 'id'], name='finding_by_kind'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(condition=models.Q(('state', 'ignored')), fields=['directory', 'subject'], name='finding_ignored'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

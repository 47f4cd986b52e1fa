"""Plans with a hash, causes and decisions, and runs of other doors than an import."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directories', '0008_four_eyes'),
        ('provisioning', '0026_employee_number_without_case'),
    ]

    operations = [
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('', 'Undecided'), ('approved', 'Approved'), ('refused', 'Refused'), ('done', 'Applied')], max_length=8)),
                ('actor', models.CharField(max_length=255)),
                ('reason', models.TextField(blank=True)),
                ('scope', models.CharField(max_length=255)),
                ('rows', models.PositiveIntegerField()),
                ('plan_hash', models.CharField(blank=True, max_length=64)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddField(
            model_name='importrun',
            name='changed_since',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='checked',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='importrun',
            name='facets',
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name='importrun',
            name='deleted',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='door',
            field=models.CharField(choices=[('import', 'Import'), ('upload', 'Uploaded file'), ('action', 'Bulk action'), ('undo', 'Undo')], db_default='import', default='import', max_length=8),
        ),
        migrations.AddField(
            model_name='importrun',
            name='part',
            field=models.CharField(choices=[('rest', 'All that is left'), ('chosen', 'What was approved')], db_default='rest', default='rest', max_length=8),
        ),
        migrations.AddField(
            model_name='importrun',
            name='plan_hash',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='importrun',
            name='refused',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='restored',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='subject',
            field=models.CharField(blank=True, db_default='', default='', max_length=255),
        ),
        migrations.AddField(
            model_name='importrun',
            name='undoes',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='attributes',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='cause',
            field=models.CharField(blank=True, db_default='', default='', max_length=16),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='decision_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='department',
            field=models.CharField(blank=True, db_default='', default='', max_length=150),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='verdict',
            field=models.CharField(blank=True, choices=[('', 'Undecided'), ('approved', 'Approved'), ('refused', 'Refused'), ('done', 'Applied')], db_default='', default='', max_length=8),
        ),
        migrations.AddField(
            model_name='plannedgroup',
            name='verdict',
            field=models.CharField(blank=True, choices=[('', 'Undecided'), ('approved', 'Approved'), ('refused', 'Refused'), ('done', 'Applied')], db_default='', default='', max_length=8),
        ),
        migrations.AddField(
            model_name='plannedgroup',
            name='decision_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='plannedgroup',
            name='group_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='plannedmember',
            name='child_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='plannedmember',
            name='user_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='directory',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='import_runs', to='directories.directory'),
        ),
        migrations.AlterField(
            model_name='plannedchange',
            name='action',
            field=models.CharField(choices=[('create', 'Create'), ('update', 'Update'), ('deactivate', 'Deactivate'), ('link', 'Link'), ('leave', 'Leave alone'), ('error', 'Error'), ('delete', 'Delete'), ('restore', 'Restore')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='importrun',
            index=models.Index(condition=models.Q(('undoes__isnull', False)), fields=['undoes'], name='run_that_undoes'),
        ),
        migrations.AddIndex(
            model_name='plannedchange',
            index=models.Index(condition=models.Q(('cause', ''), _negated=True), fields=['run', 'cause', 'id'], name='planned_by_cause'),
        ),
        migrations.AddIndex(
            model_name='plannedchange',
            index=models.Index(condition=models.Q(('department', ''), _negated=True), fields=['run', 'department', 'id'], name='planned_by_department'),
        ),
        migrations.AddIndex(
            model_name='plannedchange',
            index=models.Index(condition=models.Q(('attributes', ''), _negated=True), fields=['run', 'attributes', 'id'], name='planned_by_attributes'),
        ),
        migrations.AddIndex(
            model_name='plannedchange',
            index=models.Index(condition=models.Q(('verdict', ''), _negated=True), fields=['run', 'verdict', 'id'], name='planned_by_verdict'),
        ),
        migrations.AddField(
            model_name='decision',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decisions', to='provisioning.importrun'),
        ),
    ]

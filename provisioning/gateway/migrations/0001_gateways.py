"""Gateways, their machines and the mailbox, and who may look at them."""

import directories.encryption
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Six tables."""

    initial = True

    dependencies = [
        ('provisioning', '0005_grant'),
    ]

    operations = [
        migrations.CreateModel(
            name='Gateway',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True)),
                ('description', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='EnrolmentCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_by', models.CharField(max_length=255)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(null=True)),
                ('gateway', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='codes', to='gateway.gateway')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Machine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64)),
                ('public_key', models.CharField(max_length=64, unique=True)),
                ('portal_key', directories.encryption.EncryptedJSONField()),
                ('enrolled_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_by', models.CharField(blank=True, max_length=255)),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
                ('version', models.CharField(blank=True, max_length=32)),
                ('latency', models.FloatField(blank=True, null=True)),
                ('about', models.JSONField(blank=True, default=dict)),
                ('digest', models.CharField(blank=True, max_length=32)),
                ('gateway', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='machines', to='gateway.gateway')),
            ],
            options={
                'ordering': ['gateway', 'name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='GatewayCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=255)),
                ('body', models.BinaryField()),
                ('writes', models.BooleanField()),
                ('streams', models.BooleanField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('taken', 'Taken'), ('lost', 'Lost')], default='waiting', max_length=8)),
                ('heard_at', models.DateTimeField()),
                ('leased_until', models.DateTimeField(null=True)),
                ('received', models.PositiveIntegerField(default=0)),
                ('used', models.PositiveIntegerField(default=0)),
                ('ended', models.BooleanField(default=False)),
                ('gateway', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='gateway.gateway')),
                ('machine', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='gateway.machine')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('last', models.BigIntegerField()),
                ('machine', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='gateway.machine')),
            ],
            options={
                'ordering': ['machine', 'number'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AnswerPart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('body', models.BinaryField()),
                ('call', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='gateway.gatewaycall')),
            ],
            options={
                'ordering': ['call', 'number'],
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('call', 'number'), name='answer_part_once')],
            },
        ),
        migrations.AddIndex(
            model_name='machine',
            index=models.Index(condition=models.Q(('withdrawn_at', None)), fields=['gateway', 'seen_at'], name='machine_seen'),
        ),
        migrations.AddIndex(
            model_name='gatewaycall',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['gateway', 'id'], name='call_waiting'),
        ),
        migrations.AddIndex(
            model_name='gatewaycall',
            index=models.Index(condition=models.Q(('state', 'taken')), fields=['machine'], name='call_taken'),
        ),
        migrations.AddIndex(
            model_name='gatewaycall',
            index=models.Index(fields=['heard_at'], name='call_heard'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('machine', 'number'), name='channel_once'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

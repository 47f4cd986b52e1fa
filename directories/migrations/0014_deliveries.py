"""What is pushed to sources, and the tokens for it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Three tables."""

    dependencies = [
        ('directories', '0013_match_keys'),
    ]

    operations = [
        migrations.CreateModel(
            name='PushedDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('actor', models.CharField(max_length=255)),
                ('opened_at', models.DateTimeField(auto_now_add=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('records', models.PositiveIntegerField(default=0)),
                ('changed', models.PositiveIntegerField(default=0)),
                ('missing', models.PositiveIntegerField(default=0)),
                ('version', models.BigIntegerField(default=0)),
                ('waits', models.BooleanField(default=False)),
                ('run_id', models.BigIntegerField(null=True)),
                ('directory', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='directories.directory')),
            ],
            options={
                'verbose_name_plural': 'pushed deliveries',
                'ordering': ['pk'],
                'default_permissions': (),
                'indexes': [models.Index(condition=models.Q(('waits', True)), fields=['directory'], name='delivery_waits')],
            },
        ),
        migrations.CreateModel(
            name='PushedRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=10)),
                ('ref', models.CharField(max_length=512)),
                ('delivery', models.BigIntegerField()),
                ('version', models.BigIntegerField()),
                ('digest', models.CharField(max_length=32)),
                ('data', models.TextField()),
                ('directory', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pushed', to='directories.directory')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['directory', 'kind', 'version', 'id'], name='pushed_since')],
                'constraints': [models.UniqueConstraint(fields=('directory', 'kind', 'ref'), name='pushed_once_a_source')],
            },
        ),
        migrations.CreateModel(
            name='PushToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('label', models.CharField(blank=True, max_length=100)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('directory', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='push_tokens', to='directories.directory')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
    ]

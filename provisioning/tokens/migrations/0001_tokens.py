"""Tokens of the REST API and the answers that are kept, and who may look at them."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two tables."""

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('provisioning', '0005_grant'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RepeatAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=64, unique=True)),
                ('request', models.CharField(max_length=64)),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('headers', models.JSONField(default=dict)),
                ('body', models.JSONField(null=True)),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('scopes', models.JSONField(default=dict)),
                ('created_by', models.CharField(max_length=255)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_by', models.CharField(blank=True, max_length=255)),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
                ('role', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to='auth.group')),
            ],
            options={
                'verbose_name': 'API token',
                'ordering': ['-pk'],
                'default_permissions': ('view', 'add', 'delete'),
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('owner__isnull', True), ('role__isnull', False)), models.Q(('owner__isnull', False), ('role__isnull', True)), _connector='OR'), name='api_token_of_person_or_role')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

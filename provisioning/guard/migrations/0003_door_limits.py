"""How much other doors than imports may do a day, and who may change that."""

import django.core.validators
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new table."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """One table."""

    dependencies = [
        ('guard', '0002_awaited_settings'),
    ]

    operations = [
        migrations.CreateModel(
            name='DoorLimits',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('max_off', models.PositiveIntegerField(default=50, verbose_name='people')),
                ('max_off_percent', models.PositiveSmallIntegerField(default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
                ('max_on', models.PositiveIntegerField(default=50, verbose_name='people')),
                ('max_on_percent', models.PositiveSmallIntegerField(default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
                ('max_blanked', models.PositiveIntegerField(default=100, verbose_name='people')),
                ('max_blanked_percent', models.PositiveSmallIntegerField(default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
                ('max_renamed', models.PositiveIntegerField(default=50, verbose_name='people')),
                ('max_renamed_percent', models.PositiveSmallIntegerField(default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
                ('max_changed', models.PositiveIntegerField(default=500, verbose_name='people')),
                ('max_changed_percent', models.PositiveSmallIntegerField(default=30, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
                ('max_lost_members', models.PositiveIntegerField(default=500, verbose_name='memberships')),
                ('max_lost_members_percent', models.PositiveSmallIntegerField(default=20, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='share in per cent')),
            ],
            options={
                'verbose_name': 'guard limits',
                'verbose_name_plural': 'guard limits',
                'default_permissions': ('view', 'change'),
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

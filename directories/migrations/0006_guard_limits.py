"""How much may be lost within a day: people added, changed attributes, departments, groups and privileges."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Seven columns of the provisioning settings."""

    dependencies = [
        ('directories', '0005_sources'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_changed',
            field=models.PositiveIntegerField(db_default=500, default=500),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_changed_percent',
            field=models.PositiveSmallIntegerField(db_default=30, default=30, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_created',
            field=models.PositiveIntegerField(db_default=200, default=200),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_created_percent',
            field=models.PositiveSmallIntegerField(db_default=20, default=20, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_department_percent',
            field=models.PositiveSmallIntegerField(db_default=50, default=50, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_elevated',
            field=models.PositiveIntegerField(db_default=5, default=5),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_group_percent',
            field=models.PositiveSmallIntegerField(db_default=50, default=50, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
    ]

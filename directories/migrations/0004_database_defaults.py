"""The database fills in the columns that are new: a web process of the version before still writes rows for a while."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Defaults that stay in the database."""

    dependencies = [
        ('directories', '0003_import_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='provisioningsettings',
            name='max_activated',
            field=models.PositiveIntegerField(db_default=50, default=50),
        ),
        migrations.AlterField(
            model_name='provisioningsettings',
            name='max_activated_percent',
            field=models.PositiveSmallIntegerField(db_default=10, default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AlterField(
            model_name='provisioningsettings',
            name='max_opened',
            field=models.PositiveIntegerField(db_default=500, default=500),
        ),
    ]

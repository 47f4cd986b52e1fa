"""Which source decides, and whether users who are renamed there are renamed in the portal."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns of the provisioning settings."""

    dependencies = [
        ('directories', '0004_database_defaults'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='follow_renames',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='source_rank',
            field=models.PositiveSmallIntegerField(db_default=100, default=100, validators=[django.core.validators.MinValueValidator(1)]),
        ),
    ]

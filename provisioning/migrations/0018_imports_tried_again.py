"""Imports that failed because their directory could not be reached are tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns of runs, and the index of those that wait."""

    dependencies = [
        ('directories', '0004_database_defaults'),
        ('provisioning', '0017_database_defaults'),
    ]

    operations = [
        migrations.AddField(
            model_name='importrun',
            name='retry_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='importrun',
            name='tries',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name='importrun',
            index=models.Index(condition=models.Q(('retry_at__isnull', False)), fields=['retry_at'], name='run_to_try_again'),
        ),
    ]

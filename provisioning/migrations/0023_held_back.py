"""What of a plan or of a delivery waits for somebody."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Columns, and the index of the planned changes that wait."""

    dependencies = [
        ('provisioning', '0022_renames_of_imports'),
    ]

    operations = [
        migrations.AddField(
            model_name='change',
            name='cleared',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='group',
            name='privileged',
            field=models.BooleanField(db_default=False, default=False, help_text="Its members have special rights somewhere, such as an administrator's."),
        ),
        migrations.AddField(
            model_name='groupchange',
            name='cleared',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='importrun',
            name='held',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='rest_applied',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='held',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='plannedchange',
            name='losses',
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='plannedgroup',
            name='held',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='plannedmember',
            name='held',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name='plannedchange',
            index=models.Index(condition=models.Q(('held', True)), fields=['run', 'id'], name='planned_held'),
        ),
    ]

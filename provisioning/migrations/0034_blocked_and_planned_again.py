"""People whom a source has blocked, and plans of what was read last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns of runs."""

    dependencies = [
        ('provisioning', '0033_undo_and_taken_over'),
    ]

    operations = [
        migrations.AddField(
            model_name='importrun',
            name='blocked',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='importrun',
            name='from_records',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='plannedchange',
            name='action',
            field=models.CharField(choices=[('create', 'Create'), ('update', 'Update'), ('deactivate', 'Deactivate'), ('link', 'Link'), ('leave', 'Leave alone'), ('error', 'Error'), ('delete', 'Delete'), ('restore', 'Restore'), ('block', 'Blocked')], max_length=10),
        ),
    ]

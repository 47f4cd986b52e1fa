"""People are merged by planned changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One choice more; the database does nothing."""

    dependencies = [
        ('provisioning', '0036_rules_and_scope'),
    ]

    operations = [
        migrations.AlterField(
            model_name='plannedchange',
            name='action',
            field=models.CharField(choices=[('create', 'Create'), ('update', 'Update'), ('deactivate', 'Deactivate'), ('link', 'Link'), ('leave', 'Leave alone'), ('error', 'Error'), ('delete', 'Delete'), ('restore', 'Restore'), ('block', 'Blocked'), ('merge', 'Merge')], max_length=10),
        ),
    ]

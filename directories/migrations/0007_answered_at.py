"""When a directory answered first, so that nobody calls one reachable that was never asked."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column; those that are there already counted as reachable, and go on doing so."""

    dependencies = [
        ('directories', '0006_guard_limits'),
    ]

    operations = [
        migrations.AddField(
            model_name='directory',
            name='answered_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL('UPDATE directories_directory SET answered_at = updated_at', migrations.RunSQL.noop),
    ]

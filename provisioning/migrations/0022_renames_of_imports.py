"""How many people an import renames, so that many small ones are counted together."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column of runs."""

    dependencies = [('provisioning', '0021_one_look_for_a_lasting_id')]

    operations = [
        migrations.AddField(
            model_name='importrun',
            name='renamed',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]

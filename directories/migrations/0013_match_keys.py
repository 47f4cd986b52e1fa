"""What an imported row finds its user by where nobody has the value of the first attribute."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns."""

    dependencies = [
        ('directories', '0012_accounts_for'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='match_second',
            field=models.CharField(blank=True, db_default='', default='', max_length=128),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='match_third',
            field=models.CharField(blank=True, db_default='', default='', max_length=128),
        ),
    ]

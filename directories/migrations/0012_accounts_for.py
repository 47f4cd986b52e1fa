"""Who gets an account in a directory."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column."""

    dependencies = [
        ('directories', '0011_contracts_of_sources'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='accounts_for',
            field=models.CharField(choices=[('everyone', 'Everyone'), ('groups', 'Members of chosen groups'), ('rules', 'Whoever a rule gives one')], db_default='everyone', default='everyone', max_length=8),
        ),
    ]

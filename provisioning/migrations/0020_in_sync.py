"""An account that is as it should be is called in sync, as everywhere else: a label, and nothing in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('provisioning', '0019_page_names'),
    ]

    operations = [
        migrations.AlterField(
            model_name='account',
            name='last_result',
            field=models.CharField(blank=True, choices=[('', 'Nothing yet'), ('ok', 'In sync'), ('waiting', 'Waiting for the directory'), ('parked', 'Needs attention'), ('open', 'Still open')], default='', max_length=8),
        ),
        migrations.AlterField(
            model_name='groupaccount',
            name='last_result',
            field=models.CharField(blank=True, choices=[('', 'Nothing yet'), ('ok', 'In sync'), ('waiting', 'Waiting for the directory'), ('parked', 'Needs attention'), ('open', 'Still open')], default='', max_length=8),
        ),
    ]

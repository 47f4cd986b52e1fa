"""What a directory was asked for and did not answer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One column of accounts and of groups in directories."""

    dependencies = [('provisioning', '0023_held_back')]

    operations = [
        migrations.AddField(
            model_name=name,
            name='unanswered',
            field=models.CharField(blank=True, db_default='', default='', max_length=8),
        )
        for name in ('account', 'groupaccount')
    ]

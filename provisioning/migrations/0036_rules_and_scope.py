"""Rules are a door of their own, and an account knows whether its directory gives its person one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column and a choice."""

    dependencies = [
        ('provisioning', '0035_rights_to_blueprints'),
    ]

    operations = [
        migrations.AddField(
            model_name='account',
            name='in_scope',
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AlterField(
            model_name='importrun',
            name='door',
            field=models.CharField(choices=[('import', 'Import'), ('upload', 'Uploaded file'), ('action', 'Bulk action'), ('undo', 'Undo'), ('contract', 'Contracts'), ('pull', 'Taken over'), ('rule', 'Rules')], db_default='import', default='import', max_length=8),
        ),
    ]

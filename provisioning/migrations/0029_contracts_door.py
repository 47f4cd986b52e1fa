"""Runs of planned changes that follow from contracts."""


from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('provisioning', '0028_unanswered_members'),
    ]

    operations = [
        migrations.AlterField(
            model_name='importrun',
            name='door',
            field=models.CharField(choices=[('import', 'Import'), ('upload', 'Uploaded file'), ('action', 'Bulk action'), ('undo', 'Undo'), ('contract', 'Contracts')], db_default='import', default='import', max_length=8),
        ),
    ]

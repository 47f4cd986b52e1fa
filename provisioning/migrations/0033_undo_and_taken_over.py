"""Blueprints that were applied, so that they can be taken back; what is taken over is a door of its own."""

import directories.encryption
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('provisioning', '0032_wrongly_disabled'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppliedBlueprint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('actor', models.CharField(max_length=255)),
                ('differences', models.PositiveIntegerField(default=0)),
                ('items', directories.encryption.EncryptedJSONField()),
                ('undoes', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.AlterField(
            model_name='importrun',
            name='door',
            field=models.CharField(choices=[('import', 'Import'), ('upload', 'Uploaded file'), ('action', 'Bulk action'), ('undo', 'Undo'), ('contract', 'Contracts'), ('pull', 'Taken over')], db_default='import', default='import', max_length=8),
        ),
    ]

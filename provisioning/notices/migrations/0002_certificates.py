"""Until when the certificates of directories are valid."""


import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('directories', '0009_quarantine'),
        ('notices', '0001_notices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Certificates',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('server_until', models.DateTimeField(blank=True, null=True)),
                ('authority_until', models.DateTimeField(blank=True, null=True)),
                ('looked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('directory', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='certificates', to='directories.directory')),
            ],
        ),
    ]

"""How fast applications were asked, where every process of the portal sees it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """One table, of a row an account."""

    dependencies = [
        ('directories', '0014_deliveries'),
    ]

    operations = [
        migrations.CreateModel(
            name='RateLevels',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(max_length=32, unique=True)),
                ('version', models.BigIntegerField(default=0)),
                ('levels', models.TextField(default='{}')),
            ],
            options={
                'verbose_name_plural': 'rate levels',
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
    ]

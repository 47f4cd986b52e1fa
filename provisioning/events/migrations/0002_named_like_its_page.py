"""What subscriptions are called on their pages; the database does nothing."""

from django.db import migrations


class Migration(migrations.Migration):
    """One option."""

    dependencies = [
        ('events', '0001_outbox'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='subscription',
            options={'ordering': ['name'], 'verbose_name': 'receiver', 'verbose_name_plural': 'events'},
        ),
    ]

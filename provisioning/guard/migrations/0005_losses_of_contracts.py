"""Losses of contracts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Further kinds."""

    dependencies = [
        ('guard', '0004_awaited_door_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='loss',
            name='kind',
            field=models.CharField(choices=[('off', 'People deactivated'), ('on', 'People activated again'), ('blanked', 'People who lose a value'), ('changed', 'People with another value of one attribute'), ('renamed', 'People with another user name'), ('created', 'People added'), ('opened', 'Accounts opened'), ('closed', 'Accounts closed'), ('members', 'Memberships lost'), ('elevated', 'Memberships of privileged groups given'), ('con_added', 'People who get a contract'), ('con_gone', 'People who lose a contract'), ('con_other', 'People whose contract changes'), ('blocked', 'People who are blocked by HR, or cannot be taken'), ('shrank', 'A source that became small'), ('unproven', 'Absence that is not proven')], max_length=10),
        ),
    ]

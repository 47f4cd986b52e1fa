"""What deleted users were, and who may look at it and restore them."""

import django.utils.timezone
import provisioning.models.people
from django.db import migrations, models
from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """One table."""

    initial = True

    dependencies = [
        ('provisioning', '0027_plans'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeletedUser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_id', models.BigIntegerField(db_index=True)),
                ('username', models.CharField(max_length=255, verbose_name='user name')),
                ('username_key', provisioning.models.people.FoldedField(blank=True, db_index=True, editable=False, max_length=255, source='username')),
                ('full_name', models.CharField(blank=True, max_length=310, verbose_name='name')),
                ('department', models.CharField(blank=True, max_length=150)),
                ('image', models.JSONField()),
                ('deleted_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('deleted_by', models.CharField(blank=True, max_length=255)),
                ('restored_at', models.DateTimeField(blank=True, null=True)),
                ('restored_by', models.CharField(blank=True, max_length=255)),
            ],
            options={
                'verbose_name': 'deleted user',
                'verbose_name_plural': 'deleted users',
                'ordering': ['-deleted_at', '-pk'],
                'indexes': [models.Index(condition=models.Q(('restored_at', None)), fields=['-deleted_at', '-id'], name='deleted_newest'), models.Index(fields=['deleted_at'], name='deleted_oldest')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""Who subscribed to events, their outbox and log, and who may look at that."""

import directories.encryption
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.db import migrations, models


from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


def lock(apps, editor):
    """Write the row that whoever gives events to subscriptions locks."""
    apps.get_model("events", "FanOut").objects.create(pk=1)


class Migration(migrations.Migration):
    """Seven tables."""

    initial = True

    dependencies = [
        ('provisioning', '0037_merge'),
    ]

    operations = [
        migrations.CreateModel(
            name='FanOut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SigningKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kid', models.CharField(max_length=64, unique=True)),
                ('private', directories.encryption.EncryptedJSONField()),
                ('public', models.JSONField()),
                ('signs_from', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-signs_from', '-pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('enabled', models.BooleanField(default=True)),
                ('answered_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('unreachable_since', models.DateTimeField(blank=True, editable=False, null=True)),
                ('retry_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('failures', models.PositiveIntegerField(default=0, editable=False)),
                ('refusals', models.PositiveIntegerField(db_default=0, default=0, editable=False)),
                ('refusing_since', models.DateTimeField(blank=True, editable=False, null=True)),
                ('quarantined', models.BooleanField(db_default=False, default=False, editable=False)),
                ('last_error', models.TextField(blank=True, editable=False)),
                ('url', models.TextField(verbose_name='address')),
                ('envelope', models.CharField(choices=[('webhook', 'Signed webhook (Standard Webhooks)'), ('set', 'Security event token (RFC 8935, SCIM events)')], default='webhook', max_length=8)),
                ('kinds', models.JSONField(default=list)),
                ('filter', models.TextField(blank=True)),
                ('fields', models.JSONField(blank=True, default=list)),
                ('secrets', directories.encryption.EncryptedJSONField(blank=True, default=dict)),
                ('previous_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('audience', models.CharField(blank=True, max_length=255)),
                ('authority', models.TextField(blank=True, verbose_name='certificate authority')),
                ('give_up_days', models.PositiveSmallIntegerField(default=5, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(30)], verbose_name='switch off after days of failure')),
                ('failing_since', models.DateTimeField(blank=True, editable=False, null=True)),
                ('stopped_because', models.TextField(blank=True, editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='subscription_name_once')],
            },
        ),
        migrations.CreateModel(
            name='Stream',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('last_result', models.CharField(blank=True, choices=[('', 'Nothing yet'), ('ok', 'In sync'), ('waiting', 'Waiting for the directory'), ('parked', 'Needs attention'), ('open', 'Still open')], default='', max_length=8)),
                ('last_message', models.TextField(blank=True)),
                ('last_synced_at', models.DateTimeField(blank=True, null=True)),
                ('leased_until', models.DateTimeField(blank=True, null=True)),
                ('not_before', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('unanswered', models.CharField(blank=True, db_default='', default='', max_length=8)),
                ('subject', models.CharField(max_length=32)),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='streams', to='events.subscription')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='OutgoingEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ident', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('kind', models.CharField(max_length=32)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('subject', models.CharField(max_length=32)),
                ('user_id', models.BigIntegerField(null=True)),
                ('group_id', models.BigIntegerField(null=True)),
                ('run_id', models.BigIntegerField(null=True)),
                ('identifier', models.CharField(blank=True, max_length=255)),
                ('application', models.CharField(blank=True, max_length=100)),
                ('actor', models.CharField(blank=True, max_length=255)),
                ('message', models.TextField(blank=True)),
                ('changes', models.JSONField(default=dict)),
                ('about', models.JSONField(default=dict)),
                ('told', models.BooleanField(db_default=False, default=False)),
                ('only', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='events.subscription')),
            ],
            options={
                'verbose_name': 'event',
                'ordering': ['-pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='EventDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lane', models.PositiveSmallIntegerField(choices=[(0, 'Leavers'), (1, 'Usual')], db_default=1, default=1)),
                ('reason', models.CharField(max_length=64)),
                ('actor', models.CharField(blank=True, max_length=255)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('cleared', models.BooleanField(db_default=False, default=False)),
                ('parked', models.DateTimeField(blank=True, null=True)),
                ('parked_code', models.CharField(blank=True, max_length=32)),
                ('parked_message', models.TextField(blank=True)),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='events.outgoingevent')),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='events.stream')),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='events.subscription')),
            ],
            options={
                'verbose_name': 'delivery',
                'verbose_name_plural': 'deliveries',
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.BigIntegerField()),
                ('ident', models.UUIDField()),
                ('kind', models.CharField(max_length=32)),
                ('identifier', models.CharField(blank=True, max_length=255)),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='time')),
                ('status', models.PositiveSmallIntegerField(null=True)),
                ('milliseconds', models.PositiveIntegerField(default=0)),
                ('taken', models.BooleanField(default=False)),
                ('words', models.TextField(blank=True)),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='events.subscription')),
            ],
            options={
                'verbose_name': 'delivery attempt',
                'ordering': ['-pk'],
                'default_permissions': ('view',),
            },
        ),
        migrations.AddConstraint(
            model_name='stream',
            constraint=models.UniqueConstraint(fields=('subscription', 'subject'), name='stream_once'),
        ),
        migrations.AddIndex(
            model_name='outgoingevent',
            index=models.Index(condition=models.Q(('told', False)), fields=['id'], name='event_untold'),
        ),
        migrations.AddIndex(
            model_name='outgoingevent',
            index=models.Index(fields=['at'], name='event_oldest'),
        ),
        migrations.AddIndex(
            model_name='eventdelivery',
            index=models.Index(condition=models.Q(('parked__isnull', True)), fields=['subscription', 'id'], name='event_delivery_waiting'),
        ),
        migrations.AddIndex(
            model_name='eventdelivery',
            index=models.Index(condition=models.Q(('parked__isnull', False)), fields=['subscription', 'id'], name='event_delivery_dead'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['subscription', '-id'], name='attempt_of_subscription'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['at'], name='attempt_oldest'),
        ),
        migrations.AddIndex(
            model_name='stream',
            index=models.Index(condition=models.Q(('leased_until__isnull', False)), fields=['subscription', 'leased_until'], name='stream_leased'),
        ),
        migrations.RunPython(lock, migrations.RunPython.noop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

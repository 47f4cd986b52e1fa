"""Receipts of leavers, and who may look at them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Two tables."""

    initial = True

    dependencies = [("provisioning", "0005_grant")]

    operations = [
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_id', models.BigIntegerField()),
                ('username', models.CharField(max_length=255, verbose_name='user name')),
                ('name', models.CharField(max_length=310)),
                ('employee_number', models.CharField(blank=True, max_length=64)),
                ('hr_end', models.DateTimeField(blank=True, null=True, verbose_name="HR's end")),
                ('hr_zone', models.CharField(blank=True, max_length=64, verbose_name="HR's time zone")),
                ('learnt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('origin', models.CharField(blank=True, max_length=255)),
                ('decision', models.CharField(max_length=64)),
                ('version', models.CharField(max_length=32, verbose_name='product version')),
                ('status', models.CharField(choices=[('open', 'Open'), ('closed', 'Proven'), ('cancelled', 'Cancelled: returned')], default='open', max_length=10)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('late', models.BooleanField(default=False)),
                ('evidence', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'leavers',
                'ordering': ['-pk'],
                'indexes': [models.Index(fields=['user_id', '-id'], name='receipt_of_user'), models.Index(fields=['status', '-id'], name='receipt_by_status'), models.Index(fields=['-learnt_at', '-id'], name='receipt_newest'), models.Index(fields=['employee_number'], name='receipt_by_number'), models.Index(fields=['username'], name='receipt_by_name'), models.Index(condition=models.Q(('evidence', None)), fields=['id'], name='receipt_unsealed')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'open')), fields=('user_id',), name='receipt_one_open_a_user')],
            },
        ),
        migrations.CreateModel(
            name='ReceiptAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('directory_id', models.BigIntegerField()),
                ('directory', models.CharField(max_length=100)),
                ('account_id', models.BigIntegerField()),
                ('key', models.CharField(max_length=255)),
                ('remote_id', models.CharField(blank=True, max_length=512)),
                ('before', models.CharField(max_length=8)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('answer', models.CharField(blank=True, max_length=255)),
                ('seen', models.CharField(blank=True, choices=[('', 'Not looked yet'), ('disabled', 'Disabled'), ('absent', 'Not there'), ('never', 'Never had an account'), ('active', 'Active'), ('unclear', 'There, state not shown')], default='', max_length=8)),
                ('read_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, max_length=255)),
                ('owner', models.CharField(blank=True, max_length=255)),
                ('until', models.DateField(blank=True, null=True)),
                ('receipt', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='accounts', to='receipts.receipt')),
            ],
            options={
                'ordering': ['directory', 'pk'],
                'indexes': [models.Index(fields=['account_id'], name='receipt_account'), models.Index(fields=['directory_id', 'receipt'], name='receipt_of_directory')],
                'constraints': [models.UniqueConstraint(fields=('receipt', 'account_id'), name='receipt_account_once')],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""Contracts, departments and locations, what follows from them, and who may look at them."""


import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """Six tables."""

    initial = True

    dependencies = [
        ('directories', '0009_quarantine'),
        ('provisioning', '0029_contracts_door'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PrimaryOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('field', models.CharField(max_length=80)),
                ('descending', models.BooleanField(default=False)),
            ],
            options={
                'verbose_name': 'step of the order of contracts',
                'verbose_name_plural': 'order of contracts',
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ProfileSource',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attribute', models.CharField(max_length=80, unique=True)),
                ('field', models.CharField(max_length=80)),
            ],
            options={
                'verbose_name': 'attribute that follows the contract',
                'verbose_name_plural': 'attributes that follow the contract',
                'ordering': ['attribute'],
            },
        ),
        migrations.CreateModel(
            name='Department',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=128, verbose_name='number')),
                ('code', models.CharField(blank=True, max_length=64)),
                ('name', models.CharField(max_length=150)),
                ('manager_ref', models.CharField(blank=True, max_length=512, verbose_name='head, as the source says')),
                ('manager', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='heads', to=settings.AUTH_USER_MODEL, verbose_name='head')),
                ('parent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='contracts.department')),
                ('source', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='departments', to='directories.directory')),
            ],
            options={
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Contract',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=128, verbose_name='number')),
                ('starts', models.DateField(blank=True, null=True, verbose_name='first day')),
                ('ends', models.DateField(blank=True, null=True, verbose_name='last day')),
                ('type', models.CharField(blank=True, max_length=64)),
                ('fte', models.DecimalField(blank=True, decimal_places=3, max_digits=7, null=True, verbose_name='FTE')),
                ('hours', models.DecimalField(blank=True, decimal_places=3, max_digits=7, null=True, verbose_name='hours a week')),
                ('percentage', models.DecimalField(blank=True, decimal_places=3, max_digits=7, null=True)),
                ('sequence', models.IntegerField(blank=True, null=True)),
                ('employer', models.CharField(blank=True, max_length=150)),
                ('department_ref', models.CharField(blank=True, editable=False, max_length=128)),
                ('title', models.CharField(blank=True, max_length=150)),
                ('team', models.CharField(blank=True, max_length=150)),
                ('cost_centre', models.CharField(blank=True, max_length=64)),
                ('division', models.CharField(blank=True, max_length=150)),
                ('manager_ref', models.CharField(blank=True, max_length=512, verbose_name='manager, as the source says')),
                ('custom', models.JSONField(blank=True, default=dict)),
                ('account', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='contracts', to='provisioning.account')),
                ('manager', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='managed_contracts', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='contracts', to=settings.AUTH_USER_MODEL)),
                ('department', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='contracts', to='contracts.department')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Employment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('active', models.BooleanField(null=True)),
                ('why', models.TextField(blank=True)),
                ('said', models.JSONField(default=dict)),
                ('next_change_at', models.DateTimeField(null=True)),
                ('primary', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='contracts.contract')),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='employment', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Location',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(blank=True, max_length=128, verbose_name='number')),
                ('name', models.CharField(max_length=150)),
                ('time_zone', models.CharField(blank=True, help_text='For example Europe/Amsterdam.', max_length=64)),
                ('source', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='locations', to='directories.directory')),
            ],
            options={
                'ordering': ['name', 'pk'],
            },
        ),
        migrations.AddField(
            model_name='contract',
            name='location',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='contracts', to='contracts.location'),
        ),
        migrations.AddConstraint(
            model_name='department',
            constraint=models.UniqueConstraint(fields=('source', 'external_id'), name='department_once_a_source'),
        ),
        migrations.AddConstraint(
            model_name='department',
            constraint=models.UniqueConstraint(condition=models.Q(('source__isnull', True)), fields=('external_id',), name='department_of_the_portal_once'),
        ),
        migrations.AddIndex(
            model_name='employment',
            index=models.Index(condition=models.Q(('next_change_at__isnull', False)), fields=['next_change_at', 'id'], name='employment_due'),
        ),
        migrations.AddConstraint(
            model_name='location',
            constraint=models.UniqueConstraint(fields=('source', 'external_id'), name='location_once_a_source'),
        ),
        migrations.AddConstraint(
            model_name='location',
            constraint=models.UniqueConstraint(condition=models.Q(('source__isnull', True)), fields=('external_id',), name='location_of_the_portal_once'),
        ),
        migrations.AddConstraint(
            model_name='contract',
            constraint=models.UniqueConstraint(fields=('account', 'external_id'), name='contract_once_an_account'),
        ),
        migrations.AddConstraint(
            model_name='contract',
            constraint=models.UniqueConstraint(fields=('user', 'external_id'), name='contract_once_a_user'),
        ),
        migrations.AddConstraint(
            model_name='contract',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('account__isnull', True), ('user__isnull', False)), models.Q(('account__isnull', False), ('user__isnull', True)), _connector='OR'), name='contract_has_one_owner'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

"""Rules, what they give and gave, when people are looked at again, and who may look at them."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
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
        ('contracts', '0001_contracts'),
        ('directories', '0012_accounts_for'),
        ('provisioning', '0036_rules_and_scope'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BusinessRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=150, unique=True)),
                ('category', models.CharField(blank=True, max_length=80)),
                ('published', models.BooleanField(default=False)),
                ('retired', models.BooleanField(default=False, editable=False)),
                ('position', models.PositiveIntegerField(default=100, verbose_name='order')),
                ('condition', models.JSONField(default=dict)),
                ('days_before', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(365)], verbose_name='days before the start')),
                ('days_after', models.PositiveSmallIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(365)], verbose_name='days after the end')),
                ('asks_groups', models.BooleanField(default=False, editable=False)),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'rule',
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Evaluation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('evaluated_at', models.DateTimeField(null=True)),
                ('due', models.BooleanField(default=False)),
                ('look', models.BooleanField(default=False)),
                ('actor', models.CharField(blank=True, default='', max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name='Entitlement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('account', 'An account in a directory'), ('group', 'Membership of a group'), ('value', 'A value of an attribute')], max_length=8)),
                ('attribute', models.CharField(blank=True, max_length=80)),
                ('value', models.JSONField(blank=True, null=True)),
                ('ended', models.BooleanField(default=False, editable=False)),
                ('directory', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='entitlements', to='directories.directory')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='entitlements', to='provisioning.group')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entitlements', to='rules.businessrule')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Granted',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.JSONField(blank=True, null=True)),
                ('before', models.JSONField(blank=True, default=dict)),
                ('wins', models.BooleanField(default=True)),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('contract', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='granted', to='contracts.contract')),
                ('directory', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='granted', to='directories.directory')),
                ('entitlement', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='granted', to='rules.entitlement')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='granted', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'granted',
            },
        ),
        migrations.CreateModel(
            name='Look',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('next_at', models.DateTimeField(null=True)),
                ('seen', models.DateTimeField(null=True)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='look_of_rules', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='ScopeGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('directory', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scope_groups', to='directories.directory')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='scope_of', to='provisioning.group')),
            ],
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'account')), fields=('rule', 'directory'), name='entitlement_account_once'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'group')), fields=('rule', 'group'), name='entitlement_group_once'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'value')), fields=('rule', 'attribute'), name='entitlement_value_once'),
        ),
        migrations.AddConstraint(
            model_name='entitlement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('attribute', ''), ('directory__isnull', False), ('group__isnull', True), ('kind', 'account')), models.Q(('attribute', ''), ('directory__isnull', True), ('group__isnull', False), ('kind', 'group')), models.Q(('directory__isnull', True), ('group__isnull', True), ('kind', 'value'), models.Q(('attribute', ''), _negated=True)), _connector='OR'), name='entitlement_of_its_kind'),
        ),
        migrations.AddIndex(
            model_name='granted',
            index=models.Index(fields=['entitlement', 'user'], name='granted_by_entitlement'),
        ),
        migrations.AddIndex(
            model_name='granted',
            index=models.Index(condition=models.Q(('directory__isnull', False)), fields=['directory', 'user'], name='granted_accounts'),
        ),
        migrations.AddConstraint(
            model_name='granted',
            constraint=models.UniqueConstraint(fields=('user', 'entitlement'), name='granted_once'),
        ),
        migrations.AddIndex(
            model_name='look',
            index=models.Index(condition=models.Q(('next_at__isnull', False)), fields=['next_at', 'id'], name='look_due'),
        ),
        migrations.AddConstraint(
            model_name='scopegroup',
            constraint=models.UniqueConstraint(fields=('directory', 'group'), name='scope_group_once'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

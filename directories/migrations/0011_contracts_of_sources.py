"""Contracts in the mapping and among the queries, and how many of them an import may change without being asked."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Limits and choices."""

    dependencies = [
        ('directories', '0010_grace'),
    ]

    operations = [
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_blocked',
            field=models.PositiveIntegerField(db_default=50, default=50),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_blocked_percent',
            field=models.PositiveSmallIntegerField(db_default=10, default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_added',
            field=models.PositiveIntegerField(db_default=500, default=500),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_added_percent',
            field=models.PositiveSmallIntegerField(db_default=30, default=30, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_changed',
            field=models.PositiveIntegerField(db_default=500, default=500),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_changed_percent',
            field=models.PositiveSmallIntegerField(db_default=30, default=30, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_removed',
            field=models.PositiveIntegerField(db_default=50, default=50),
        ),
        migrations.AddField(
            model_name='provisioningsettings',
            name='max_contracts_removed_percent',
            field=models.PositiveSmallIntegerField(db_default=10, default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)]),
        ),
        migrations.AlterField(
            model_name='attributemapping',
            name='kind',
            field=models.CharField(choices=[('profile', 'Default profile attribute'), ('custom_profile', 'Custom profile attribute'), ('custom', 'Custom attribute'), ('contract', 'Contract'), ('custom_contract', 'Custom field of contracts'), ('record', 'Blocked by HR')], default='profile', max_length=16),
        ),
        migrations.AlterField(
            model_name='querytemplate',
            name='operation',
            field=models.CharField(choices=[('import', 'Import attributes'), ('check', 'Check user'), ('create', 'Create user'), ('update', 'Update user'), ('delete', 'Delete user'), ('disable', 'Disable user'), ('enable', 'Enable user'), ('set_password', 'Set password'), ('import_groups', 'Import groups'), ('import_members', 'Import memberships'), ('create_group', 'Create group'), ('update_group', 'Rename group'), ('delete_group', 'Delete group'), ('add_member', 'Add member'), ('remove_member', 'Remove member'), ('contracts', 'Contracts'), ('departments', 'Departments'), ('titles', 'Titles')], max_length=16),
        ),
    ]

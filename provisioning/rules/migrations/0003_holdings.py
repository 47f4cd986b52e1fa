"""What people were given on request: rules of products, and who holds them."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from provisioning import roles


def grant(apps, editor):
    """Give the roles their permissions of the new tables."""
    roles.grant(apps)


class Migration(migrations.Migration):
    """One table, and rules that are those of products."""

    dependencies = [
        ('rules', '0002_early_accounts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Holding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('until', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'default_permissions': ('view',),
            },
        ),
        migrations.AddField(
            model_name='businessrule',
            name='by_request',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AlterField(
            model_name='businessrule',
            name='name',
            field=models.CharField(max_length=150),
        ),
        migrations.AddConstraint(
            model_name='businessrule',
            constraint=models.UniqueConstraint(fields=('name', 'by_request'), name='rule_name_once'),
        ),
        migrations.AddField(
            model_name='holding',
            name='rule',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='holdings', to='rules.businessrule'),
        ),
        migrations.AddField(
            model_name='holding',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='holdings', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='holding',
            index=models.Index(fields=['rule', 'user'], name='holding_by_rule'),
        ),
        migrations.AddIndex(
            model_name='holding',
            index=models.Index(condition=models.Q(('until__isnull', False)), fields=['until'], name='holding_due'),
        ),
        migrations.AddConstraint(
            model_name='holding',
            constraint=models.UniqueConstraint(fields=('user', 'rule'), name='holding_once'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]

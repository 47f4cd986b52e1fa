"""Who answers for the token of a service, by more than a name."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def fill(apps, editor):
    """Find who made each token by the user name that was noted; whoever is gone by now answers for none."""
    users = apps.get_model("provisioning", "User").objects.filter(username=models.OuterRef("created_by"))
    tokens = apps.get_model("tokens", "ApiToken").objects.filter(owner=None)
    tokens.update(maker_id=models.Subquery(users.values("pk")[:1]))


class Migration(migrations.Migration):
    """One column, filled."""

    dependencies = [
        ('tokens', '0001_tokens'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='maker',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]

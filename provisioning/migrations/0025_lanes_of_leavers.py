"""Changes of leavers that waited when the lanes came go first too."""

from typing import Any

from django.db import migrations
from django.db.models import Q

LEAVERS, USUAL = 0, 1
OVER = ("disabled", "absent")


def hurry(apps: Any, schema_editor: Any) -> None:
    """Put what waits for people who left into their lane, where their account can still be used."""
    left = Q(user=None) | Q(user__is_active=False) | Q(user__provisioned=False)
    leaving = apps.get_model("provisioning", "Account").objects.filter(left).exclude(state__in=OVER)
    for model in ("Change", "GroupChange"):
        waiting = apps.get_model("provisioning", model).objects.filter(parked=None, lane=USUAL)
        waiting.filter(account__in=leaving.order_by().values("pk")).update(lane=LEAVERS)


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [("provisioning", "0024_unanswered")]

    operations = [migrations.RunPython(hurry, migrations.RunPython.noop)]

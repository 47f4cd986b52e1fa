"""Accounts that were noted as disabled, although no query of their directory writes that, are looked at again."""

import re
from typing import Any

from django.db import migrations
from django.db.models import Q
from django.utils import timezone

LEAVERS = 0
REASON = "looked at again"
# An outbox row for each account; the next sweep wakes the workers.
ENQUEUE = """
INSERT INTO provisioning_change
    (account_id, directory_id, lane, reason, actor, created_at, cleared, parked, parked_code, parked_message)
SELECT provisioning_account.id, directory_id, %s, %s, '', %s, %s, NULL, '', ''
FROM provisioning_account LEFT JOIN provisioning_user ON provisioning_user.id = provisioning_account.user_id
WHERE directory_id = %s AND state = 'disabled'
    AND (provisioning_user.id IS NULL OR NOT provisioning_user.is_active)
"""


def look_again(apps: Any, schema_editor: Any) -> None:
    """Take back what was noted of leavers, and ask for a look: two statements for each such directory."""
    accounts = apps.get_model("provisioning", "Account").objects
    for directory_id in wrong(apps):
        values = [LEAVERS, REASON, timezone.now(), False, directory_id]
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(ENQUEUE, values)
        left = accounts.filter(Q(user=None) | Q(user__is_active=False), directory=directory_id, state="disabled")
        accounts.filter(pk__in=left.values("pk")).update(state="active", pushed_digest="", last_result="")


def wrong(apps: Any) -> list[int]:
    """Return the directories that map Active to a column, have no query to disable, and whose update leaves it out."""
    queries: dict[int, dict[str, str]] = {}
    rows = apps.get_model("directories", "QueryTemplate").objects.order_by("directory_id")
    for directory_id, operation, sql in rows.values_list("directory_id", "operation", "sql"):
        written = queries.setdefault(directory_id, {})
        written[operation] = written.get(operation, "") + sql
    mapped: dict[int, set[str]] = {}
    rules = apps.get_model("directories", "AttributeMapping").objects.filter(kind="profile", portal_attribute="active")
    for directory_id, name in rules.exclude(direction="in").values_list("directory_id", "directory_attribute"):
        mapped.setdefault(directory_id, set()).add(_folded(name))
    found = []
    for directory_id, names in sorted(mapped.items()):
        written = queries.get(directory_id, {})
        update = {_folded(name) for name in re.findall(r"##(.+?)##", written.get("update", ""))}
        if written and "disable" not in written and not names & update:
            found.append(directory_id)
    return found


def _folded(name: str) -> str:
    """Return a name as queries compare it (``query_templates.names.fold``)."""
    return "".join(character for character in name.casefold() if character not in "_-. ")


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [
        ("provisioning", "0031_accounts_without_twin_index"),
        ("directories", "0009_quarantine"),
    ]

    operations = [migrations.RunPython(look_again, migrations.RunPython.noop)]

"""Runs count the members of groups who have no account; ids from CHAR columns are noted without the blanks behind them."""

from typing import Any

from django.db import migrations, models
from django.db.models import Exists, OuterRef
from django.db.models.functions import RTrim


def trim(apps: Any, schema_editor: Any) -> None:
    """Trim the ids of PostgreSQL directories, as they are read now, unless another account has that id."""
    directories = apps.get_model("directories", "Directory").objects.filter(kind="postgresql").values("pk")
    for name in ("Account", "GroupAccount"):
        accounts = apps.get_model("provisioning", name).objects
        padded = accounts.filter(directory__in=directories, remote_id__endswith=" ").annotate(trimmed=RTrim("remote_id"))
        twins = accounts.filter(directory=OuterRef("directory"), remote_id=OuterRef("trimmed"))
        padded.filter(~Exists(twins)).update(remote_id=RTrim("remote_id"))


class Migration(migrations.Migration):
    """Two columns of runs."""

    dependencies = [("provisioning", "0013_left_open"), ("directories", "0003_import_limits")]

    operations = [
        migrations.AddField("importrun", "unmatched_members", models.PositiveIntegerField(default=0)),
        migrations.AddField("importrun", "unmatched_in", models.JSONField(blank=True, default=list)),
        migrations.RunPython(trim, migrations.RunPython.noop),
    ]

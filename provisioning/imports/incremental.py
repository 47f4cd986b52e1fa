"""Imports of what changed: where each begins, what it leaves for the next, and when one is due.

A cursor is a directory's own word for a moment. It is taken before anything is read and kept by the run; only when the
run was applied does the next one go on from there. It is worth nothing once the mapping or the connection is another:
rows that did not change in the directory would then be read otherwise, so everything is read again.
"""

import datetime as dt
import json
from hashlib import blake2b

from django.db.models import OuterRef, Subquery

from directories.config import DirectoryConfig
from directories.connectors import connector_class
from directories.connectors.base import Capability, Connector, ConnectorError, Cursor, FieldType
from directories.models import ProvisioningSettings
from provisioning.imports.runs import Lease
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus


def begin(
    run: ImportRun, config: DirectoryConfig, connector: Connector, lease: Lease, *, mapping: str, decided_above: str
) -> Cursor | None:
    """Return from where the directory's changes are to be read, None to read everything.

    Where the directory stands now is put on the run, which the caller writes before anything is read. ``mapping``
    stands for the mapping (``Mapper.version``), ``decided_above`` for what other sources decide (``users.authority``).
    """
    made_with = fingerprint(config, mapping, decided_above)
    now = connector.cursor() if Capability.INCREMENTAL in connector.capabilities else None
    run.cursor = {"made_with": made_with, "at": dict(now)} if now else None
    if not run.incremental:
        return None
    settings = ProvisioningSettings.objects.filter(directory=run.directory_id).only("import_cursor").first()
    kept = settings.import_cursor if settings else None
    if now is not None and kept and kept.get("made_with") == made_with:
        return dict(kept["at"])
    if now is None or (beginning := connector.beginning()) is None:
        read_everything(run, lease)
        return None
    return beginning


def read_everything(run: ImportRun, lease: Lease) -> None:
    """Make the run a whole one."""
    lease.write(incremental=False)
    run.incremental = False


def applied(run: ImportRun) -> None:
    """Let the next run go on from where this one began; drop earlier runs that found nothing, one is enough."""
    ProvisioningSettings.objects.filter(directory=run.directory_id).update(import_cursor=run.cursor)
    if is_quiet(run):
        earlier = ImportRun.objects.filter(directory=run.directory_id, pk__lt=run.pk, incremental=True, planned=0)
        earlier.filter(status=RunStatus.FINISHED, preview=False).delete()


def is_quiet(run: ImportRun) -> bool:
    """Return whether a run read only what changed, and nothing had: no report line says so every few minutes."""
    return run.incremental and not (run.planned or run.groups_changed or run.departments_changed)


def due(now: dt.datetime) -> list[ProvisioningSettings]:
    """Return the directories whose last run began longer ago than they want to wait, and that have had one at all.

    Directories are few, and the pauses are compared here: SQLite multiplies no time by a column.
    """
    on = ProvisioningSettings.objects.filter(import_users=True, directory__enabled=True, import_cursor__isnull=False)
    newest = ImportRun.objects.filter(directory=OuterRef("directory"), preview=False).order_by("-created_at")
    found = on.filter(incremental_minutes__gt=0).annotate(begun=Subquery(newest.values("created_at")[:1]))
    return [
        settings
        for settings in found.select_related("directory").order_by("pk")
        if settings.begun is None or settings.begun <= now - dt.timedelta(minutes=settings.incremental_minutes or 0)
    ]


def fingerprint(config: DirectoryConfig, mapping: str, decided_above: str) -> str:
    """Return what stands for the way in which rows are read: mapping, connection (without secrets) and templates."""
    try:
        declared = connector_class(config.kind).fields
    except KeyError as error:
        raise ConnectorError(f"There are no directories of the kind {config.kind!r}.", code="kind") from error
    secret = {field.name for field in declared if field.type is FieldType.SECRET}
    settings = {name: value for name, value in config.connector.settings.items() if name not in secret}
    parts = [
        *(mapping, config.features.import_passwords),
        *(" ".join(config.features.match_attributes), config.features.sync_groups, config.features.import_groups),
        *(config.features.follow_renames, decided_above),
        config.features.deactivate_missing,  # while it is off, nobody looks at who was deleted
        *(settings, dict(config.connector.templates)),
    ]
    return blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()

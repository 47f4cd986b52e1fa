"""What happens when someone changes a directory's settings: the schedule follows, and the report has a line for it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from config.database import bulk
from directories.config import DirectoryConfig, Features
from directories.connectors import connector_class
from directories.connectors.base import FieldType
from directories.forms.draft import DirectoryDraft, Saved
from directories.forms.situation import situation_of
from directories.health import note_answer, proof_of_test, retry_now
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from directories.readiness import assess, listed
from provisioning import second_person, services
from provisioning.blueprints import state as blueprint_state
from provisioning.imports.schedule import next_import
from provisioning.models import (
    Account,
    Change,
    GroupChange,
    ImportRun,
    PendingPassword,
    PlannedChange,
    PlannedGroup,
    PlannedMember,
    PushedMember,
)
from provisioning.models.imports import ENDED
from provisioning.reconciliation.models import ReconcileRun
from reports import evidence, journal
from reports.models import Direction, Operation, Result

NAME_LENGTH = 100
DELETED = "{name} was deleted meanwhile, so nothing was moved."
CHANGED = "Somebody changed {name} meanwhile, so nothing was moved. Look at its settings, then move it once more."
RECONCILING = "{name} is being compared with the portal. Cancel that first, or wait for its end, then move it."
DELIVERING = (
    "Changes are on their way to {name}. Move it in a moment, or switch it off first: changes wait then, and it can be "
    "moved as soon as nothing is on its way any more."
)


class RemovalRefused(Exception):
    """A directory cannot be deleted or moved now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SavedSettings:
    """What a save did: the names of what changed, what is active now, and what is worth offering.

    ``decides_imports``: another import is to be previewed, because it may see others or take them for others.
    """

    saved: Saved
    active: str
    warnings: Sequence[str]
    pushes: bool
    decides_imports: bool = False

    @property
    def offer(self) -> str:
        """Why pushing everything now is worth offering: "create", "groups", "mapping", or "" when it is not."""
        if self.saved.create_switched_on:
            return "create"
        if self.saved.groups_switched_on:
            return "groups"
        return "mapping" if self.saved.outbound_changed and self.pushes else ""


@transaction.atomic
def save(draft: DirectoryDraft, actor: str, proof: str = "") -> SavedSettings:
    """Save a valid draft, plan its next import and record the change.

    ``proof`` is of the last connection test that the page made, see ``health.proof_of_test``.
    """
    created = draft.directory.pk is None
    moved, config = bool(draft.connection.changed_labels()), draft.config()
    before = None if created else services.stored_configuration(draft.directory.pk)
    decides = config is not None and services.decides_imports(before, config)
    waits = {} if created else second_person.withhold(draft.provisioning_before, draft.features.instance)
    saved = draft.save()
    saved.names = [name for name in saved.names if name not in second_person.labels(waits)]
    directory = draft.directory
    if moved:
        Directory.objects.filter(pk=directory.pk).update(answered_at=None)
    if config and constant_time_compare(proof, proof_of_test(config.connector)):
        note_answer(directory.pk)
    at = plan_next_import(directory)
    if saved.names and not created:
        retry_now(directory.pk)
    if created:
        record(directory, f"{actor} added the directory {directory.name}.", actor)
    elif saved.names:
        record(
            directory,
            f"{actor} changed the settings of {directory.name}: {listed(list(dict.fromkeys(saved.names)))}.",
            actor,
        )
    if saved.names and not created:
        follow(directory, draft.provisioning_before, draft.features.instance, actor)
    readiness = assess(situation_of(draft, at), timezone.localtime())
    warnings = [*readiness.warnings, *draft.templates.warnings]
    if waits:
        asked = second_person.ask(directory, waits, actor)
        warnings.insert(0, second_person.WAITS.format(words=asked))
    pushes = draft.features.instance.update_users
    return SavedSettings(saved, readiness.active, warnings, pushes, decides_imports=decides)


def follow(
    directory: Directory, before: ProvisioningSettings, after: ProvisioningSettings | Features, actor: str
) -> None:
    """Let accounts follow what was changed of a directory, in the caller's transaction."""
    services.look_at_left_open(directory, actor)
    services.Rescheduling(directory.pk, before, after).write(actor)
    if before.accounts_for != after.accounts_for:
        services.provision_directory(directory, actor)


def plan_next_import(directory: Directory) -> dt.datetime | None:
    """Set when the directory is imported next and return it; None while import, schedule or directory is off.

    A moment that is planned already and still fits stays, so that saving a page never skips an import that is due.
    """
    settings = ProvisioningSettings.objects.get(directory=directory)
    wanted = None
    if directory.enabled and settings.import_users:
        now, zone = timezone.now(), timezone.get_current_timezone()
        wanted = next_import(settings.schedule, settings.schedule_time, settings.schedule_weekday, now, zone)
    overdue = wanted and settings.next_import_at and settings.next_import_at <= timezone.now()
    if wanted != settings.next_import_at and not overdue:
        ProvisioningSettings.objects.filter(pk=settings.pk).update(next_import_at=wanted)
        return wanted
    return settings.next_import_at


@transaction.atomic
def move(directory: Directory, config: DirectoryConfig, actor: str, where: str) -> None:
    """Reach a directory in another way, by a kind and settings that were tested; raise RemovalRefused.

    Accounts, mapping, features and statements stay. What is secret goes with the old settings, and the next import
    reads everything, since where changes go on is each way's own. ``directory`` is as it was before the test: what
    somebody changed of it meanwhile is not overwritten.
    """
    now = Directory.objects.select_for_update(no_key=True).filter(pk=directory.pk).first()
    if now is None:
        raise RemovalRefused(DELETED.format(name=directory.name))
    if now.updated_at != directory.updated_at:
        raise RemovalRefused(CHANGED.format(name=now.name))
    _not_while_importing(directory, "moved")
    _not_while_used(directory)
    declared = {name.name: name.type for name in connector_class(config.kind).fields}
    values = {name: config.connector.settings.get(name) for name in declared}
    directory.kind, directory.answered_at = config.kind, timezone.now()
    directory.settings = {name: value for name, value in values.items() if declared[name] is not FieldType.SECRET}
    directory.secrets = {name: value for name, value in values.items() if declared[name] is FieldType.SECRET and value}
    directory.save(update_fields=["kind", "settings", "secrets", "answered_at", "updated_at"])
    ProvisioningSettings.objects.filter(directory=directory).update(import_cursor=None)
    retry_now(directory.pk)
    record(directory, f"{actor} moved {directory.name}: it is reached {where} now.", actor)


@transaction.atomic
def make_default(directory: Directory, actor: str) -> bool:
    """Make it the one default directory; return False when it was already."""
    rows = {row.pk: row for row in Directory.objects.select_for_update().order_by("pk")}
    if rows[directory.pk].is_default:
        return False
    Directory.objects.filter(is_default=True).update(is_default=False)
    Directory.objects.filter(pk=directory.pk).update(is_default=True)
    record(directory, f"{actor} made {directory.name} the default directory.", actor)
    return True


@transaction.atomic
def set_enabled(directory: Directory, enabled: bool, actor: str) -> bool:
    """Switch the directory on or off; return False when it was so already. Changes wait while it is off."""
    if not Directory.objects.filter(pk=directory.pk).exclude(enabled=enabled).update(enabled=enabled):
        return False
    directory.enabled = enabled
    if ProvisioningSettings.objects.filter(directory=directory).exists():
        plan_next_import(directory)
    record(directory, f"{actor} switched {directory.name} {'on' if enabled else 'off'}.", actor)
    return True


@transaction.atomic
def clone(directory: Directory, actor: str) -> Directory:
    """Copy the directory with its secrets, templates and mapping; features and schedule are off in the copy."""
    copy = Directory.objects.create(
        name=_free_name(directory.name),
        kind=directory.kind,
        description=directory.description,
        settings=directory.settings,
        secrets=directory.secrets,
        answered_at=directory.answered_at,
    )
    templates, mappings = list(directory.query_templates.all()), list(directory.attribute_mappings.all())
    for template in templates:
        template.pk, template.directory = None, copy
    for mapping in mappings:
        mapping.pk, mapping.directory = None, copy
    QueryTemplate.objects.bulk_create(templates)
    AttributeMapping.objects.bulk_create(mappings)
    settings = ProvisioningSettings.objects.filter(directory=directory).first() or ProvisioningSettings()
    settings.pk, settings.directory, settings.next_import_at = None, copy, None
    for feature in ("import", "create", "update", "deactivate", "delete"):
        setattr(settings, f"{feature}_users", False)
    for feature in ("deactivate_missing", "set_passwords", "sync_groups", "listen"):
        setattr(settings, feature, False)
    settings.schedule, settings.import_cursor = "off", None
    settings._state.adding = True
    settings.save()
    record(copy, f"{actor} copied {directory.name} to {copy.name}; its features are off.", actor)
    return copy


@transaction.atomic
def remove(directory: Directory, actor: str) -> None:
    """Delete the directory and what the portal knows of its accounts; the accounts themselves are not touched.

    Raises RemovalRefused while an import of it runs. The big tables are emptied by statements: Django's cascade would
    load every account.
    """
    _not_while_importing(directory, "deleted")
    in_directory = Account.objects.filter(pk=OuterRef("account_id"), directory=directory)
    of_runs = ImportRun.objects.filter(pk=OuterRef("run_id"), directory=directory)
    of_groups = PlannedGroup.objects.filter(pk=OuterRef("planned_group_id"), run__directory=directory)
    for rows in (
        Change.objects.filter(Exists(in_directory)),
        GroupChange.objects.filter(directory=directory),
        PushedMember.objects.filter(Exists(in_directory)),
        PendingPassword.objects.filter(Exists(in_directory)),
        PlannedMember.objects.filter(Exists(of_groups)),
        PlannedGroup.objects.filter(Exists(of_runs)),
        PlannedChange.objects.filter(Exists(of_runs)),
        Account.objects.filter(directory=directory),
    ):
        bulk.delete(rows)
    message = f"{actor} deleted the directory {directory.name}. Its accounts were left as they are."
    record(directory, message, actor, gone=True)
    directory.delete()


def _not_while_importing(directory: Directory, what: str) -> None:
    """Raise RemovalRefused while an import of the directory runs, and let none begin a page meanwhile."""
    running = ImportRun.objects.filter(directory=directory, started_at__isnull=False).exclude(status__in=ENDED)
    list(running.select_for_update().values_list("pk"))  # wait for a page that is being written, and let none follow
    if running.filter(leased_until__gt=timezone.now()).exists():
        raise RemovalRefused(
            f"An import of {directory.name} is running. Cancel it first, then the directory can be {what}."
        )


def _not_while_used(directory: Directory) -> None:
    """Raise RemovalRefused while somebody compares the directory or delivers to it: they would go on in the old way."""
    comparing = ReconcileRun.objects.filter(directory=directory, started_at__isnull=False, finished_at=None)
    if comparing.filter(leased_until__gt=timezone.now()).exists():
        raise RemovalRefused(RECONCILING.format(name=directory.name))
    if services.is_delivered_to(directory):
        raise RemovalRefused(DELIVERING.format(name=directory.name))


def record(directory: Directory, message: str, actor: str, *, gone: bool = False) -> None:
    """Write a line about the directory itself to the provisioning report, and what changed to the chain of evidence.

    The line has names only, never a value; the chain has values, and marks in place of secrets.
    """
    journal.record(
        journal.Line("", directory.name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, message, actor=actor)
    )
    state = None
    if not gone:
        state = blueprint_state.for_evidence(Directory.objects.get(pk=directory.pk))
    evidence.changed(f"directory {directory.pk}", state, message, actor)


def _free_name(name: str) -> str:
    taken = {taken.casefold() for taken in Directory.objects.values_list("name", flat=True)}
    for suffix in (" copy", *(f" copy {number}" for number in range(2, len(taken) + 3))):
        candidate = name[: NAME_LENGTH - len(suffix)] + suffix
        if candidate.casefold() not in taken:
            return candidate
    raise AssertionError("one of more candidates than there are names is free")

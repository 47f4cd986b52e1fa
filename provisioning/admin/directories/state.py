"""What the pages say about a directory's state: reachable or not, what is on, what happened last."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from directories.connectors.base import without_again
from directories.encryption import is_lost
from directories.models import Directory, ProvisioningSettings
from directories.readiness import FEATURES, moment, summary
from provisioning.admin.reconciliation import pages as reconciliation
from provisioning.admin.states import State, counted, newest_results
from provisioning.imports import listener
from provisioning.imports.doors import pushes
from provisioning.models import Account, Change, ImportRun
from provisioning.models.accounts import LEFT_OPEN, AccountState

FOLDER = "admin/directories/directory"
UNDOES = ("provisioning.change_change", "provisioning.add_importrun")  # what was pushed


LOST = (
    "ENCRYPTION_KEYS lacks the key that its stored password was written with. Put that key back, or type every "
    "password of this directory again and save."
)


def state_of(directory: Directory) -> State:
    """Return that its password is lost, switched off, unreachable since when, or reachable as far as is known."""
    if is_lost(directory, "secrets"):
        return State("Password cannot be read", "danger", LOST)
    if not directory.enabled:
        return State("Switched off", "default", "Changes wait until it is enabled.")
    if directory.unreachable_since:
        since = moment(directory.unreachable_since, timezone.localtime())
        label = "In quarantine" if directory.quarantined else "Unreachable"
        return State(f"{label} since {since}", "danger", _unreachable(directory))
    if directory.answered_at is None:
        return State("Not tested yet", "warning")
    return State("Reachable", "success")


def line_of(directory: Directory) -> State:
    """Return the same for the head of the page; of one that can be reached, what is on."""
    state = state_of(directory)
    if state.detail:
        return state
    settings = settings_of(directory)
    message = summary(settings, settings.next_import_at, timezone.localtime(), enabled=directory.enabled)
    return replace(state, detail=message)


def _unreachable(directory: Directory) -> str:
    message = directory.last_error
    if directory.retry_at and directory.retry_at > timezone.now():
        message = without_again(message)
        message += f" The portal tries again {moment(directory.retry_at, timezone.localtime())}."
    waits = "Changes wait and are made when it is back."
    if directory.quarantined:
        waits = "It refused every change for a while, so they wait, and one of them is tried now and then."
    return f"{message} {waits}".strip()


def settings_of(directory: Directory) -> ProvisioningSettings:
    """Return the provisioning settings, the defaults when it has none yet."""
    return getattr(directory, "provisioning", None) or ProvisioningSettings(directory=directory)


def features_on(directory: Directory) -> str:
    """Return the features that are on, as a short list."""
    settings = settings_of(directory)
    return ", ".join(word for name, word in FEATURES if getattr(settings, name))


def next_import(directory: Directory) -> str:
    """Return when the directory is imported next, "" when it is not planned."""
    at = settings_of(directory).next_import_at
    message = moment(at, timezone.localtime()) if at and directory.enabled else ""
    return message[:1].upper() + message[1:]


def health(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show the state, the accounts and the last results; loaded after the page, because it counts."""
    model_admin.require(request, "directories.view_directory")
    directory = get_object_or_404(Directory.objects.select_related("provisioning"), pk=object_id)
    sees = {name: request.user.has_perm(permission) for name, permission in _SEES.items()}
    context = {
        "directory": directory,
        "sees": sees,
        "next_import": next_import(directory),
        "following": _following(directory),
        "accounts": _accounts(directory),
        "left_open": counted(Account.objects.filter(LEFT_OPEN, directory=directory)),
        "waiting": counted(Change.objects.filter(directory=directory, parked__isnull=True)),
        "parked": counted(Change.objects.filter(directory=directory, parked__isnull=False)),
        "reconciled": reconciliation.last_line(directory) if sees["reconciliation"] else None,
        "last_run": ImportRun.objects.filter(directory=directory).first() if sees["imports"] else None,
        "undo_losses": pushes.LOSSES if request.user.has_perms(UNDOES) else (),
        "events": newest_results(directory.name) if sees["report"] else [],
    }
    return render(request, f"{FOLDER}/health.html", context)


def _following(directory: Directory) -> tuple[State, str] | None:
    """Return how it goes with a directory that is to be followed as it changes."""
    settings = settings_of(directory)
    if not (directory.enabled and settings.listen and settings.import_users):
        return None
    going, message = listener.state_of(directory)
    return State("Following changes" if going else "Not following changes", "success" if going else "warning"), message


_SEES = {
    "report": "reports.view_event",
    "operations": "provisioning.view_change",
    "imports": "provisioning.view_importrun",
    "reconciliation": "reconciliation.view_reconcilerun",
}


def consequences(directory: Directory) -> list[str]:
    """Return what deleting the directory takes away and what it leaves, a sentence each."""
    accounts = counted(Account.objects.filter(directory=directory))
    changes = counted(Change.objects.filter(directory=directory))
    groups = directory.groups.count()
    sentences = [
        "The connection with its stored credentials, the query templates, the attribute mapping and the schedule.",
        f"What the portal knows of its accounts ({accounts}), and its import runs.",
    ]
    if changes != "0":
        sentences.append(f"Changes that were still to be made there: {changes}. They will not be made.")
    if groups:
        sentences.append(f"Groups that came from it: {groups:,}. They stay and become the portal's own.")
    return sentences


def _accounts(directory: Directory) -> list[tuple[AccountState, str]]:
    """Return how many accounts are in each state, counting no more than a bounded number."""
    of_directory = Account.objects.filter(directory=directory)
    return [(state, counted(of_directory.filter(state=state))) for state in AccountState]

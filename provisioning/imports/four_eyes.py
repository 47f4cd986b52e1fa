"""Four eyes: a plan is approved by somebody else than who started it, or who changed the settings before it."""

import datetime as dt

from django.db.models import Q

from directories.attributes import PROFILE_ATTRIBUTES
from directories.models import ProvisioningSettings
from provisioning.actors import beginnings, person_behind
from provisioning.imports.runs import ImportRefused
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from reports.models import Event, Evidence, EvidenceKind, Operation, Result

STARTED = "Four eyes are asked for here: somebody else than {}, who started this, has to approve it."
SETTINGS = "Four eyes are asked for here: somebody else than {}, who changed the settings of {}, has to approve this."

NAME = next(one.label for one in PROFILE_ATTRIBUTES if one.name == "username")  # in the changes of a line


def check(run: ImportRun, actor: str) -> None:
    """Raise ImportRefused when this person, or the one behind this token, may not approve the run.

    A run without a directory asks for four eyes as soon as one directory does.
    """
    asking = ProvisioningSettings.objects.filter(four_eyes=True)
    if run.directory is not None:
        asking = asking.filter(directory=run.directory_id)
    if not asking.exists():
        return
    person = person_behind(actor)
    if run.actor and person_behind(run.actor) in _names(person, run.created_at):
        raise ImportRefused(STARTED.format(person))
    if run.directory is None:
        return
    whole = {"preview": False, "incremental": False, "status": RunStatus.FINISHED}
    earlier = ImportRun.objects.filter(directory=run.directory_id, pk__lt=run.pk, **whole)
    since = earlier.values_list("started_at", flat=True).first()
    theirs = Q()
    for name in _names(person, since):
        theirs |= Q(actor=name)
        for beginning in beginnings(name):
            theirs |= Q(actor__startswith=beginning)
    lines = Event.objects.filter(
        theirs, application=run.directory.name, result=Result.SUCCESS, operation=Operation.SETTINGS
    )
    subject = f"directory {run.directory_id}"  # lines of the report may be gone (REPORT_DAYS), evidence never is
    rows = Evidence.objects.filter(theirs, kind=EvidenceKind.CONFIGURATION, subject=subject)
    if since is not None:
        lines, rows = lines.filter(at__gt=since), rows.filter(at__gt=since)
    if lines.exists() or rows.exists():
        raise ImportRefused(SETTINGS.format(person, run.directory.name))


def _names(person: str, since: dt.datetime | None) -> set[str]:
    """Return the user name of somebody, with those that they had before they were renamed since then."""
    whose = User.objects.filter(username=person).values("pk")
    lines = Event.objects.filter(user_id__in=whose, operation=Operation.UPDATE, changes__has_key=NAME)
    lines = lines.filter(at__gte=since) if since else lines
    return {person, *(changes[NAME][0] for changes in lines.values_list("changes", flat=True) if changes[NAME][0])}

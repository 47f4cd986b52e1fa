"""Four eyes: a plan is approved by somebody else than who started it, or who changed the settings before it."""

from django.db.models import Q

from directories.models import ProvisioningSettings
from provisioning.actors import beginnings, person_behind
from provisioning.imports.runs import ImportRefused
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus
from reports.models import Event, Evidence, EvidenceKind, Operation, Result

STARTED = "Four eyes are asked for here: somebody else than {}, who started this, has to approve it."
SETTINGS = "Four eyes are asked for here: somebody else than {}, who changed the settings of {}, has to approve this."


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
    if run.actor and person_behind(run.actor) == person:
        raise ImportRefused(STARTED.format(person))
    if run.directory is None:
        return
    whole = {"preview": False, "incremental": False, "status": RunStatus.FINISHED}
    earlier = ImportRun.objects.filter(directory=run.directory_id, pk__lt=run.pk, **whole)
    since = earlier.values_list("started_at", flat=True).first()
    theirs = Q(actor=person)
    for beginning in beginnings(person):
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

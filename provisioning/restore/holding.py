"""Keeping directories back, and what asks whether one is: claims of deliveries and of imports."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from directories.models import Directory
from provisioning.restore.models import Continuity, HeldDirectory
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

REFUSED = (
    "{name} is kept back because this portal looks first. Open Look first in the sidebar, see what would be changed, "
    "and let {name} go there. A preview works."
)


def free(directory: str = "directory") -> Q:
    """Return the condition that the directory of a row (the name of its column) is not kept back."""
    return ~Q(Exists(HeldDirectory.objects.filter(directory=OuterRef(directory))))


def any_held() -> Q:
    """Return the condition that the portal looks first: what goes elsewhere than to directories waits until its end."""
    return Q(Exists(HeldDirectory.objects.all()))


def is_held(directory_id: int | None) -> bool:
    """Return whether a directory is kept back."""
    return HeldDirectory.objects.filter(directory=directory_id).exists()


def hold_all(why: str, actor: str = "") -> int:
    """Keep every directory back that is not yet; return how many. Marks that were written before count no more."""
    with transaction.atomic():
        Continuity.objects.update_or_create(pk=Continuity.ONE, defaults={"judged_at": timezone.now()})
        new = list(Directory.objects.filter(held=None).order_by("pk"))
        HeldDirectory.objects.bulk_create([HeldDirectory(directory=one, why=why) for one in new], ignore_conflicts=True)
        if new:
            _say(Result.WAITING, f"The portal looks first: nothing goes out, and no import is applied. {why}", actor)
    return len(new)


def let_all_go(actor: str) -> int:
    """End it for every directory, as they are: a command's way. Return how many there were."""
    with transaction.atomic():
        number, _ = HeldDirectory.objects.all().delete()
        if number:
            _say(Result.SUCCESS, f"{actor} ended Look first for every directory, on the server.", actor)
    return number


def refuse(held: HeldDirectory, reason: str, actor: str) -> None:
    """Note that a person saw what would be changed and did not let it go; the directory stays kept back."""
    with transaction.atomic():
        values = {"refused_at": timezone.now(), "refused_by": actor[:255], "refused_why": reason}
        HeldDirectory.objects.filter(pk=held.pk).update(**values)
        name = held.directory.name
        _say(Result.SKIPPED, f"{actor} did not let {name} go: {reason}", actor, name)


def let_go_line(name: str, actor: str, words: str) -> None:
    """Report who let a directory go, and what they had seen."""
    _say(Result.SUCCESS, f"{actor} let {name} go. {words}", actor, name)


def _say(result: Result, message: str, actor: str, application: str = "") -> None:
    record(
        Line(
            identifier="",
            application=application,
            direction=Direction.PORTAL,
            operation=Operation.SETTINGS,
            result=result,
            message=message,
            actor=actor,
        )
    )

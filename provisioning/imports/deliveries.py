"""What was pushed to sources is imported: the open deliveries as changes, and a closed one as the whole source."""

import logging

from django.db import transaction

from directories.models import Directory, PushedDelivery
from provisioning.imports.requests import start_import
from provisioning.imports.runs import ImportRefused
from provisioning.models.imports import Trigger

log = logging.getLogger(__name__)


def start(directory: Directory) -> None:
    """Start the import of what waits, if anything does; raise ImportRefused when the directory has a run already.

    Only a closed delivery is read as the whole source, so only then can somebody be missing.
    """
    with transaction.atomic():
        waiting = PushedDelivery.objects.filter(directory=directory, waits=True).order_by("pk")
        found = list(waiting.select_for_update(no_key=True))
        if not found:
            return
        whole = any(delivery.closed_at for delivery in found)
        actor = found[-1].actor
        run = start_import(directory, preview=False, actor=actor, trigger=Trigger.LISTENER, incremental=not whole)
        PushedDelivery.objects.filter(pk__in=[delivery.pk for delivery in found]).update(waits=False, run_id=run.pk)


def start_waiting() -> None:
    """Start the imports of sources to which something was pushed that no import takes in yet."""
    on = Directory.objects.filter(enabled=True, provisioning__import_users=True, deliveries__waits=True)
    for directory in on.select_related("provisioning").distinct():
        try:
            start(directory)
        except ImportRefused as refused:
            log.info("What was pushed to directory %s waits: %s", directory.pk, refused.message)

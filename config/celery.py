"""The Celery application: worker and beat load their tasks from here."""

import gc
import os
import sys

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init, worker_process_init, worker_ready

from config import broker
from config.logs import tasks as _ids  # noqa: F401 (connects signals)

SWITCH_SECONDS = 0.0005  # after which a thread that computes lets another one go on

broker.install()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")  # Django's, which read every page; `migrate` came before a worker

app = Celery("rollcall")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@worker_process_init.connect
def settle(**_: object) -> None:
    """Let an import of many people neither look for cycles in what is loaded nor hold up the threads beside it.

    A thread that waited for a database gets the interpreter back soon, not after the usual 5 ms: the delivery of one
    save waits some thirty times, which took half a second beside an import.
    """
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


@worker_init.connect
@beat_init.connect
def look_first(**_: object) -> None:
    """Look whether the portal's database was restored from a backup, before anything is worked on."""
    from provisioning.restore import continuity  # Django is set up by now

    continuity.at_start()


@setup_logging.connect
def log_as_the_web_does(**_: object) -> None:
    """Leave the log as the settings have it: Celery would set another level."""


@worker_ready.connect
def sweep_at_once(**_: object) -> None:
    """Do not leave what waited for a worker until beat's next minute; the sweep also leaves the heartbeat."""
    app.send_task("provisioning.tasks.sweep", expires=60)

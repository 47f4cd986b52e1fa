"""The Celery application: worker and beat load their tasks from here."""

import gc
import os

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_ready

from config import broker

broker.install()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("rollcall")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@worker_process_init.connect
def settle_memory(**_: object) -> None:
    """Keep the garbage collector off what is loaded for good, and from running every few hundred objects.

    An import makes millions of short-lived objects and hardly any cycles: a fifth of its time went into looking.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@worker_ready.connect
def sweep_at_once(**_: object) -> None:
    """Do not leave what waited for a worker until beat's next minute; the sweep also leaves the sign of life."""
    app.send_task("provisioning.tasks.sweep", expires=60)

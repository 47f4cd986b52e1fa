"""The Celery application: worker and beat load their tasks from here."""

import os

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("rollcall")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def sweep_at_once(**_: object) -> None:
    """Do not leave what waited for a worker until beat's next minute; the sweep also leaves the sign of life."""
    app.send_task("provisioning.tasks.sweep", expires=60)

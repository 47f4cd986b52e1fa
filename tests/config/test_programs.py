"""The queues and programs of the portal, as settings, Procfile, containers and systemd name them."""

import fnmatch

from django.conf import settings

from config.celery import app


def test_every_route_leads_a_task_that_there_is() -> None:
    app.loader.import_default_modules()
    for task in (task for tasks in settings.QUEUES.values() for task in tasks):
        assert fnmatch.filter(app.tasks, task), f"{task} is routed to a queue of its own, and there is no such task"

"""The steps from an empty portal to the first import of a directory, and how far this portal has come."""

from directories.models import Directory
from provisioning.admin.directories.progress import SetupStep, address, steps_of, steps_of_none
from provisioning.demo import is_demo

ADD = "The system that holds the accounts: a database or a directory service."


def first_steps() -> list[SetupStep]:
    """Return the steps of the newest directory, or nothing once all are done.

    The demo's directory is nobody's own: once it is done, the steps of a directory of one's own are offered.
    """
    newest = Directory.objects.order_by("-pk").first()
    steps = steps_of(newest) if newest else []
    if newest and steps:
        return [SetupStep(title=f"Add a directory: {newest.name}", text=ADD, done=True, url=""), *steps]
    if newest is None or is_demo(newest):
        return [
            SetupStep(title="Add a directory", text=ADD, done=False, url=address("directories_directory_add")),
            *steps_of_none(),
        ]
    return []

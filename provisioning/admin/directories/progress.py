"""The steps from a new directory to its first import, and how far it has come."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from directories.connectors import registry
from directories.connectors.base import Capability
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from directories.readiness import FEATURES
from provisioning.admin.directories.operations import runs
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus

NEXT = {
    "connection": "test the connection",
    "templates": "write its query templates",
    "mapping": "map its attributes",
    "features": "switch on what should flow, under Features & schedule",
    "import": "preview the first import",
}
WORDS = {
    "connection": ("Connection", "Host, login and user table, with a test that says what works."),
    "templates": ("Query templates", "How users are read, created, updated and deleted there."),
    "mapping": ("Attribute mapping", "Which column is the first name, which the e-mail address."),
    "features": ("Features", "Import, create, update, deactivate, delete and the schedule."),
    "import": ("First import", "Preview first; nothing changes until you import."),
}


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step; ``tab`` is the tab of the directory's page that it is done on, "" for another page.

    ``next`` says what is to be done.
    """

    title: str
    text: str
    done: bool
    url: str
    tab: str = ""
    next: str = ""


def steps_of(directory: Directory) -> list[SetupStep]:
    """Return the steps of a saved directory, or nothing once all are done. One that was imported is done."""
    connector = registry().get(directory.kind)
    finished = ImportRun.objects.filter(directory=directory, status=RunStatus.FINISHED, preview=False)
    if connector is None or finished.exists():
        return []
    settings = ProvisioningSettings.objects.filter(directory=directory).first() or ProvisioningSettings()
    features = any(getattr(settings, name) for name, _ in FEATURES)
    written = set(QueryTemplate.objects.filter(directory=directory).values_list("operation", flat=True))
    needed = set(runs(lambda name: getattr(settings, name)))
    done = {
        "connection": directory.answered_at is not None,
        "templates": bool(written) and needed <= written,
        "mapping": AttributeMapping.objects.filter(directory=directory).exclude(portal_attribute="").exists(),
        "features": features,
        "import": False,
    }
    wanted = [name for name in done if name != "templates" or connector.templated]
    if Capability.IMPORT not in connector.implemented() or (features and not settings.import_users):
        wanted.remove("import")
    page = address("directories_directory_change", directory.pk)
    start = f"{address('provisioning_importrun_start')}?directory={directory.pk}"
    found = [_step(name, start if name == "import" else f"{page}#{name}", done[name]) for name in wanted]
    return [] if all(step.done for step in found) else found


def steps_of_none() -> list[SetupStep]:
    """Return the steps where there is no directory of one's own yet."""
    start, add = address("provisioning_importrun_start"), address("directories_directory_add")
    return [_step(name, start if name == "import" else add, False) for name in WORDS]


def _step(name: str, url: str, done: bool) -> SetupStep:
    title, text = WORDS[name]
    return SetupStep(title=title, text=text, done=done, url=url, tab="" if name == "import" else name, next=NEXT[name])


def address(name: str, *args: int) -> str:
    """Return the address of a page of the admin, "" when there is none."""
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""

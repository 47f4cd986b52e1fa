"""The six steps from an empty portal to the first import, and how far this portal has come."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus

FEATURES = ("import_users", "create_users", "update_users", "deactivate_users", "delete_users")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the list; ``url`` is where it is done."""

    title: str
    text: str
    done: bool
    url: str


def first_steps() -> list[Step]:
    """Return the steps, or nothing once all are done. Ends after one query in a portal that has imported."""
    if ImportRun.objects.filter(status=RunStatus.FINISHED, preview=False).exists():
        return []
    directory = Directory.objects.only("pk").first()
    queries = QueryTemplate.objects.exists()
    mapped = AttributeMapping.objects.exclude(portal_attribute="").exists()
    settings = ProvisioningSettings.objects.values_list(*FEATURES)
    features = any(any(row) for row in settings[:100])
    page = _url("directories_directory_change", directory.pk) if directory else _url("directories_directory_add")
    return [
        Step(
            "Add a directory",
            "The database that holds the accounts: host, login and user table.",
            bool(directory),
            page,
        ),
        Step("Test the connection", "The button on the directory's page says what works.", queries or mapped, page),
        Step("Write the queries", "How users are read, created, updated and deleted there.", queries, page),
        Step("Map the attributes", "Which column is the first name, which the e-mail address.", mapped, page),
        Step("Switch features on", "Import, create, update, deactivate, delete and the schedule.", features, page),
        Step(
            "Import users",
            "Preview first; nothing changes until you import.",
            False,
            _url("provisioning_importrun_start"),
        ),
    ]


def _url(name: str, *args: int) -> str:
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""

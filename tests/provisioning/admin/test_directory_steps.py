"""A directory's page says what is still to be done: which operations are needed, and which step comes next."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.models import Directory, ProvisioningSettings, QueryTemplate
from provisioning.admin.directories import state as directories_state
from provisioning.models import ImportRun
from provisioning.models.imports import RunStatus
from tests.fixtures.databases import Database
from tests.fixtures.directories import make_appsdb
from tests.provisioning.admin.pages import Values, form_values


def shown(client: Client, directory: Directory) -> Any:
    """Return what the directory's page was drawn from."""
    return client.get(reverse("admin:directories_directory_change", args=[directory.pk])).context


@pytest.fixture
def sqlite(db: None) -> Callable[..., Directory]:
    """``sqlite(*operations, **features)``: a directory with a statement for each of the operations."""

    def sqlite(*operations: str, **features: Any) -> Directory:
        directory = Directory.objects.create(name="APPSDB", kind="sqlite", settings={"path": "appsdb.sqlite3"})
        ProvisioningSettings.objects.create(directory=directory, **features)
        QueryTemplate.objects.bulk_create(
            QueryTemplate(directory=directory, operation=name, position=0, sql="SELECT 1") for name in operations
        )
        return directory

    return sqlite


def sections(client: Client, directory: Directory) -> list[tuple[list[str], int, bool]]:
    """Return each section's needed operations, how many of them are written, and whether it is folded."""
    return [
        ([one.block.operation.value for one in section.operations if one.needed], section.written, section.folded)
        for section in shown(client, directory)["sections"]
    ]


@pytest.mark.heavy
def test_the_ordinary_operations_come_first_before_anything_is_on(it_staff: Client, sqlite: Any) -> None:
    directory = sqlite("check", "disable")
    assert sections(it_staff, directory) == [
        (["import", "check", "create", "update", "delete"], 1, False),
        ([], 0, False),
        ([], 0, True),  # contracts
        ([], 0, True),
    ]
    html = it_staff.get(reverse("admin:directories_directory_change", args=[directory.pk])).content.decode()
    assert html.count('<details class="rc-panel rcd-fold rcd-operation') == 19, "each operation once"


@pytest.mark.parametrize(
    ("features", "needed"),
    [
        ({"import_users": True}, ["import"]),
        ({"create_users": True, "update_users": True}, ["check", "create", "update"]),
        ({"deactivate_users": True, "on_deactivate": "disable"}, ["disable"]),
        ({"deactivate_users": True, "on_deactivate": "leave", "import_users": True}, ["import"]),
        ({"delete_users": True, "on_delete": "delete", "set_passwords": True}, ["delete", "set_password"]),
    ],
)
def test_what_is_switched_on_comes_first(
    it_staff: Client, sqlite: Any, features: dict[str, Any], needed: list[str]
) -> None:
    assert sections(it_staff, sqlite(**features))[0] == (needed, 0, False)


@pytest.mark.heavy
def test_groups_unfold_with_group_sync(it_staff: Client, sqlite: Any) -> None:
    directory = sqlite("import_groups", sync_groups=True, import_groups=True, push_groups="none")
    assert sections(it_staff, directory)[-1] == (["import_groups", "import_members"], 1, False)
    ProvisioningSettings.objects.update(sync_groups=False)
    assert not sections(it_staff, directory)[-1][2], "what was written is seen"


@pytest.mark.heavy
def test_the_next_step_is_the_first_that_is_not_done(it_staff: Client, sqlite: Any) -> None:
    directory = sqlite("import")
    steps = shown(it_staff, directory)["steps"]
    assert [(step.tab, step.done) for step in steps] == [
        ("connection", False),
        ("templates", True),
        ("mapping", False),
        ("features", False),
        ("", False),
    ]
    assert steps[-1].url.endswith(f"?directory={directory.pk}")
    ImportRun.objects.create(directory=directory, status=RunStatus.FINISHED)
    assert shown(it_staff, directory)["steps"] == []


@pytest.mark.heavy
def test_only_what_answered_counts_as_reachable(it_staff: Client, sqlite_directory: Database) -> None:
    """A test before the first save counts, as one of the saved connection does, until the connection is changed."""
    appsdb, add = make_appsdb(sqlite_directory), reverse("admin:directories_directory_add") + "?kind=sqlite"
    test = reverse("admin:directories_directory_fragment_test")
    typed = form_values(it_staff.get(add)) | {f"connection-{key}": [str(it)] for key, it in appsdb.settings.items()}

    def saved(address: str, values: Values) -> tuple[Directory, str, str]:
        response = it_staff.post(address, values, follow=True)
        directory = Directory.objects.get(name=values["name"][0])
        (note,) = [str(message) for message in response.context["messages"] if "aved. " in str(message)]
        return directory, directories_state.state_of(directory).label, note.partition("Next: ")[2]

    directory, label, following = saved(add, typed | {"name": ["UNTESTED"]})
    assert (label, following) == ("Not tested yet", "test the connection.")
    page = reverse("admin:directories_directory_change", args=[directory.pk])
    it_staff.post(test, form_values(it_staff.get(page)))
    assert shown(it_staff, directory)["state"].label == "Reachable"
    values = form_values(it_staff.get(page)) | {"connection-user_table": ["OTHERS"]}
    assert saved(page, values)[1] == "Not tested yet"

    proof = re.findall('name="proof" value="([0-9a-f]+)"', it_staff.post(test, typed).content.decode())
    assert saved(add, typed | {"name": ["TESTED"], "proof": proof})[1:] == ("Reachable", "write its query templates.")
    other = typed | {"name": ["OTHER"], "proof": proof, "connection-user_table": ["OTHERS"]}
    assert saved(add, other)[1] == "Not tested yet"

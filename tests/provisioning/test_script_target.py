"""People in a system that only a script reaches: made, changed, closed, read back and removed there."""

from pathlib import Path

import pytest

from directories.connectors import allowed
from directories.connectors.script import ScriptTarget
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, Change, User
from provisioning.models.imports import RunStatus
from tests.directories.connectors.script_target_subject import ScriptTargetSubject
from tests.fixtures.directories import GENEROUS
from tests.provisioning.test_delivery import run

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
ON = dict.fromkeys(
    ("import_users", "create_users", "update_users", "deactivate_users", "delete_users", "set_passwords"), True
)


@pytest.fixture
def script_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptTargetSubject:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr(allowed, "_source_scripts", folder)
    return ScriptTargetSubject(folder)


def test_people_are_sent_to_it_and_read_back(script_target: ScriptTargetSubject) -> None:
    directory = Directory.objects.create(name="Wiki", kind="script_target", settings=script_target.settings)
    ProvisioningSettings.objects.create(directory=directory, on_deactivate="disable", **ON, **GENEROUS)
    for position, (theirs, ours) in enumerate({"first": "first_name", "last": "last_name", "mail": "email"}.items()):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    zoe = User.objects.create(username="zoë.o'brien", first_name="Zoë", last_name="O'Brien", email="zoe@example.org")
    run(directory)
    made = script_target.kept()["zoë.o'brien"]
    assert made["attributes"] == {"first": "Zoë", "last": "O'Brien", "mail": "zoe@example.org"}
    assert (Account.objects.get().remote_id, made["enabled"]) == (made["id"], True)

    zoe.last_name = "Berg"
    zoe.save()
    services.set_password(zoe, "Zebra-walks-81", "tester")
    run(directory)
    changed = script_target.kept()["zoë.o'brien"]
    assert (changed["id"], changed["attributes"]["last"]) == (made["id"], "Berg")
    assert changed["password"]
    assert "Zebra" not in script_target.file.read_text()

    found = services.start_import(directory, preview=False, actor="tester")
    engine.execute(found.pk)
    found.refresh_from_db()
    assert (found.status, found.seen, found.unchanged, found.errors) == (RunStatus.FINISHED, 1, 1, 0), found.message

    services.set_active([zoe.pk], False, "tester")
    run(directory)
    assert script_target.enabled("zoë.o'brien") is False
    services.set_active([zoe.pk], True, "tester")
    run(directory)
    assert script_target.enabled("zoë.o'brien") is True
    zoe.delete()
    run(directory)
    assert script_target.kept() == {}
    assert not Change.objects.exists()


@pytest.mark.parametrize("together", [False, True])
def test_one_that_cannot_be_done_now_keeps_no_other_waiting(
    script_target: ScriptTargetSubject, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """Also when whoever looks several up at once is told so."""
    script = script_target.folder / "accounts.py"
    sound = script.read_text("utf-8")
    first = "import io, sys\ntext = sys.stdin.read()\nif 'ann' in text: sys.exit(75)\nsys.stdin = io.StringIO(text)\n"
    script_target.write(sound.replace("import fcntl\n", f"{first}import fcntl\n", 1))
    if together:
        monkeypatch.setattr(ScriptTarget, "at_once", 10)
        monkeypatch.setattr(ScriptTarget, "find_many", lambda self, entries: [self.find(one) for one in entries])
    directory = Directory.objects.create(name="Wiki", kind="script_target", settings=script_target.settings)
    ProvisioningSettings.objects.create(directory=directory, **ON, **GENEROUS)
    for name in ("ann", "bob"):
        User.objects.create(username=name)
    run(directory)
    assert set(script_target.kept()) == {"bob"}
    directory.refresh_from_db()
    assert directory.unreachable_since is None
    ann = Account.objects.get(key="ann")
    assert (ann.last_result, ann.attempts, ann.not_before is not None) == ("waiting", 1, True)
    assert not Change.objects.filter(parked__isnull=False).exists()

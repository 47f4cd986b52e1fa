"""Four eyes cannot be switched off, nor a limit raised past what it holds, by one person alone."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from directories.models import Directory, ProvisioningSettings
from provisioning.blueprints.apply import apply
from provisioning.blueprints.document import BlueprintError
from provisioning.blueprints.export import export
from provisioning.guard.models import AwaitedSettings
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.notices import watch
from provisioning.notices.models import Notice
from reports.models import Event, Evidence
from tests.provisioning.admin.pages import form_values, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def directory() -> Directory:
    """A directory with four eyes."""
    made = Directory.objects.create(name="CRM", kind="memory", answered_at=timezone.now())
    ProvisioningSettings.objects.create(directory=made, four_eyes=True, max_leavers=50)
    return made


def client_of(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(name, provisioned=False))
    return client


def save(client: Client, directory: Directory, **values: Any) -> str:
    """Save the directory's page with other values; None takes one out."""
    address = f"/directories/directory/{directory.pk}/change/"
    form = form_values(client.get(address))
    for name, value in values.items():
        form.pop(name, None)
        if value is not None:
            form[name] = [value]
    return text(client.post(address, form, follow=True))


def decide(client: Client, directory: Directory, decision: str) -> str:
    address = f"/directories/directory/{directory.pk}/second-person/"
    return text(client.post(address, {"decision": decision}, follow=True))


def settings_of(directory: Directory) -> ProvisioningSettings:
    return ProvisioningSettings.objects.get(directory=directory)


def test_switching_four_eyes_off_waits_for_another_person(directory: Directory) -> None:
    anna, bea = client_of("anna"), client_of("bea")
    page = save(anna, directory, four_eyes=None, max_leavers="70")
    assert "waits until another person agrees" in page
    assert "Withdraw" in page
    assert "Agree" not in page
    assert settings_of(directory).four_eyes
    assert settings_of(directory).max_leavers == 70  # nothing is held
    assert not Event.objects.filter(message__contains="changed the settings of CRM: Four eyes").exists()
    watch.watch()
    assert Notice.objects.filter(cause="awaited_settings", title="Settings of CRM wait for a second person").exists()
    assert "somebody else has to agree" in decide(anna, directory, "agree")
    assert settings_of(directory).four_eyes
    assert "anna asked for “Four eyes for approvals” off" in text(
        bea.get(f"/directories/directory/{directory.pk}/change/")
    )
    decide(bea, directory, "agree")
    assert not settings_of(directory).four_eyes
    assert not AwaitedSettings.objects.exists()
    rows = [row.payload for row in Evidence.objects.filter(kind="approval").order_by("seq")]
    assert [row["by"] for row in rows] == ["anna", "bea"]
    assert [row["asked"] for row in rows] == [{"four_eyes": False}] * 2
    line = Event.objects.get(message__startswith="bea agreed to what anna asked for")
    assert line.actor == "anna"  # who only looked may still approve plans
    assert "decided in the meantime" in decide(bea, directory, "agree")


def test_a_limit_that_holds_something_is_raised_by_two(directory: Directory) -> None:
    anna, bea = client_of("anna"), client_of("bea")
    ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL, message="60 people would be deactivated.")
    page = save(anna, directory, max_leavers="500", max_blanked="5")
    assert "50 → 500" in page
    assert (settings_of(directory).max_leavers, settings_of(directory).max_blanked) == (50, 5)
    decide(bea, directory, "refuse")
    assert settings_of(directory).max_leavers == 50
    save(anna, directory, max_leavers="500")
    decide(anna, directory, "refuse")  # withdrawn
    save(anna, directory, max_leavers="500")
    decide(bea, directory, "agree")
    assert settings_of(directory).max_leavers == 500


def test_without_four_eyes_nobody_is_asked(directory: Directory) -> None:
    ProvisioningSettings.objects.update(four_eyes=False)
    ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL, message="60 people would be deactivated.")
    save(client_of("anna"), directory, max_leavers="500")
    assert settings_of(directory).max_leavers == 500


def test_a_blueprint_does_not_switch_it_off(directory: Directory) -> None:
    text = export()
    assert "four_eyes: true" in text
    with pytest.raises(BlueprintError, match="another person agrees"):
        apply(text.replace("four_eyes: true", "four_eyes: false"), actor="anna")
    assert settings_of(directory).four_eyes


def test_who_may_only_look_decides_nothing(directory: Directory, client: Client) -> None:
    AwaitedSettings.objects.create(directory=directory, values={"four_eyes": False}, actor="anna")
    client.force_login(User.objects.create_user("looker", is_staff=True))
    assert (
        client.post(f"/directories/directory/{directory.pk}/second-person/", {"decision": "agree"}).status_code == 403
    )
    assert settings_of(directory).four_eyes

"""Four eyes cannot be switched off, nor a limit raised past what it holds, by one person alone."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from directories.described.document import DocumentError
from directories.models import Directory, ProvisioningSettings
from provisioning.blueprints.apply import apply
from provisioning.blueprints.export import export
from provisioning.guard import door_limits
from provisioning.guard.models import AwaitedSettings, DoorLimits
from provisioning.models import ImportRun, User
from provisioning.models.imports import Door, RunStatus
from provisioning.notices import watch
from provisioning.notices.models import Notice
from provisioning.second_person import DOOR_LABELS
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


@pytest.mark.heavy
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


@pytest.mark.heavy
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


@pytest.mark.heavy
def test_without_four_eyes_nobody_is_asked(directory: Directory) -> None:
    ProvisioningSettings.objects.update(four_eyes=False)
    ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL, message="60 people would be deactivated.")
    save(client_of("anna"), directory, max_leavers="500")
    assert settings_of(directory).max_leavers == 500


LIMITS = "/guard/doorlimits/"


def raise_limits(client: Client, **values: int) -> str:
    """Save the page of the guard limits with other values."""
    form = {name: getattr(DoorLimits(), name) for name in DOOR_LABELS} | values
    return text(client.post(LIMITS, form, follow=True))


def say(client: Client, decision: str) -> str:
    return text(client.post(f"{LIMITS}second-person/", {"decision": decision}, follow=True))


@pytest.mark.heavy
def test_a_guard_limit_that_holds_something_is_raised_by_two(directory: Directory) -> None:
    anna, bea = client_of("anna"), client_of("bea")
    waits = ImportRun.objects.create(door=Door.ACTION, status=RunStatus.APPROVAL, message="60 people would be off.")
    page = raise_limits(anna, max_off=500, max_off_percent=90, max_blanked=5)
    assert "waits until another person agrees" in page
    assert "“People deactivated” 50 → 500; “People deactivated, in per cent” 10 → 90" in page
    assert "Withdraw" in page
    assert "Agree" not in page
    held = door_limits.stored()
    assert (held.max_off, held.max_off_percent, held.max_blanked) == (50, 10, 5), "what is stricter holds at once"
    watch.watch()
    assert Notice.objects.filter(title="Guard limits wait for a second person").exists()
    assert "somebody else has to agree" in say(anna, "agree")
    assert "Agree" in text(bea.get(LIMITS))
    say(bea, "refuse")
    assert door_limits.stored().max_off == 50
    raise_limits(anna, max_off=400, max_blanked=5)
    raise_limits(anna, max_off=500, max_blanked=5)
    assert AwaitedSettings.objects.count() == 1, "the newer one takes the place"
    say(bea, "agree")
    assert (door_limits.stored().max_off, door_limits.stored().max_off_percent) == (500, 10)
    assert not AwaitedSettings.objects.exists()
    rows = [row.payload for row in Evidence.objects.filter(kind="approval").order_by("seq")]
    assert [row["by"] for row in rows] == ["anna", "bea", "anna", "anna", "bea"]
    assert {row["subject"] for row in rows} == {door_limits.SUBJECT}
    line = Event.objects.get(message__startswith="bea agreed to what anna asked for")
    assert "of guard limits" in line.message
    waits.delete()
    raise_limits(anna, max_off=600)
    assert door_limits.stored().max_off == 600, "nothing is held"


@pytest.mark.heavy
def test_without_four_eyes_or_for_an_import_guard_limits_are_raised_by_one(directory: Directory) -> None:
    anna = client_of("anna")
    held = ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL, message="60 people would be off.")
    raise_limits(anna, max_off=500)
    assert door_limits.stored().max_off == 500, "other limits hold that one"
    ImportRun.objects.filter(pk=held.pk).update(directory=None, door=Door.UPLOAD)
    ProvisioningSettings.objects.update(four_eyes=False)
    raise_limits(anna, max_off=600)
    assert door_limits.stored().max_off == 600


def test_who_may_only_look_decides_nothing_of_guard_limits(directory: Directory, client: Client) -> None:
    AwaitedSettings.objects.create(values={"max_off": 500}, actor="anna")
    client.force_login(User.objects.create_user("looker", is_staff=True))
    assert client.post(f"{LIMITS}second-person/", {"decision": "agree"}).status_code == 403
    assert client_of("bea").get(f"{LIMITS}second-person/").status_code == 405
    assert door_limits.stored().max_off == 50


def test_a_blueprint_does_not_switch_it_off(directory: Directory) -> None:
    text = export()
    assert "four_eyes: true" in text
    with pytest.raises(DocumentError, match="another person agrees"):
        apply(text.replace("four_eyes: true", "four_eyes: false"), actor="anna")
    assert settings_of(directory).four_eyes


def test_who_may_only_look_decides_nothing(directory: Directory, client: Client) -> None:
    AwaitedSettings.objects.create(directory=directory, values={"four_eyes": False}, actor="anna")
    client.force_login(User.objects.create_user("looker", is_staff=True))
    assert (
        client.post(f"/directories/directory/{directory.pk}/second-person/", {"decision": "agree"}).status_code == 403
    )
    assert settings_of(directory).four_eyes

"""One user in one directory, now: five steps with the real connector's answers, dry until it is asked for."""

import pytest

from directories.connectors.base import ConnectorError, Unavailable
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning.models import Account, Change, User
from provisioning.outbound.leases import LEASE
from provisioning.services import on_demand
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.test_delivery import always, run

pytestmark = pytest.mark.django_db


def stages(looked: on_demand.Looked) -> dict[str, on_demand.Stage]:
    return {stage.title: stage for stage in looked.stages}


@pytest.fixture
def directory(crews: Crews) -> Directory:
    return save_crew_directory()


@pytest.fixture
def anna(directory: Directory) -> User:
    return User.objects.create(username="anna", first_name="Anna", last_name="Berg")


def test_a_look_shows_five_steps_and_writes_nothing(directory: Directory, anna: User, crews: Crews) -> None:
    before = (Event.objects.count(), Change.objects.count(), list(Account.objects.values()))
    found = stages(on_demand.look(anna, directory))
    assert list(found) == ["Read", "Match", "Scope", "Map", "Act"]
    assert found["Read"].words == "CREW has no such account."
    assert ("Asked for", "the name anna") in found["Read"].data
    assert ("FIRSTNAME", "profile.first_name", "Anna") in found["Map"].changes
    assert found["Act"].words == "Create the account."
    assert ("FIRSTNAME", "(empty)", "Anna") in found["Act"].changes
    assert crews["CREW"].calls == [("find", "anna")]
    assert before == (Event.objects.count(), Change.objects.count(), list(Account.objects.values()))


def test_what_differs_in_the_directory_itself_is_seen_and_repaired(
    directory: Directory, anna: User, crews: Crews
) -> None:
    run(directory)
    other = User.objects.create(username="ben")
    crews["CREW"].rows["anna"]["FIRSTNAME"] = "Changed there"
    looked = on_demand.look(anna, directory)
    assert looked.steps == ("update",)
    assert stages(looked)["Act"].changes == [("FIRSTNAME", "Changed there", "Anna")]
    assert "by its lasting id" in stages(looked)["Match"].words
    done = on_demand.do_it(anna, directory, "ida")
    assert not done.refusal
    assert [(line.operation, line.result, line.actor) for line in done.lines] == [("update", "success", "ida")]
    assert crews["CREW"].rows["anna"]["FIRSTNAME"] == "Anna"
    assert "ben" not in crews["CREW"].rows  # exactly this one account
    assert Change.objects.filter(account__user=other).exists()
    assert on_demand.look(anna, directory).steps == ()


def test_a_directory_that_is_down_is_said_in_words(directory: Directory, anna: User, crews: Crews) -> None:
    crews["CREW"].fail = always(Unavailable("The server does not answer. Is it running?"))
    looked = on_demand.look(anna, directory)
    assert looked.failed
    assert looked.steps == ()
    assert stages(looked)["Read"].words == "The server does not answer. Is it running?"
    done = on_demand.do_it(anna, directory, "ida")
    assert done.failed
    assert "does not answer" in done.words
    assert Change.objects.filter(account__user=anna, parked=None).exists()  # waits, and is not lost


def test_what_the_directory_refuses_is_shown(directory: Directory, anna: User, crews: Crews) -> None:
    def refuse(call: str, key: str) -> None:
        if call == "create":
            raise ConnectorError("The e-mail is taken.", code="conflict")

    crews["CREW"].fail = refuse
    done = on_demand.do_it(anna, directory, "ida")
    assert done.failed
    assert done.words == "The e-mail is taken."


def test_somebody_elses_account_is_not_matched(directory: Directory, anna: User, crews: Crews) -> None:
    crews["CREW"].rows["anna"] = {"FIRSTNAME": "Another"}
    ben = User.objects.create(username="ben")
    Account.objects.filter(user=ben).update(remote_id="anna", state="active")
    found = on_demand.look(anna, directory)
    assert "belongs to ben" in stages(found)["Match"].words
    assert stages(found)["Match"].failed
    assert found.steps == ()


def test_secrets_are_masked_and_what_is_not_mapped_is_not_shown(directory: Directory, anna: User, crews: Crews) -> None:
    AttributeMapping.objects.create(directory=directory, directory_attribute="USERPASSWORD", portal_attribute="title")
    User.objects.filter(pk=anna.pk).update(title="hunter2")
    anna.refresh_from_db()
    crews["CREW"].rows["anna"] = {"FIRSTNAME": "Anna", "USERPASSWORD": "hunter1", "SALARY": "90000"}
    client = roll.helpdesk()
    text = roll.words(client.get(f"/provisioning/user/{anna.pk}/on-demand/{directory.pk}/"))
    assert "USERPASSWORD" in text
    for secret in ("hunter1", "hunter2", "90000", "SALARY"):
        assert secret not in text
    assert "Do it now" not in text


def test_what_is_switched_off_or_held_is_not_done(directory: Directory, anna: User) -> None:
    account = Account.objects.get(user=anna)
    Change.objects.filter(account=account).update(parked=account.not_before, parked_code="held", parked_message="Many.")
    assert on_demand.do_it(anna, directory, "ida").refusal == on_demand.HELD_BACK
    Directory.objects.filter(pk=directory.pk).update(enabled=False)
    directory.refresh_from_db()
    assert "switched off" in on_demand.do_it(anna, directory, "ida").refusal


def test_who_is_not_in_scope_gets_no_account(crews: Crews) -> None:
    directory = save_crew_directory(create_users=False)
    anna = User.objects.create(username="anna")
    assert "does not get new users" in stages(on_demand.look(anna, directory))["Scope"].words
    assert on_demand.do_it(anna, directory, "ida").refusal
    assert not Account.objects.exists()
    ProvisioningSettings.objects.update(create_users=True)
    User.objects.filter(pk=anna.pk).update(is_active=False)
    anna.refresh_from_db()
    looked = on_demand.look(anna, directory)
    assert looked.steps == ()
    assert "inactive" in stages(looked)["Act"].words


def test_a_worker_that_has_it_is_not_disturbed(
    directory: Directory, anna: User, crews: Crews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand, "WAIT", 0.0)
    from provisioning.outbound.accounts.outbox import LEASES

    account = Account.objects.get(user=anna)
    assert LEASES.claim([account.pk], seconds=LEASE).changes
    assert on_demand.do_it(anna, directory, "ida").refusal == on_demand.BUSY
    assert not crews["CREW"].done()


@pytest.mark.heavy
def test_the_button_needs_the_right_to_change_changes(directory: Directory, anna: User, crews: Crews) -> None:
    page = f"/provisioning/user/{anna.pk}/on-demand/{directory.pk}/"
    assert roll.helpdesk().post(page).status_code == 403
    assert not crews["CREW"].calls
    text = roll.words(roll.it_staff().post(page))
    assert "Created anna in CREW." in text
    assert "anna" in crews["CREW"].rows

"""Deliveries to a SCIM application, and imports from one, on a real SCIM server."""

import json
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer
from werkzeug.wrappers import Request, Response

from directories.connectors.scim.paths import ENTERPRISE
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, Change, Group, GroupAccount, ImportRun, User
from provisioning.models.imports import RunStatus, Trigger
from provisioning.outbound.accounts import outbox
from provisioning.outbound.accounts.delivery import deliver
from provisioning.outbound.groups import outbox as group_outbox
from provisioning.outbound.groups.delivery import deliver as deliver_groups
from reports.models import Event
from tests.directories.connectors.scim_subject import FIRST, LAST, MAIL
from tests.fixtures.directories import GENEROUS
from tests.fixtures.scim_server import TOKEN, ScimServer
from tests.scim.conftest import make_client

pytestmark = pytest.mark.django_db
JSON = "application/scim+json"
MANAGER = f"{ENTERPRISE}:manager.value"
MAPPED = {FIRST: "first_name", LAST: "last_name", MAIL: "email", "title": "title"}


def save_application(
    server: ScimServer | None, *, product: str = "generic", url: str = "", token: str = TOKEN, **provisioning: Any
) -> Directory:
    """Save a directory over the server, with everything on that goes out."""
    settings = {"product": product, "url": server.url if server else url}
    directory = Directory.objects.create(name="App", kind="scim", settings=settings, secrets={"secret": token})
    for position, (theirs, ours) in enumerate(MAPPED.items()):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    features = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)
    ProvisioningSettings.objects.create(directory=directory, **{**GENEROUS, **features, **provisioning})
    return directory


def make_user(name: str = "anna", **fields: Any) -> User:
    known = {"first_name": "Anna", "last_name": "Berg", "email": f"{name}@example.org", "title": "Boss"}
    return User.objects.create(username=name, **{**known, **fields})


def run(directory: Directory) -> None:
    """Deliver what is due, accounts and then groups, as workers would."""
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 10_000))
    deliver_groups(directory.pk, group_outbox.LEASES.due(directory.pk, 10_000))


def messages() -> list[tuple[str, str]]:
    return [*Event.objects.filter(direction="out").order_by("pk").values_list("result", "message")]


@pytest.mark.heavy
def test_a_person_comes_changes_and_leaves(scim_server: ScimServer) -> None:
    directory = save_application(scim_server)
    user = make_user()
    run(directory)
    there = scim_server.user("anna")
    assert there is not None
    assert (there["externalId"], there["active"], there["title"]) == (str(user.scim_id), True, "Boss")
    user.title = "Chief"
    user.save()
    run(directory)
    assert [one.body["Operations"] for one in scim_server.asked if one.method == "PATCH"] == [
        [{"op": "replace", "path": "title", "value": "Chief"}]
    ]
    user.is_active = False
    user.save()
    run(directory)
    assert scim_server.resources("User")[0]["active"] is False
    user.delete()
    run(directory)
    assert not scim_server.resources("User")
    assert not Change.objects.exists()
    assert [message for _, message in messages()][:2] == ["Created anna in App.", "Updated anna in App: title."]


def test_somebody_who_is_there_already_is_taken_over(scim_server: ScimServer) -> None:
    directory = save_application(scim_server)
    make_user()
    run(directory)
    ref = scim_server.resources("User")[0]["id"]
    scim_server.storage.resources[0].external_id = None  # as somebody made it there
    Account.objects.all().delete()
    Event.objects.all().delete()
    services.provision_many(list(User.objects.values_list("pk", flat=True)), "test")
    run(directory)
    assert [one["id"] for one in scim_server.resources("User")] == [ref]
    assert messages() == [("success", "Linked anna: App had this account already.")]
    assert scim_server.resources("User")[0]["externalId"] == str(User.objects.get().scim_id)


@pytest.mark.heavy
def test_a_manager_is_written_as_soon_as_their_own_account_is_there(scim_server: ScimServer) -> None:
    """Also where people have other user names there; nobody's manager is cleared because theirs comes later."""
    directory = save_application(scim_server, accounts_for="everyone")
    AttributeMapping.objects.create(directory=directory, directory_attribute=MANAGER, portal_attribute="manager")
    AttributeMapping.objects.create(directory=directory, directory_attribute="userName", portal_attribute="email")
    boss = make_user("boss")
    anna = make_user("anna", manager=boss)
    deliver(directory.pk, [Account.objects.get(user=anna).pk])
    assert manager_of(scim_server, "anna") is None
    assert messages() == [("success", "Created anna in App.")]
    deliver(directory.pk, [Account.objects.get(user=boss).pk])
    ref = Account.objects.get(user=boss).remote_id
    run(directory)
    assert manager_of(scim_server, "anna") == ref
    assert not Change.objects.exists()
    account = Account.objects.get(user=anna)
    assert (account.last_result, account.attributes[MANAGER]) == ("ok", "boss")
    scim_server.asked.clear()
    services.provision_many([anna.pk], "test")
    run(directory)
    assert not scim_server.asked, "it is in sync"
    anna.manager = make_user("other", provisioned=False)
    anna.save()
    run(directory)
    assert manager_of(scim_server, "anna") is None, "their manager is to have no account there"


def manager_of(server: ScimServer, name: str) -> str | None:
    user = next(one for one in server.resources("User") if one["userName"].startswith(name))
    found: str | None = user.get(ENTERPRISE, {}).get("manager", {}).get("value")
    return found


def test_what_the_application_accepts_and_does_not_apply_is_on_the_page_and_not_sent_for_ever(
    scim_server: ScimServer,
) -> None:
    directory = save_application(scim_server)
    user = make_user()
    run(directory)

    def ignoring(request: Request) -> Response | None:
        return Response(status=204) if request.method == "PATCH" else None

    scim_server.before = ignoring
    user.title = "Chief"
    user.save()
    for _ in range(3):
        run(directory)
    account = Account.objects.get()
    assert account.last_message == "App accepted this for anna and did not apply it: title."
    assert messages()[1:] == [("partly", account.last_message)]
    assert scim_server.methods().count("PATCH") == 1


def test_an_application_that_filters_nothing_takes_everybody_and_finds_them_by_id(scim_server: ScimServer) -> None:
    """As canaille, which says so."""
    without = {"patch": {"supported": True}, "filter": {"supported": False}}

    def before(request: Request) -> Response | None:
        assert "filter" not in request.args
        return Response(json.dumps(without), mimetype=JSON) if request.path == "/ServiceProviderConfig" else None

    scim_server.before = before
    directory = save_application(scim_server)
    user = make_user()
    run(directory)
    user.title = "Chief"
    user.save()
    run(directory)
    assert messages() == [("success", "Created anna in App."), ("success", "Updated anna in App: title.")]
    assert not Change.objects.exists()


@pytest.mark.heavy
def test_groups_go_out_with_their_members_and_what_was_renamed_there_is_found_again(scim_server: ScimServer) -> None:
    directory = save_application(scim_server, sync_groups=True, push_groups="all", delete_groups=True)
    people = [make_user("anna"), make_user("bob")]
    run(directory)
    group = Group(name="Sales", description="They sell")
    services.save_group(group, "tester")
    services.add_members(group, [one.pk for one in people], "tester")
    run(directory)
    (there,) = scim_server.resources("Group")
    assert (there["displayName"], there["externalId"]) == ("Sales", str(group.scim_id))
    assert len(there["members"]) == 2
    scim_server.asked.clear()
    services.save_group(group, "tester")
    run(directory)
    assert not scim_server.asked, "a description that the application does not have is nothing to send"
    GroupAccount.objects.update(remote_id="another", pushed_digest="")
    group.name = "Selling"
    services.save_group(group, "tester")
    run(directory)
    (there,) = scim_server.resources("Group")
    assert (there["displayName"], len(there["members"])) == ("Selling", 2)
    services.remove_members(group, [people[0].pk], "tester")
    run(directory)
    (there,) = scim_server.resources("Group")
    assert len(there["members"]) == 1
    services.delete_groups([group.pk], "tester")
    run(directory)
    assert not scim_server.resources("Group")


def imported(directory: Directory) -> ImportRun:
    found = services.start_import(directory, preview=False, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(found.pk)
    found.refresh_from_db()
    assert found.status == RunStatus.FINISHED, found.message
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("product", ["generic", "aws"])
def test_an_import_brings_people_in_and_only_a_whole_list_tells_who_left(scim_server: ScimServer, product: str) -> None:
    """AWS may leave people out of its lists without a word."""
    out = save_application(scim_server)
    for name in ("anna", "bob"):
        make_user(name)
    run(out)
    out.delete()
    User.objects.all().delete()
    directory = save_application(
        scim_server, product=product, import_users=True, deactivate_missing=True, create_users=False
    )
    imported(directory)
    assert {one.username: one.title for one in User.objects.all()} == {"anna": "Boss", "bob": "Boss"}
    scim_server.storage.resources = [one for one in scim_server.storage.resources if one.user_name != "bob"]
    again = imported(directory)
    assert User.objects.get(username="bob").is_active is (product == "aws")
    assert again.errors == (1 if product == "aws" else 0)


@pytest.mark.django_db(transaction=True)
def test_a_portal_that_leads_back_to_itself_settles_and_falls_silent(live_server: LiveServer) -> None:
    """The worst of two portals that are pointed at each other: what goes out comes in at once."""
    back = make_client("Other portal")
    directory = save_application(None, url=f"{live_server.url}/scim/v2", token=back.token)
    user = make_user()
    settle(directory)
    account = Account.objects.get()
    assert (account.user, account.remote_id, account.last_result) == (user, str(user.scim_id), "ok")
    for title in ("Chief", "", "Boss"):
        user.refresh_from_db()
        user.title = title
        user.save()
        settle(directory)
        user.refresh_from_db()
        assert user.title == title
    services.set_active([user.pk], False, "tester", by_person=True)
    settle(directory)
    user.refresh_from_db()
    assert not user.is_active
    assert User.objects.count() == 1


def settle(directory: Directory) -> None:
    """Deliver until nothing is left to be done, which has to be soon."""
    for _ in range(4):
        run(directory)
        if not Change.objects.exists():
            return
    raise AssertionError([*Change.objects.values_list("reason", "parked_message")])

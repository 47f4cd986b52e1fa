"""Two sources that say different things of one person: the one that ranks first decides, and the other is told of."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Concat, Replace
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.admin.users.accounts import rows_of
from provisioning.admin.users.sources import source_rows
from provisioning.contracts import due
from provisioning.contracts.models import Contract, ProfileSource
from provisioning.imports import engine, requests
from provisioning.imports.users import authority
from provisioning.models import Account, ImportRun, User
from reports.models import Event
from tests.provisioning.imports.conftest import Source, SourceConnector, planned, user

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


@pytest.fixture
def second(source: Source, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Another source of the same people, HR2, which was added later; both say the department."""
    directory = Directory.objects.create(name="HR2", kind="memory")
    limits = dict.fromkeys(("max_leavers_percent", "max_blanked_percent", "max_activated_percent"), 100)
    ProvisioningSettings.objects.create(directory=directory, import_users=True, **limits)
    AttributeMapping.objects.create(directory=directory, directory_attribute="MAIL", portal_attribute="email")
    made = Source(directory)
    for one in (source, made):
        one.map(DEPARTMENT="profile.department")
    both = {source.directory.pk: source, directory.pk: made}
    monkeypatch.setattr(engine, "open_connector", lambda config: SourceConnector(both[config.id]))
    return made


def say(source: Source, department: str, **more: Any) -> Any:
    """Let a source say a department, and import it."""
    source.put("anna", "Anna", "Berg", also={"DEPARTMENT": department, **more})
    return source.run()


def test_the_first_source_decides_whatever_else_changes(source: Source, second: Source) -> None:
    say(second, "FROM2")
    assert user("anna").department == "FROM2"  # nobody else has her yet
    say(source, "DK")
    assert user("anna").department == "DK"
    seen = []
    for number in range(3):
        run = say(second, "FROM2", PHONE=str(number))
        assert run.errors == 0
        seen.append(user("anna").department)
        source.put("anna", "Anna", f"Berg{number}", also={"DEPARTMENT": "DK"})
        source.run()
        seen.append(user("anna").department)
    assert seen == ["DK"] * 6
    assert user("anna").last_name == "Berg2"


def test_a_source_whose_secrets_cannot_be_read_stops_no_other(source: Source, second: Source) -> None:
    """As after the keys of the environment were lost: not when it is imported, and not when imports are begun."""
    ProvisioningSettings.objects.update(schedule="hourly", next_import_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE directories_directory SET secrets = %s WHERE id = %s", ["gAAAAno", source.directory.pk])
    assert "ENCRYPTION_KEYS" in source.run().message
    requests.start_due_imports()
    assert set(ImportRun.objects.values_list("directory__name", flat=True)) >= {"HR2"}
    ImportRun.objects.all().delete()
    second.put("anna", "Anna", "Berg")
    assert second.run().created == 1


def test_the_difference_is_told(source: Source, second: Source) -> None:
    say(source, "DK")
    run = say(second, "FROM2")
    [change] = planned(run)
    assert change.message == "HR decides: Department stays “DK”, not “FROM2”."
    assert (run.updated, run.errors) == (0, 0)
    assert "HR decides" in Event.objects.get(run_id=run.pk, identifier="anna").message
    assert not planned(second.run())  # once, and not with every import


def test_what_the_first_source_does_not_map_the_second_says(source: Source, second: Source) -> None:
    second.map(PHONE="profile.phone")
    say(source, "DK")
    say(second, "FROM2", PHONE="110")
    assert (user("anna").department, user("anna").phone) == ("DK", "110")


def test_who_is_in_the_second_source_only_is_the_seconds(source: Source, second: Source) -> None:
    say(source, "DK")
    second.put("bob", also={"DEPARTMENT": "A"})
    second.run()
    second.put("bob", also={"DEPARTMENT": "B"})
    second.run()
    assert user("bob").department == "B"


def test_the_rank_goes_before_the_age_and_a_new_rank_is_looked_at(source: Source, second: Source) -> None:
    say(source, "DK")
    say(second, "FROM2")
    second.set(source_rank=1)
    second.run()
    assert user("anna").department == "FROM2"
    source.run()
    say(source, "DK", PHONE="1")
    assert user("anna").department == "FROM2"


def test_what_the_portal_writes_there_follows_the_last_change(source: Source, second: Source) -> None:
    """Two directories that the portal keeps alike do not disagree for long: whoever changed it last is right."""
    source.set(update_users=True)
    AttributeMapping.objects.filter(portal_attribute="department").update(direction="both")
    say(source, "DK")
    say(second, "FROM2")
    assert user("anna").department == "FROM2"
    AttributeMapping.objects.filter(directory=source.directory, portal_attribute="department").update(direction="in")
    say(source, "DK2")
    say(second, "FROM3")
    assert user("anna").department == "DK2"


def test_a_source_that_is_off_decides_nothing(source: Source, second: Source) -> None:
    say(source, "DK")
    Directory.objects.filter(pk=source.directory.pk).update(enabled=False)
    say(second, "FROM2")
    assert user("anna").department == "FROM2"


@pytest.mark.parametrize("leaves", [True, False])
def test_a_source_decides_nothing_of_whom_it_no_longer_shows(source: Source, second: Source, leaves: bool) -> None:
    """What it held back comes with the next import of the other source, though that one's rows are as before."""
    source.set(deactivate_missing=leaves)
    for one, department in ((source, "DK"), (second, "FROM2")):
        one.put("bob", also={"DEPARTMENT": department})
        say(one, department)
    assert user("anna").department == "DK"
    digests = Account.objects.filter(directory=second.directory)
    digests.update(seen_digest=Concat("seen_digest", Value(":password")))
    source.remove("anna")
    source.run()
    assert user("anna").is_active is not leaves
    assert digests.get(user=user("anna")).seen_digest == "again:password"
    assert [row.directory.name for row in rows_of(user("anna")) if row.heard_next] == ["HR2"]
    digests.update(seen_digest=Replace("seen_digest", Value(":password")))
    run = second.run()
    assert [change.key for change in planned(run)] == ["anna"]
    assert (user("anna").department, user("bob").department) == ("FROM2", "DK")
    say(source, "DK")
    second.run()
    assert (user("anna").department, user("anna").is_active) == ("DK", True)
    assert not planned(second.run())


def test_what_is_said_on_the_page(source: Source, second: Source) -> None:
    second.set(source_rank=7)
    words = ["HR2 (rank 7) decides over HR (rank 100): Department, E-mail."]
    assert authority.explained(source.directory) == words
    assert authority.explained(second.directory) == words


def test_the_user_page_says_which_source_each_attribute_follows(source: Source, second: Source) -> None:
    second.map(PHONE="profile.phone")
    User.objects.create_user("bob", None, department="IT", title="Clerk")
    say(source, "DK")
    say(second, "FROM2", PHONE="110")
    second.set(source_rank=7)

    def said(name: str) -> dict[str, tuple[str, str]]:
        return {row.label: (row.follows, row.others) for row in source_rows(user(name))}

    followed = said("anna")
    assert followed["Department"] == ("HR2 (rank 7)", "HR")
    assert followed["Phone"] == ("HR2 (rank 7)", "")
    assert followed["First name"] == ("HR (rank 100)", "")
    assert said("bob") == {"User name": ("", ""), "Department": ("", ""), "Title": ("", "")}
    second.put("eve")
    second.remove("anna")
    second.run()
    assert said("anna")["Department"] == ("HR (rank 100)", "")
    second.set(update_users=True)
    AttributeMapping.objects.filter(directory=second.directory, portal_attribute="department").update(direction="both")
    say(second, "FROM2")
    assert said("anna")["Department"] == ("whoever changed it last: HR2 (rank 7), HR (rank 100)", "")


def test_an_attribute_may_follow_the_primary_contract(source: Source, second: Source) -> None:
    say(source, "DK")
    Contract.objects.create(user=user("anna"), external_id="1", title="Clerk")
    ProfileSource.objects.create(attribute="profile.title", field="title")
    due.mark([user("anna").pk])
    services.settle_contracts()
    [title] = [row for row in source_rows(user("anna")) if row.label == "Title"]
    assert (title.value, title.follows) == ("Clerk", "the primary contract (title)")


def test_the_panel_of_sources_costs_the_same_for_more(source: Source, second: Source, client: Client) -> None:
    say(source, "DK")
    client.force_login(User.objects.create_superuser("root", "x"))
    address = reverse("admin:provisioning_user_sources", args=[user("anna").pk])

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert "HR (rank 100)" in client.get(address).content.decode()
        return len(captured)

    before = cost()
    second.map(PHONE="profile.phone", TITLE="profile.title")
    say(second, "FROM2", PHONE="110", TITLE="Clerk")
    assert cost() == before


def test_many_differences_cost_as_much_as_few(source: Source, second: Source) -> None:
    def cost(number: int, department: str) -> int:
        for name in (f"user{n}" for n in range(number)):
            source.put(name, also={"DEPARTMENT": "DK"})
            second.put(name, also={"DEPARTMENT": department})
        source.run()
        run = second.start()
        with CaptureQueriesContext(connection) as captured:
            engine.execute(run.pk)
        return len(captured)

    cost(40, "A")
    assert cost(40, "B") == cost(2, "C")
    assert set(User.objects.values_list("department", flat=True)) == {"DK"}

"""Members whom somebody takes out of a pushed group, or puts into it, over there: the next import has it mended."""

import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.connectors.base import MemberPage, RemoteGroup
from directories.connectors.memory import GROUPS, Memory
from directories.models import Directory, ProvisioningSettings
from provisioning import services
from provisioning.identities import membership
from provisioning.imports import engine
from provisioning.imports.groups import drift
from provisioning.models import Account, Group, GroupChange, ImportRun, Membership, PlannedMember, PushedMember
from provisioning.models.imports import RunStatus, Trigger
from provisioning.outbound.groups import outbox
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory
from tests.provisioning.groups.push import held, lines, make_group, make_users, run, stored

pytestmark = [pytest.mark.django_db, pytest.mark.heavy]


@pytest.fixture
def pushed(mem: Directory) -> Directory:
    """MEM with Developers, in which anna and ben are; cleo is not, and an import has seen all three."""
    ProvisioningSettings.objects.update(import_users=True, import_groups=True)
    anna, ben, _ = make_users("anna", "ben", "cleo")
    membership.add(make_group("Developers"), [anna.pk, ben.pk], "tester")
    run(mem)
    imported(mem)
    run(mem)
    return mem


def imported(directory: Directory, *, preview: bool = False) -> ImportRun:
    fresh = Directory.objects.get(pk=directory.pk)
    found = services.start_import(fresh, preview=preview, actor="tester", trigger=Trigger.COMMAND)
    engine.execute(found.pk)
    found.refresh_from_db()
    assert found.status == (RunStatus.PLANNED if preview else RunStatus.FINISHED), found.message
    return found


def noted() -> set[str]:
    return set(PushedMember.objects.values_list("account__key", flat=True))


def test_who_was_taken_out_by_hand_is_put_back(pushed: Directory) -> None:
    del stored(pushed, "Developers").members["anna"]
    told = len(lines())
    found = imported(pushed)
    assert (found.planned, found.applied, found.memberships_removed) == (2, 2, 0)
    assert GroupChange.objects.get().account == Account.objects.get(key="anna")
    assert noted() == {"ben"}
    run(pushed)
    assert held(pushed) == {"Developers": ["anna", "ben"]}
    assert lines()[told:] == ["anna was added to Developers in MEM."]
    assert noted() == {"anna", "ben"}
    assert imported(pushed).planned == 0


def test_who_belongs_there_and_was_put_in_by_hand_leaves_with_the_portals_word(pushed: Directory) -> None:
    PushedMember.objects.filter(account__key="anna").delete()
    imported(pushed)
    assert noted() == {"anna", "ben"}
    run(pushed)
    membership.remove(Group.objects.get(), [Account.objects.get(key="anna").user_id or 0], "tester")
    run(pushed)
    assert held(pushed) == {"Developers": ["ben"]}


def test_whom_others_put_in_stays_and_writes_nothing(pushed: Directory) -> None:
    stored(pushed, "Developers").members |= {"cleo": None, "a computer": None}
    assert imported(pushed).planned == 0
    run(pushed)
    assert held(pushed) == {"Developers": ["a computer", "anna", "ben", "cleo"]}
    assert noted() == {"anna", "ben"}
    assert set(Membership.objects.values_list("user__username", flat=True)) == {"anna", "ben"}


def test_an_unchanged_group_writes_nothing_and_costs_few_queries(pushed: Directory) -> None:
    with CaptureQueriesContext(connection) as few:
        imported(pushed)
    people = make_users(*(f"user{number}" for number in range(40)))
    membership.add(Group.objects.get(), [user.pk for user in people], "tester")
    run(pushed)
    imported(pushed)
    run(pushed)
    with CaptureQueriesContext(connection) as many:
        assert imported(pushed).planned == 0
    assert len(many) <= len(few) + 2
    wrote = re.compile(r'(INSERT INTO|DELETE FROM|UPDATE|COPY) "provisioning_(pushed|planned|group)')
    written = [each["sql"] for each in many if wrote.match(each["sql"])]
    assert not [sql for sql in written if not sql.startswith('DELETE FROM "provisioning_planned')]
    assert not GroupChange.objects.exists()


def test_a_preview_writes_nothing_but_its_plan(pushed: Directory) -> None:
    del stored(pushed, "Developers").members["anna"]
    found = imported(pushed, preview=True)
    assert PlannedMember.objects.filter(planned_group__run=found).count() == 1
    assert noted() == {"anna", "ben"}
    assert not GroupChange.objects.exists()


def test_a_list_that_breaks_off_changes_nothing(pushed: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Memory, group: RemoteGroup, page_size: int = 1000) -> Iterator[MemberPage]:
        yield MemberPage(["ben"])

    monkeypatch.setattr(Memory, "members", broken)
    assert imported(pushed).planned == 0
    assert noted() == {"anna", "ben"}


def test_who_left_the_group_since_the_preview_is_not_put_back(pushed: Directory) -> None:
    del stored(pushed, "Developers").members["anna"]
    found = imported(pushed, preview=True)
    membership.remove(Group.objects.get(), [Account.objects.get(key="anna").user_id or 0], "tester")
    services.approve_import(found, "boss", plan_hash=found.plan_hash)
    engine.execute(found.pk)
    run(pushed)
    assert held(pushed) == {"Developers": ["ben"]}
    assert noted() == {"ben"}


def test_groups_that_are_not_pushed_now_are_not_read(pushed: Directory) -> None:
    ProvisioningSettings.objects.update(push_groups="chosen")
    del stored(pushed, "Developers").members["anna"]
    assert imported(pushed).planned == 0
    Group.objects.get().directories.add(pushed)
    assert imported(pushed).planned == 2


def test_a_group_that_was_emptied_is_one_operation(pushed: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WHOLE", 1)
    monkeypatch.setattr(drift, "CHUNK", 1)
    stored(pushed, "Developers").members.clear()
    imported(pushed)
    assert GroupChange.objects.get().account is None
    run(pushed)
    assert held(pushed) == {"Developers": ["anna", "ben"]}


def test_a_group_that_vanished_is_left_to_its_delivery(pushed: Directory) -> None:
    GROUPS["MEM"].clear()
    assert imported(pushed).planned == 0
    assert noted() == {"anna", "ben"}


def test_openldap_mends_what_an_administrator_did(ldap_directory: LdapDirectory) -> None:
    switches = ("create_users", "import_users", "sync_groups", "import_groups")
    directory = save_ldap_directory(ldap_directory, **dict.fromkeys(switches, True), push_groups="all")
    anna, ben, _ = make_users("anna", "ben", "cleo")
    membership.add(make_group("Developers"), [anna.pk, ben.pk], "tester")
    run(directory)
    imported(directory)
    run(directory)
    assert imported(directory).planned == 0
    group, base = f"cn=Developers,{ldap_directory.base}", ldap_directory.base
    delete, add = (
        {"member": [("MODIFY_DELETE", [f"uid=anna,{base}"])]},
        {"member": [("MODIFY_ADD", [f"uid=cleo,{base}"])]},
    )
    assert ldap_directory.link.modify(group, delete)
    assert ldap_directory.link.modify(group, add)
    imported(directory)
    run(directory)
    found = ldap_directory.entry(group, "member")
    assert found is not None
    assert sorted(found["member"]) == [f"uid={name},{base}" for name in ("anna", "ben", "cleo")]
    assert noted() == {"anna", "ben"}
    assert imported(directory).planned == 0
    assert not GroupChange.objects.exists()

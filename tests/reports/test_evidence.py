"""The chain of evidence: what is in it cannot be altered, taken out, put in or cut off unseen."""

import threading
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from config.models import Role
from directories.models import Directory
from provisioning import directory_settings, services
from provisioning.models import ImportRun, User
from provisioning.models.imports import RunStatus
from reports import evidence
from reports.models import Evidence, EvidenceHead, EvidenceKind

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def begun(db: None) -> None:
    """Put back the empty head, which a migration makes and tests that empty all tables take away."""
    if not EvidenceHead.objects.exists():
        evidence.append(EvidenceKind.APPROVAL, {})
        Evidence.objects.all().delete()
        EvidenceHead.objects.update(number=0, hash="")


def chain(number: int = 6) -> str:
    """Append rows and return the head."""
    for row in range(number):
        evidence.append(EvidenceKind.APPROVAL, {"decision": f"nü {row}", "by": "admin", "number": row, "none": None})
    return str(evidence.head())


def verified(head: str = "") -> str:
    out = StringIO()
    call_command("verify_evidence", *(["--head", head] if head else []), stdout=out)
    return out.getvalue()


def faults(head: str = "") -> str:
    """Return what the command complains of; it has to."""
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_evidence", *(["--head", head] if head else []), stderr=errors)
    return errors.getvalue()


def rehashed(seq: int) -> None:
    """Give every row from ``seq`` on the hash that belongs to it, as somebody who knows how would."""
    previous = Evidence.objects.get(seq=seq - 1).hash
    for row in Evidence.objects.filter(seq__gte=seq).order_by("seq"):
        row.previous = previous
        row.hash = previous = evidence.digest(row)
        row.save()
    EvidenceHead.objects.update(number=row.seq, hash=previous)


def test_a_whole_chain_is_whole_and_prints_its_head() -> None:
    assert "0 rows" in verified()
    head = chain()
    assert head.startswith("6:")
    assert head in verified()
    chain(3)
    assert "9 rows" in verified(head)


def test_an_altered_row_is_named() -> None:
    chain()
    Evidence.objects.filter(seq=3).update(payload={"decision": "approved", "by": "nobody"})
    assert faults() == "Row 3 (Decision about an import) was altered.\n"
    row = Evidence.objects.get(seq=3)
    row.hash = evidence.digest(row)
    row.save()
    assert faults() == "Row 4 does not continue row 3: one of them was inserted, replaced or altered.\n"


def test_a_missing_and_an_inserted_row_are_named() -> None:
    head = chain()
    taken = Evidence.objects.get(seq=4)
    taken.delete()
    assert faults() == "Row 4 is missing.\n"
    taken.seq, taken.payload = 4, {"decision": "another"}
    taken.hash = evidence.digest(taken)
    taken.save()
    assert "Row 5 does not continue row 4" in faults()
    rehashed(4)
    assert "Row 4" not in verified()  # the chain alone cannot know
    assert "Row 6 is not the one of the head that was kept" in faults(head)


def test_a_tail_that_was_cut_off_is_found() -> None:
    head = chain()
    Evidence.objects.filter(seq__gt=4).delete()
    assert "6 rows were appended, and the last one here is 4" in faults()
    last = evidence.head()
    EvidenceHead.objects.update(number=last.number, hash=last.hash)
    assert "4 rows" in verified()  # cut off with care
    assert faults(head) == "The end is missing: the head that was kept counts 6 rows.\n"


def test_rows_that_come_while_it_is_walked_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    chain()
    digest, late = evidence.digest, [1]

    def appending(row: Evidence) -> str:
        if late and row.seq == EvidenceHead.objects.get().number:
            late.pop()
            chain(1)
        return digest(row)

    monkeypatch.setattr(evidence, "digest", appending)
    assert "6 rows" in verified()
    assert (late, Evidence.objects.count()) == ([], 7)


def test_a_head_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="A head is a number"):
        verified("12:abc")


def test_appending_asks_the_same_for_one_and_for_many() -> None:
    numbers = []
    for size in (1, 200):
        with CaptureQueriesContext(connection) as queries:
            evidence.append_many(EvidenceKind.APPROVAL, [{"by": str(row)} for row in range(size)])
        numbers.append(len([each for each in queries if "SAVEPOINT" not in each["sql"]]))
    assert numbers == [3, 3]
    assert not list(evidence.faults())


@pytest.mark.heavy
@pytest.mark.django_db(transaction=True)
def test_two_connections_append_one_after_the_other() -> None:
    errors: list[BaseException] = []

    def append() -> None:
        try:
            for number in range(15):
                with transaction.atomic():
                    chain(1)
                    evidence.append_many(EvidenceKind.RECEIPT, [{"number": number}, {"number": number}])
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=append) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert evidence.head().number == 3 * 15 * 3
    assert not list(evidence.faults())


def test_what_is_rolled_back_leaves_no_gap() -> None:
    chain(2)
    with transaction.atomic():
        chain(1)
        transaction.set_rollback(True)
    chain(1)
    assert "3 rows" in verified()


# --- What is appended -------------------------------------------------------------------------------------------------


def last() -> dict[str, Any]:
    row = Evidence.objects.latest("seq")
    return {"kind": row.kind, **row.payload}


def test_a_changed_directory_is_kept_with_before_and_after_and_no_secret() -> None:
    directory = Directory.objects.create(
        name="CRM", kind="postgresql", settings={"host": "old.example.org"}, secrets={"password": "hunter2"}
    )
    directory_settings.record(directory, "ada added the directory CRM.", "ada")
    assert last()["by"] == "ada"
    assert last()["changes"]["secrets"] == [None, {"password": "(secret)"}]
    directory.settings["host"], directory.secrets = "new.example.org", {"password": "hunter3"}
    directory.save()
    directory_settings.record(directory, "ada changed the settings of CRM.", "ada")
    assert last()["changes"] == {
        "settings.host": ["old.example.org", "new.example.org"],
        "secrets.password": ["(secret)", "(secret)"],
    }
    directory_settings.set_enabled(directory, False, "bob")
    assert (last()["by"], last()["changes"]) == ("bob", {"enabled": [True, False]})
    directory_settings.remove(directory, "bob")
    assert last()["changes"]["name"] == ["CRM", None]
    assert "hunter" not in str(list(Evidence.objects.values_list("payload", flat=True)))


def test_secrets_that_no_key_opens_were_not_taken_away(settings: Any) -> None:
    lost, found = "(cannot be read: its key is not among ENCRYPTION_KEYS)", settings.ENCRYPTION_KEYS
    directory = Directory.objects.create(name="CRM", kind="postgresql", secrets={"password": "hunter2"})
    directory_settings.ProvisioningSettings.objects.create(directory=directory, fixed_password="hunter3")
    directory_settings.record(directory, "ada added the directory CRM.", "ada")
    settings.ENCRYPTION_KEYS = [Fernet.generate_key()]
    directory_settings.set_enabled(Directory.objects.get(), False, "bob")
    assert last()["changes"] == {
        "enabled": [True, False],
        "secrets": [{"password": "(secret)"}, lost],
        "provisioning.fixed_password": ["(secret)", lost],
    }
    settings.ENCRYPTION_KEYS = found
    directory_settings.set_enabled(Directory.objects.get(), True, "bob")
    assert last()["changes"] == {
        "enabled": [False, True],
        "secrets": [lost, {"password": "(secret)"}],
        "provisioning.fixed_password": [lost, "(secret)"],
    }


def test_decisions_about_imports_are_kept() -> None:
    directory = Directory.objects.create(name="HR", kind="memory")
    directory_settings.ProvisioningSettings.objects.create(directory=directory, import_users=True)
    numbers = {"switched_off": 70, "planned": 80, "plan_hash": "ab", "message": "70 people would leave."}
    run = ImportRun.objects.create(directory=directory, status=RunStatus.APPROVAL, **numbers)
    services.approve_import(run, "ada", plan_hash=run.plan_hash)
    assert last() | {"plan": None} == {
        "kind": "approval", "import": run.pk, "directory": "HR", "decision": "approved", "by": "ada", "plan": None,
        "door": "import", "plan hash": "ab",
    }  # fmt: skip
    assert last()["plan"]["switched_off"] == 70
    assert last()["plan"]["why it waited"] == "70 people would leave."
    services.cancel_import(run, "bob")
    assert (last()["decision"], last()["by"]) == ("cancelled", "bob")


def test_rights_of_staff_and_roles_are_kept(client: Browser) -> None:
    ada = User.objects.create_superuser("ada")
    assert last()["changes"] == {"May sign in": [False, True], "Superuser": [False, True]}
    bob = User.objects.create(username="bob", is_active=True)
    assert last()["subject"] == f"rights of user {ada.pk}"
    bob = User.objects.get(pk=bob.pk)
    bob.is_staff = True
    services.save_user(bob, "ada")
    assert (last()["by"], last()["changes"]) == ("ada", {"May sign in": [False, True]})
    services.set_roles(bob, Role.objects.filter(name="Helpdesk"), "ada")
    assert last()["changes"] == {"Roles": [[], ["Helpdesk"]]}
    services.set_active([bob.pk], False, "ada")
    assert last()["changes"] == {"Active": [True, False]}
    services.delete_users([bob.pk], "ada")
    assert last()["changes"] == {"Deleted": [False, True]}
    client.force_login(ada)
    role = Role.objects.create(name="Desk")
    role.permissions.set(Role.objects.get(name="Helpdesk").permissions.all())
    client.post(
        f"/portal/role/{role.pk}/change/",
        {"name": "Desk", "permissions": list(role.permissions.values_list("pk", flat=True))},
    )
    response = client.post(f"/portal/role/{role.pk}/change/", {"name": "Desk", "permissions": []})
    assert response.status_code == 302, response.content[:2000]
    assert (last()["subject"], last()["by"]) == (f"role {role.pk}", "ada")
    assert "reports.view_event" not in last()["changes"]["rights"][1]
    number = evidence.head().number
    bob = User.objects.create(username="plain")
    bob.title = "x"
    bob.save()
    assert evidence.head().number == number  # nobody with rights

"""Real LDAP servers that go away or change while the portal reads and writes: nothing is lost, nobody leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from directories.connectors.ldap import names
from directories.connectors.ldap.active_directory import DomainWriter
from directories.models import Directory
from provisioning import services
from provisioning.imports.users import leavers
from provisioning.imports.users.crawl import Crawler
from provisioning.models import Account, Change, User
from provisioning.models.imports import RunStatus
from provisioning.outbound.accounts import delivery, outbox
from provisioning.outbound.accounts.reconcile import AccountReconciler
from provisioning.outbound.digests import place_digest
from reports.models import Event
from tests import servers
from tests.directory_servers import OpenLDAP, Samba
from tests.fixtures.ldap import LdapDirectory, samba_unit, save_ldap_directory
from tests.provisioning.test_ldap import EVERYTHING, delivered, imported, unit

__all__ = ["unit"]  # the fixture: the same on OpenLDAP and on a domain controller
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("place", ["elsewhere", "leavers"])
def test_an_entry_that_moves_while_the_directory_is_read(
    unit: LdapDirectory, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """It is in none of the pages: where it lands decides, not that it was missed."""
    staff, other = unit.ou("staff"), unit.ou("other")
    unit.settings["base_dn"] = staff
    deep = unit.ou("elsewhere", staff)
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    ann = unit.person("ann", below=staff)
    unit.person("bob", below=staff)
    imported(directory)
    before = Account.objects.get(key="ann").remote_id
    rdn = ann.partition(",")[0]
    unit.link.modify_dn(ann, rdn, new_superior=other)
    real = leavers.plan_leavers

    def landed(*arguments: Any) -> Any:
        """Between the last page and the leavers: the entry is where it belongs, or stays away."""
        if place == "elsewhere":
            away = f"{rdn},{other}"
            unit.link.modify_dn(away, f"{rdn}a", new_superior=deep)
            name = "uid" if unit.kind == "ldap" else "sAMAccountName"
            if unit.kind != "ldap":
                unit.link.modify(f"{rdn}a,{deep}", {name: [("MODIFY_REPLACE", ["anna"])]})
        return real(*arguments)

    monkeypatch.setattr(leavers, "plan_leavers", landed)
    run = imported(directory)
    assert run.status == RunStatus.FINISHED, run.message
    people = dict(User.objects.values_list("username", "is_active"))
    assert people == {"ann": place == "elsewhere", "bob": True}
    assert Account.objects.get(user__username="ann").remote_id == before
    assert run.deactivated == (place == "leavers")
    assert run.errors == 0


def test_leavers_are_looked_up_by_the_hundred(ldap_directory: LdapDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = save_ldap_directory(
        ldap_directory, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100, max_leavers=1000
    )
    people = [ldap_directory.person(f"user{number:03}") for number in range(250)]
    imported(directory)
    for dn in people[:230]:
        ldap_directory.link.delete(dn)
    run = imported(directory)
    assert (run.status, run.deactivated, run.errors) == (RunStatus.FINISHED, 230, 0)
    assert User.objects.filter(is_active=True).count() == 20


@pytest.fixture(scope="module")
def own_samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A domain controller of these tests alone, started, that may be stopped and started again."""
    folder = servers.shared_folder() / "own-samba" / tmp_path_factory.mktemp("samba").name
    program = servers.installed(Samba, folder)
    program.start()
    yield program
    if program.running:
        program.stop()


def whole(program: Samba) -> LdapDirectory:
    """Return the domain's directory, and a new connection to it."""
    return samba_unit(program.server(0))


def test_a_domain_controller_that_stops(own_samba: Samba, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is read, and while it is written to: nobody is a leaver, and the rest follows when it is back."""
    unit = whole(own_samba)
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    for number in range(6):
        unit.person(f"user{number}")
    assert imported(directory).status == RunStatus.FINISHED
    Directory.objects.filter(pk=directory.pk).update(settings={**directory.settings, "page_size": 2})

    with monkeypatch.context() as during:
        real_page = Crawler.page

        def stops(crawler: Crawler, *given: Any) -> Any:
            if own_samba.running:
                own_samba.stop()
            return real_page(crawler, *given)

        during.setattr(Crawler, "page", stops)
        run = imported(directory)
    assert run.status == RunStatus.FAILED
    assert "connection" in run.message or "reached" in run.message
    assert User.objects.filter(is_active=True).count() == 6
    own_samba.start()
    run = imported(directory)
    assert (run.status, run.unchanged) == (RunStatus.FINISHED, 6)

    users = [User.objects.create(username=f"new{number}", last_name="New") for number in range(4)]
    done: list[str] = []
    with monkeypatch.context() as during:
        real_work = AccountReconciler.reconcile

        def stops_after_two(reconciler: AccountReconciler, account: Account, actor: str) -> Any:
            if len(done) == 2:
                own_samba.stop()
            done.append(account.key)
            return real_work(reconciler, account, actor)

        during.setattr(AccountReconciler, "reconcile", stops_after_two)
        delivered(directory)
    states = Account.objects.filter(user__in=users).order_by("pk").values_list("state", "last_result")
    assert list(states) == [("active", "ok")] * 2 + [("pending", "waiting")] * 2
    assert Change.objects.count() == 2
    own_samba.start()
    Directory.objects.update(retry_at=directory.created_at)
    Account.objects.update(not_before=directory.created_at)
    found = delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    delivered(directory)
    assert found.resumed
    assert not Change.objects.exists()
    created = Event.objects.filter(operation="create", direction="out", result="success").values_list("identifier")
    assert sorted(created) == [(f"new{number}",) for number in range(4)]
    again = whole(own_samba)
    again.base = unit.base
    there = {dn.partition(",")[0].lower() for dn in again.dns()}
    assert {f"cn=new{number}" for number in range(4)} <= there


def test_an_account_that_is_locked_is_inactive_when_that_is_wanted(own_samba: Samba) -> None:
    samba_tool = [own_samba.find("samba-tool"), "domain", "passwordsettings", "set", "--account-lockout-threshold=2"]
    files = ["-s", str(own_samba.folder / "etc" / "smb.conf"), "-H", str(own_samba.folder / "private" / "sam.ldb")]
    own_samba.run([*samba_tool, *files])
    unit = whole(own_samba)
    dn = unit.person("lou")
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    for _ in range(4):
        assert not unit.can_log_in(dn, "wrong")
    imported(directory)
    assert User.objects.get(username="lou").is_active
    Directory.objects.filter(pk=directory.pk).update(settings={**directory.settings, "lockout_disables": True})
    imported(directory)
    assert not User.objects.get(username="lou").is_active


def test_a_certificate_that_changed_is_no_absence(unit: LdapDirectory, tmp_path: Path) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    unit.person("ann")
    imported(directory)
    OpenLDAP(tmp_path, 1, "x").certificate()
    wrong = {**directory.settings, "ca": (tmp_path / "server.crt").read_text()}
    Directory.objects.filter(pk=directory.pk).update(settings=wrong)
    run = imported(directory)
    assert run.status == RunStatus.FAILED
    assert "not signed by an authority that is trusted" in run.message
    User.objects.create(username="bob", last_name="Berg")
    delivered(directory)
    assert User.objects.get(username="ann").is_active
    assert Account.objects.get(key="bob").last_result == "waiting"
    Directory.objects.filter(pk=directory.pk).update(settings=directory.settings, retry_at=directory.created_at)
    Account.objects.update(not_before=directory.created_at)
    delivered(directory)
    assert Account.objects.get(key="bob").state == "active"


def test_a_run_that_is_cut_off_by_a_referral_takes_nobody_for_a_leaver(ldap_directory: LdapDirectory) -> None:
    directory = save_ldap_directory(ldap_directory, **EVERYTHING, max_leavers_percent=100, max_activated_percent=100)
    dn = ldap_directory.person("ann")
    imported(directory)
    ldap_directory.link.delete(dn)
    ldap_directory.reference()
    run = imported(directory)
    assert run.status == RunStatus.FAILED
    assert "referral" in run.message
    assert User.objects.get().is_active


@pytest.mark.parametrize("waits", [False, True])
def test_an_account_whose_password_never_came_is_finished(
    ad_directory: LdapDirectory, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between adding and enabling leaves it so; no domain controller enables one without."""
    directory = save_ldap_directory(
        ad_directory, **EVERYTHING, set_passwords=True, initial_password="fixed", fixed_password="initial-1"
    )
    user = User.objects.create(username="ann", last_name="Lee")
    if waits:
        services.set_password(user, "chosen-1", "tester")

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(DomainWriter, "write_password", dies)
        with pytest.raises(KeyboardInterrupt):
            delivered(directory)
    assert len(ad_directory.dns()) == 1
    Account.objects.update(leased_until=None)
    delivered(directory)
    account = Account.objects.get(user=user)
    assert (account.state, account.last_result) == ("active", "ok")
    assert not Change.objects.exists()
    assert ad_directory.can_log_in(f"cn=ann,{ad_directory.base}", "chosen-1" if waits else "initial-1")


def test_a_leaver_s_place_is_known_and_a_missing_container_is_caught_up_with(unit: LdapDirectory) -> None:
    directory = save_ldap_directory(unit, **EVERYTHING)
    gone = f"ou=Gone,{unit.base}"
    directory.settings |= {"leavers_container": gone}
    directory.save()
    user = User.objects.create(username="ann", last_name="Lee")
    delivered(directory)
    home = Account.objects.get(user=user).place
    user.is_active = False
    user.save()
    delivered(directory)
    account = Account.objects.get(user=user)
    assert (account.last_result, account.place) == ("parked", home)
    assert "container" in account.last_message
    unit.ou("Gone")
    services.provision_many([user.pk], "again")
    delivered(directory)
    account = Account.objects.get(user=user)
    name = "uid" if unit.kind == "ldap" else "cn"
    assert (account.state, account.last_result) == ("disabled", "ok")
    assert account.place == place_digest(names.normal(f"{name}=ann,{gone}"))
    user.is_active = True
    user.save()
    delivered(directory)
    assert Account.objects.get(user=user).place == home
    assert [dn.lower() for dn in unit.dns() if "=ann," in dn.lower()] == [f"{name}=ann,{unit.base}".lower()]
    assert not Change.objects.exists()

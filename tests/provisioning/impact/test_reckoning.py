"""What a change of settings would do, reckoned from what the portal knows."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from directories import config as directory_config
from directories.config import DirectoryConfig
from directories.connectors.memory import Memory
from directories.described.document import DocumentError
from directories.mapping import AttributeRule
from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning import services
from provisioning.blueprints.apply import apply
from provisioning.impact import reckoning
from provisioning.impact.impact import Impact
from provisioning.models import Account, Group, GroupAccount, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.digests import state_digest

pytestmark = pytest.mark.django_db
ON = dict.fromkeys(("create_users", "update_users", "deactivate_users", "delete_users"), True)


def make(**settings: Any) -> Directory:
    directory = Directory.objects.create(name="CRM", kind="memory", settings={"name": "crm"})
    ProvisioningSettings.objects.create(directory=directory, **(ON | settings))
    for position, (theirs, ours) in enumerate({"mail": "email", "phone": "phone"}.items()):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=theirs, portal_attribute=ours, position=position
        )
    return directory


def people(directory: Directory, count: int, prefix: str = "user", **fields: Any) -> list[User]:
    """Make users who are in sync in the directory, by statements."""
    users = User.objects.bulk_create(
        User(username=f"{prefix}{n}", username_key=f"{prefix}{n}", email=f"{prefix}{n}@example.org", **fields)
        for n in range(count)
    )
    held = [{"mail": user.email, "phone": user.phone or None} for user in users]
    Account.objects.bulk_create(
        Account(
            user=user,
            directory=directory,
            key=user.username,
            remote_id=user.username,
            state=AccountState.ACTIVE,
            attributes=attributes,
            pushed_digest=state_digest(attributes, True),
        )
        for user, attributes in zip(users, held, strict=True)
    )
    return users


def changed(directory: Directory, rules: Iterable[AttributeRule] = (), **features: Any) -> DirectoryConfig:
    now = directory_config.load(directory.pk)
    return replace(now, rules=tuple(rules) or now.rules, features=replace(now.features, **features))


def reckoned(config: DirectoryConfig) -> Impact:
    assert config.id is not None
    impact = services.impact_of_change(services.stored_configuration(config.id), config)
    assert impact is not None
    return impact


def mapped(**pairs: str) -> list[AttributeRule]:
    return [AttributeRule(name, portal_attribute=ours) for name, ours in pairs.items()]


@pytest.mark.heavy
def test_a_thousand_blanked_addresses_are_told_and_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoning, "PAGE", 50)
    directory = make()
    people(directory, 1_000)
    with CaptureQueriesContext(connection) as asked:
        impact = reckoned(changed(directory, mapped(mail="mobile", phone="phone")))
    assert (impact.changed, impact.losing, impact.blanked) == (1_000, 1_000, {"mail": 1_000})
    assert impact.sentence == "This would change 1,000 accounts and blank 1,000 values of mail."
    sample = impact.samples[0]
    assert sample.changes == {"mail": (f"{sample.key}@example.org", None)}
    limits = [one.words for one in impact.objections(ProvisioningSettings.objects.get())]
    assert "1,000 accounts would lose a value; the limit is 100." in limits
    assert len(asked) < 15, "the number of queries does not grow with accounts"


def test_what_is_mapped_anew_and_blank_in_the_portal_is_counted_as_lost() -> None:
    directory = make()
    people(directory, 3)
    people(directory, 2, "called", mobile="+49 1")
    impact = reckoned(changed(directory, mapped(mail="email", phone="phone", mobile="mobile")))
    assert (impact.changed, impact.losing, impact.blanked) == (5, 3, {"mobile": 3})


def test_what_is_no_longer_mapped_is_left_as_it_is() -> None:
    directory = make()
    people(directory, 3)
    assert reckoned(changed(directory, mapped(mail="email"))).reached == 0


def test_leavers_are_closed_left_open_or_deleted_as_the_switches_say() -> None:
    directory = make(deactivate_users=False, on_deactivate="disable")
    people(directory, 10)
    people(directory, 3, "gone", is_active=False)
    closing = reckoned(changed(directory, deactivate_users=True))
    assert (closing.disabled, closing.deleted, closing.changed) == (3, 0, 0)
    assert closing.sentence == "This would disable 3 accounts."
    assert reckoned(changed(directory, deactivate_users=True, on_deactivate="delete")).deleted == 3
    ProvisioningSettings.objects.update(deactivate_users=True)
    assert reckoned(changed(directory, deactivate_users=False)).left_open == 3
    Account.objects.filter(key__startswith="gone").update(state=AccountState.DISABLED)
    assert reckoned(changed(directory, on_deactivate="delete")).deleted == 3, "also those that are disabled already"


def test_who_has_no_account_would_get_one_once_users_are_created() -> None:
    directory = make(create_users=False)
    people(directory, 2)
    User.objects.bulk_create(User(username=f"new{n}", username_key=f"new{n}") for n in range(700))
    User.objects.create(username="left", username_key="left", is_active=False)
    User.objects.create(username="outside", username_key="outside", provisioned=False)
    impact = reckoned(changed(directory, create_users=True))
    assert (impact.opened, impact.changed) == (700, 0)
    assert "700 accounts would be opened; the limit is 500." in [
        one.words for one in impact.objections(ProvisioningSettings.objects.get())
    ]


@pytest.mark.heavy
def test_of_very_many_some_are_looked_at_and_leavers_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoning, "EVERY", 300)
    monkeypatch.setattr(reckoning, "SOME", 60)
    directory = make(deactivate_users=False)
    people(directory, 600)
    people(directory, 7, "gone", is_active=False)
    looked = 0
    one = reckoning._look_at_one

    def counting(*arguments: Any) -> None:
        nonlocal looked
        looked += 1
        one(*arguments)

    monkeypatch.setattr(reckoning, "_look_at_one", counting)
    impact = reckoned(changed(directory, mapped(mail="mobile"), deactivate_users=True))
    assert impact.estimated
    assert looked < 90
    assert impact.disabled == 7
    assert abs(impact.changed - 600) < 20
    assert "about" in impact.sentence


def test_accounts_whose_ids_are_all_odd_are_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reckoning, "EVERY", 100)
    monkeypatch.setattr(reckoning, "SOME", 20)
    directory = make()
    people(directory, 400)
    even = Account.objects.annotate(rest=F("pk") % 2).filter(rest=0)  # as beside the accounts of another directory
    even.delete()
    impact = reckoned(changed(directory, mapped(mail="mobile")))
    assert impact.estimated
    assert (impact.changed, impact.losing, impact.is_small) == (200, 200, False)


def test_an_expression_that_fails_is_told() -> None:
    directory = make()
    people(directory, 8)
    rules = [AttributeRule("mail", portal_attribute="email", direction="out", expression="{{ email|int(base=99) }}")]
    impact = reckoned(changed(directory, rules))
    assert impact.unclear == 8
    assert "mail" in impact.trouble
    assert not impact.is_small


def test_nothing_reaches_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a directory was asked")

    for name in ("find", "find_many", "create", "update", "disable", "delete", "accounts", "test"):
        monkeypatch.setattr(Memory, name, refuse)
    directory = make()
    people(directory, 3)
    reckoned(changed(directory, mapped(mail="username")))
    services.impact_of_everything(directory.pk)


def test_what_decides_whom_an_import_sees_is_named() -> None:
    directory = make(import_users=True)
    people(directory, 6)
    impact = reckoned(changed(directory, match_attribute="profile.email"))
    assert impact.imports == ["Find the user by"]
    assert not impact.is_small
    ldap = Directory.objects.create(name="LDAP", kind="ldap", settings={"base_dn": "dc=a", "user_filter": "(uid=*)"})
    ProvisioningSettings.objects.create(directory=ldap, import_users=True)
    now = directory_config.load(ldap.pk)
    settings = {"base_dn": "dc=b", "user_filter": "(uid=x)", "page_size": 5}
    new = replace(now, connector=replace(now.connector, settings=settings))
    assert reckoned(new).imports == ["Base DN", "User filter"]


def test_what_cannot_matter_is_not_reckoned() -> None:
    directory = make(import_users=True)
    now = directory_config.load(directory.pk)
    assert services.impact_of_change(now, changed(directory, schedule="daily", max_leavers=3)) is None


def test_recomputing_tells_what_a_push_would_do_now() -> None:
    directory = make()
    users = people(directory, 4)
    users[0].email = "other@example.org"
    User.objects.bulk_update(users[:1], ["email"])
    users[1].is_active = False
    User.objects.bulk_update(users[1:2], ["is_active"])
    impact = services.impact_of_everything(directory.pk)
    assert (impact.changed, impact.disabled, impact.deleted) == (1, 1, 0)
    assert services.impact_of_everything(directory.pk).samples[-1].changes == {
        "mail": ("user0@example.org", "other@example.org")
    }


@pytest.mark.heavy
def test_a_blueprint_shows_what_it_does_and_wants_the_number_over_a_limit() -> None:
    directory = make()
    people(directory, 250)
    text = """
version: 1
directories:
  - name: CRM
    kind: memory
    mapping:
      - {directory_attribute: mail, kind: profile, portal_attribute: mobile, direction: both}
"""
    checked = apply(text, actor="tests", check=True)
    assert checked.impacts == ["directory CRM: This would change 250 accounts and blank 250 values of mail."]
    for number in (None, 249):
        with pytest.raises(DocumentError, match="--number 250"):
            apply(text, actor="tests", number=number)
    assert AttributeMapping.objects.filter(portal_attribute="email").exists()
    apply(text, actor="tests", number=250)
    assert not AttributeMapping.objects.filter(portal_attribute="email").exists()
    assert apply(text, actor="tests").impacts == []


@pytest.mark.parametrize(("which", "new", "gone"), [("chosen", 3, 2), ("all", 4, 1), ("none", 0, 0)])
def test_recomputing_tells_which_groups_would_be_pushed_and_which_no_more(which: str, new: int, gone: int) -> None:
    directory = make(sync_groups=True, push_groups=which)
    there, left, *missing, unchosen, imported = [Group.objects.create(name=f"group {n}") for n in range(7)]
    Group.objects.filter(pk=imported.pk).update(owner=directory)
    for group in (there, *missing):
        group.directories.add(directory)
    pushed: dict[str, Any] = {"directory": directory, "state": AccountState.ACTIVE, "pushed_digest": "as it was pushed"}
    for group in (there, left):
        GroupAccount.objects.create(group=group, key=group.name, **pushed)
    GroupAccount.objects.create(group=imported, key="imported", directory=directory, state=AccountState.ACTIVE)
    GroupAccount.objects.create(key="deleted from the portal", **pushed)
    assert unchosen.name == "group 5"
    impact = services.impact_of_everything(directory.pk)
    assert (impact.groups, impact.fewer_groups) == (new, gone)
    told = f"This would add {new} groups and no longer push {gone} group{'' if gone == 1 else 's'}."
    assert impact.sentence == (told if new else "No account would change, as far as the portal knows.")

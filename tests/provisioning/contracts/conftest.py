"""People, sources and contracts for the tests of what follows from contracts."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from directories.models import Directory
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract, Employment
from provisioning.contracts.services import ContractOwner, ContractRow
from provisioning.identities.users import save_user
from provisioning.imports.doors.actions import AppliedNow
from provisioning.imports.doors.contracts import settle
from provisioning.models import Account, User
from provisioning.models.accounts import AccountState

NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def person(name: str, **fields: Any) -> User:
    """Add somebody."""
    user = User(username=name, **{"first_name": name.title(), **fields})
    save_user(user, "admin")
    return user


def account(user: User, source: Directory, number: str = "") -> Account:
    """Let a source know a person."""
    values = {"key": user.username, "remote_id": number or user.username, "state": AccountState.ACTIVE}
    values["seen_digest"] = "seen"
    return Account.objects.update_or_create(user=user, directory=source, defaults=values)[0]


def give(owner: User | Account, number: str, starts: str = "", ends: str = "", **values: Any) -> Contract:
    """Give a person a contract, as their source or the portal does."""
    mine = ContractOwner(user=owner.pk) if isinstance(owner, User) else ContractOwner(account=owner.pk)
    dates = {"starts": starts and dt.date.fromisoformat(starts), "ends": ends and dt.date.fromisoformat(ends)}
    contracts.write_contracts([ContractRow(mine, number, {**{k: v or None for k, v in dates.items()}, **values})])
    return Contract.objects.get(external_id=number, account_id=mine.account, user_id=mine.user)


def others(number: int) -> None:
    """Let there be so many people besides, so that a few changes are a small share."""
    User.objects.bulk_create(User(username=f"other{place:04}") for place in range(number))


class Clock:
    """A clock that the tests set, and what follows when it strikes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.set(NOON)

    def set(self, now: dt.datetime) -> None:
        self.now = now
        self.monkeypatch.setattr(timezone, "now", lambda: now)

    def at(self, text: str) -> list[AppliedNow]:
        """Let it be a moment of UTC, and the tick come."""
        self.set(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))
        return settle()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def hr() -> Directory:
    return Directory.objects.create(name="HR", kind="memory")


@pytest.fixture
def payroll() -> Directory:
    return Directory.objects.create(name="Payroll", kind="memory")


def employment(user: User) -> Employment:
    return Employment.objects.get(user=user)


def active(user: User) -> bool:
    user.refresh_from_db()
    return user.is_active

"""Who is restored from the recycle bin has the contracts again that the portal kept, and manages whom they managed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning import services
from provisioning.contracts.models import Contract, Department, Employment, Location
from provisioning.models import User
from provisioning.recycle.models import DeletedUser
from tests.provisioning.contracts.conftest import Clock, clock, give, person

__all__ = ["clock"]
pytestmark = pytest.mark.django_db


def restore(*names: str) -> list[services.Restored]:
    rows = DeletedUser.objects.filter(username__in=names, restored_at=None)
    return services.restore_users({row.pk: "" for row in rows}, "boss")


def told(contract: Contract) -> dict[str, object]:
    left_out = {"id", "_state"}
    return {name: value for name, value in vars(contract).items() if name not in left_out}


def test_contracts_made_by_hand_come_back_as_they_were(clock: Clock) -> None:
    boss, anna = person("boss"), person("anna")
    care, delft = Department.objects.create(external_id="1", name="Care"), Location.objects.create(name="Delft")
    gone = Department.objects.create(external_id="2", name="Closed")
    values = {"fte": Decimal("0.800"), "sequence": 2, "title": "Nurse", "custom": {"scale": 9}, "location": delft}
    give(anna, "7", "2026-01-01", "2027-01-31", department=care, manager=boss, **values)
    give(anna, "8", "2027-02-01", department=gone)
    before = [told(one) for one in Contract.objects.order_by("external_id")]
    services.delete_users([anna.pk], "admin")
    assert not Contract.objects.exists()
    gone.delete()
    (restored,) = restore("anna")
    assert restored.missing == ["the department of contract 8 was deleted"]
    after = [told(one) for one in Contract.objects.order_by("external_id")]
    assert after == [before[0], {**before[1], "department_id": None}]
    clock.at("2026-11-30T12:01")
    assert User.objects.get(username="anna").is_active
    clock.at("2027-02-01T12:00")
    employment = Employment.objects.get(user=anna)
    assert employment.primary is not None
    assert employment.primary.external_id == "8"


@pytest.mark.heavy
def test_whom_they_managed_they_manage_again_unless_somebody_else_does() -> None:
    boss, heir, anna = person("boss"), person("heir"), person("anna")
    hers = [give(anna, number, "2026-01-01", manager=boss) for number in ("1", "2")]
    led = [Department.objects.create(external_id=number, name=number, manager=boss) for number in ("1", "2")]
    services.delete_users([boss.pk], "admin")
    Contract.objects.filter(pk=hers[1].pk).update(manager=heir)
    Department.objects.filter(pk=led[1].pk).update(manager=heir)
    restore("boss")
    for rows in (Contract.objects.order_by("pk"), Department.objects.order_by("pk")):
        assert [one.manager for one in rows] == [boss, heir]
    services.delete_users([boss.pk, anna.pk], "admin")
    restore("boss", "anna")
    assert set(Contract.objects.values_list("user__username", "manager__username")) == {
        ("anna", "boss"),
        ("anna", "heir"),
    }


@pytest.mark.heavy
def test_many_come_back_in_as_many_queries() -> None:
    counts = []
    for number in (2, 30):
        users = [person(f"user{number}.{n}") for n in range(number)]
        for user in users:
            give(user, "1", "2026-01-01", manager=users[0])
        names = [user.username for user in users]
        services.delete_users([user.pk for user in users], "admin")
        with CaptureQueriesContext(connection) as queries:
            restore(*names)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Contract.objects.filter(starts=dt.date(2026, 1, 1)).count() == 32

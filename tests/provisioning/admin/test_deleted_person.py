"""Somebody who was deleted: found by a search, with a page that says who, when, by whom, and what directories did."""

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning import services
from provisioning.models import User
from provisioning.receipts import book
from provisioning.recycle import retention
from provisioning.recycle.models import DeletedUser
from reports.models import Event
from tests.provisioning.admin import roll
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.receipts.test_receipts import employed, run

pytestmark = pytest.mark.django_db


def page(user_id: int) -> str:
    return f"/provisioning/user/deleted/{user_id}/"


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.fixture
def ann(crews: Crews) -> int:
    """Return the id that somebody with an account had, who was deleted and whose account was closed."""
    crm = save_crew_directory("CRM", on_delete="delete")
    user = employed(crm)
    pk = user.pk
    services.delete_users([pk], "ada", by_person=True)
    run(crm)
    book.settle()
    return int(pk)


def test_the_page_says_who_when_by_whom_and_what_each_directory_did(ann: int) -> None:
    today, until = timezone.localdate(), timezone.localdate() + dt.timedelta(days=settings.RECYCLE_DAYS)
    row = DeletedUser.objects.get()
    for client, restores in ((roll.it_staff(), True), (roll.helpdesk(), False)):
        shown = text(client.get(page(ann)))
        assert "Ann Lee" in shown
        assert f"Deleted {today}" in shown
        assert "by ada" in shown
        assert f"Can be brought back until {until}" in shown
        assert '<td data-label="Directory" class="font-semibold">CRM</td>' in shown
        assert "1 of 1 gone, verified" in shown
        assert (f"/recycle/deleteduser/{row.pk}/restore/" in shown) is restores
        assert "was deleted from the portal" in text(client.get(f"{page(ann)}happened/"))
    nobody = roll.signed_in(User.objects.create_user("nobody", is_staff=True, provisioned=False))
    assert nobody.get(page(ann)).status_code == 403
    assert nobody.get(f"{page(ann)}happened/").status_code == 403
    assert roll.root().get(page(ann + 1000)).status_code == 404


def test_the_list_of_users_finds_the_deleted_too(ann: int) -> None:
    client = roll.helpdesk()
    for words in ("ann.lee", "ANN", "Lee"):
        shown = text(client.get("/provisioning/user/", {"q": words}))
        assert page(ann) in shown, words
        assert "by ada" in shown
    assert page(ann) not in text(client.get("/provisioning/user/"))
    assert page(ann) not in text(client.get("/provisioning/user/", {"q": "zoe"}))


def test_when_the_recycle_bin_has_forgotten_them_the_report_still_says_who_it_was(ann: int) -> None:
    DeletedUser.objects.update(deleted_at=timezone.now() - dt.timedelta(days=settings.RECYCLE_DAYS, seconds=1))
    assert "nobody can bring them back" in text(roll.it_staff().get(page(ann)))
    retention.purge()
    client = roll.helpdesk()
    assert page(ann) in text(client.get("/provisioning/user/", {"q": "ann.lee"}))
    shown = text(client.get(page(ann)))
    assert f"Deleted {timezone.localdate()}" in shown
    assert "by ada" in shown
    assert "nobody can bring them back" in shown
    Event.objects.filter(operation="delete").delete()
    assert "the report does not say since when" in text(client.get(page(ann)))


def test_who_came_back_has_their_own_page_again(ann: int) -> None:
    services.restore_by_plan({DeletedUser.objects.get().pk: ""}, "ada")
    client = roll.helpdesk()
    assert client.get(page(ann))["Location"] == f"/provisioning/user/{ann}/change/"
    assert page(ann) not in text(client.get("/provisioning/user/", {"q": "ann"}))


def test_a_search_asks_the_same_however_many_were_deleted(ann: int) -> None:
    client = roll.helpdesk()
    numbers = []
    for size in (0, 30):
        for number in range(size):
            roll.person(f"ann{number}")
        services.delete_users(User.objects.filter(username__startswith="ann").values_list("pk", flat=True), "ada")
        with CaptureQueriesContext(connection) as queries:
            client.get("/provisioning/user/", {"q": "ann"})
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]

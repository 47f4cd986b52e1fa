"""People and groups are found whether or not a worker has written their texts; then from one index."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory
from provisioning.models import Account, AttributeDefinition, Group, User
from provisioning.search import find, index
from provisioning.search.models import SearchIndex, UserText
from tests.fixtures.crowd import multiply

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    made = [
        User.objects.create_user("zmuller", email="zoe@example.org", first_name="Zoë", last_name="Müller"),
        User.objects.create_user("mbrown", first_name="Mary", last_name="Brown-Green", phone="+1 (555) 0100-7"),
        User.objects.create_user("gone", last_name="Brown", is_active=False, employee_number="E77"),
    ]
    return {user.username: user for user in made}


def names(text: str, **more: Any) -> list[str]:
    return [user.username for user in find.people(User.objects.all(), text, 8, **more)]


@pytest.mark.parametrize("written", [False, True], ids=["before the texts", "with the texts"])
def test_people_are_found_by_any_part(people: dict[str, User], written: bool) -> None:
    if written:
        index.refresh()
        User.objects.update(updated_at=timezone.now() - dt.timedelta(hours=1))  # what is found now is in the texts
    assert names("muller") == names("uelle") == names("ZOË") == ["zmuller"]
    assert names("555 0100") == names("0100-7") == names("+15550100") == ["mbrown"]
    assert names("brown") == ["gone", "mbrown"]  # the whole name first, though they have left
    assert names("row") == ["mbrown", "gone"]  # then who is here
    assert names("e77") == ["gone"]
    assert names("100% sure") == names("") == names("%") == []


def test_an_account_is_found_by_what_its_directory_calls_it(people: dict[str, User]) -> None:
    directory = Directory.objects.create(name="AD", kind="active_directory")
    guid = "6f1c2b7a-0000-4000-8000-00000000abcd"
    Account.objects.create(user=people["gone"], directory=directory, key="m.brown", remote_id=guid)
    assert names(guid) == names(f"{{{guid.upper()}}}") == names("m.brown") == ["gone"]
    assert names("nobody", also=[people["zmuller"].pk]) == ["zmuller"]


def test_only_those_who_may_be_seen_are_found(people: dict[str, User]) -> None:
    index.refresh()
    seen = User.objects.filter(is_active=True)
    assert [user.username for user in find.people(seen, "brown", 8)] == ["mbrown"]
    assert find.people(seen, "e77", 8) == []


def test_an_attribute_is_searched_once_it_is_marked(people: dict[str, User]) -> None:
    badge = AttributeDefinition.objects.create(name="badge", label="Badge", searchable=False)
    User.objects.filter(pk=people["gone"].pk).update(custom_profile={"badge": "Karte 900"})
    index.refresh()
    User.objects.update(updated_at=timezone.now() - dt.timedelta(hours=1))
    index.refresh()
    assert names("karte") == []
    badge.searchable = True
    badge.save()
    index.refresh()
    assert names("karte") == ["gone"]
    badge.delete()
    index.refresh()
    assert names("karte") == []


def test_the_texts_follow_what_changed_and_who_went(people: dict[str, User]) -> None:
    index.refresh()
    with CaptureQueriesContext(connection) as queries:
        index.refresh()
    assert not [each for each in queries if "INSERT" in each["sql"]], "nothing changed"
    people["mbrown"].last_name = "Black"
    people["mbrown"].save()
    gone = people["gone"].pk
    people["gone"].delete()
    index.refresh()
    assert "black" in UserText.objects.get(pk=people["mbrown"].pk).text
    assert names("brown") == ["mbrown"]  # by the user name
    SearchIndex.objects.update(whole_at=timezone.now() - dt.timedelta(days=2))
    index.refresh()
    assert not UserText.objects.filter(pk=gone).exists()


def test_what_a_long_transaction_wrote_is_found_the_day_after_at_the_latest(people: dict[str, User]) -> None:
    index.refresh()
    User.objects.filter(username="mbrown").update(last_name="Late", updated_at=timezone.now() - dt.timedelta(hours=2))
    index.refresh()
    assert names("late") == []
    SearchIndex.objects.update(whole_at=timezone.now() - dt.timedelta(days=2))
    index.refresh()
    assert names("late") == ["mbrown"]


def test_one_worker_writes_at_a_time(people: dict[str, User]) -> None:
    SearchIndex.objects.create(kind="user", busy_until=timezone.now() + dt.timedelta(minutes=1))
    index.refresh()
    assert not UserText.objects.exists()
    SearchIndex.objects.update(busy_until=timezone.now() - dt.timedelta(minutes=1))  # it died
    index.refresh()
    assert UserText.objects.count() == 3


def test_groups_are_found_by_name_and_description() -> None:
    Group.objects.create(name="Führerschein B", description="May drive the vans")
    Group.objects.create(name="Vans")
    assert [group.name for group in find.groups(Group.objects.all(), "vans", 4)] == ["Vans", "Führerschein B"]
    index.refresh()
    Group.objects.update(updated_at=timezone.now() - dt.timedelta(hours=1))
    assert [group.name for group in find.groups(Group.objects.all(), "fuhrer", 4)] == ["Führerschein B"]


TEXTS = """
INSERT INTO search_usertext (user_id, text, seen, version)
SELECT id, ' ' || concat_ws(' ', username_key, first_name_key, last_name_key, replace(phone, ' ', '')), updated_at, 1
FROM provisioning_user
"""


@pytest.mark.heavy
def test_postgresql_answers_from_the_trigrams() -> None:
    """At 30,000 people, no search of theirs reads a whole table: any part, two words, a number, beginnings."""
    one = User.objects.create(username="u0", first_name="Anna0", last_name="Smith0", phone="030 0")
    multiply(
        one, 30_000, username="'u' || n", first_name="'Anna' || n % 40", last_name="'Smith' || n", phone="'030 ' || n"
    )
    User.objects.update(updated_at=timezone.now() - dt.timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute(TEXTS)
    index.refresh()
    some = User.objects.get(username="u29999")
    assert UserText.objects.get(pk=some.pk).text == index.text_of_user(some, []), "as a worker writes it"
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE provisioning_user, search_usertext")
    for text in ("mith29999", "anna7 smith29", "030/29999", "anna sm", "an sm", "nobody", "29 999"):
        with CaptureQueriesContext(connection) as queries:
            find.people(User.objects.all(), text, 8)
            find.ids_of_people(text, 1000)
        asked = [each["sql"] for each in queries if '"search_usertext"' in each["sql"]]
        assert len(asked) == 2
        for sql in asked:
            with connection.cursor() as cursor:
                find._set_plans("off")  # as the search does
                cursor.execute("EXPLAIN " + sql.replace("%", "%%"), [])
                plan = "\n".join(line for (line,) in cursor.fetchall())
                find._set_plans("on")
            assert "search_usertext_trigrams" in plan, f"{text}\n{plan}"
            assert "Seq Scan on provisioning_user" not in plan, f"{text}\n{plan}"


def test_a_search_costs_a_fixed_number_of_queries(django_assert_num_queries: Any) -> None:
    User.objects.bulk_create([User(username=f"u{number}", last_name="Brown") for number in range(30)])
    index.refresh()
    with django_assert_num_queries(11):  # two open and close the transaction, three choose the plans and the time
        assert len(find.people(User.objects.all(), "brown", 8)) == 8

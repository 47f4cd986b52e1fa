import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from provisioning.admin.users.filters import departments
from provisioning.models import Account, Group, Membership, User
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
LIST = "/provisioning/user/"


def names(response) -> list[str]:
    return [user.username for user in response.context["cl"].result_list]


def found(query: str) -> list[str]:
    return names(roll.signed_in(User.objects.get(username="root")).get(f"{LIST}?{query}"))


@pytest.fixture
def people() -> dict[str, User]:
    roll.staff("")
    anna = roll.person(
        "Anna.Berg", first_name="Anna", last_name="Berg", email="a.berg@corp.example", department="Sales"
    )
    ben = roll.person("ben", first_name="Ben", last_name="Annas", employee_number="E77", department="Café")
    cara = roll.person("cara", last_name="Straße", is_active=False, email="x_y@corp.example")
    return {"anna": anna, "ben": ben, "cara": cara}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("anna", ["Anna.Berg", "ben"]),
        ("ANNA berg", ["Anna.Berg"]),
        ("berg ben", []),
        ("A.Berg@", ["Anna.Berg"]),
        ("e77", ["ben"]),
        ("strasse", ["cara"]),
        ("x_y", ["cara"]),
        ("xzy", []),
        ("%", []),
        ("_", []),
        ("'; drop table", []),
    ],
)
def test_search_finds_how_things_begin(people, query: str, expected: list[str]) -> None:
    assert found(f"q={query}") == expected


@pytest.mark.heavy
def test_filters(people) -> None:
    appsdb, other = roll.directory(), roll.directory("Other")
    anna, ben = people["anna"], people["ben"]
    Account.objects.create(user=anna, directory=appsdb, key="a", state="active", last_result="parked")
    Account.objects.create(user=ben, directory=appsdb, key="b", state="disabled")
    Account.objects.create(user=anna, directory=other, key="a", state="disabled")
    group = Group.objects.create(name="Readers")
    Membership.objects.create(group=group, user=ben)

    assert found("active=0") == ["cara"]
    assert found(f"directory={appsdb.pk}") == ["Anna.Berg", "ben"]
    assert found(f"directory={appsdb.pk}&account=disabled") == ["ben"]
    assert found("account=disabled") == ["Anna.Berg", "ben"]
    assert found("account=attention") == ["Anna.Berg"]
    assert found(f"directory={other.pk}&account=attention") == []
    assert found(f"directory={other.pk}&account=none") == ["ben", "cara", "root"]
    assert found("department=Café") == ["ben"]
    assert found("department=-") == ["cara", "root"]
    assert found(f"group={group.pk}") == ["ben"]
    assert found("group=nonsense&directory=x&active=7") == ["Anna.Berg", "ben", "cara", "root"]


@pytest.mark.heavy
def test_each_custom_profile_attribute_is_a_filter(people) -> None:
    roll.definition("badge")
    roll.definition("level", "number")
    roll.definition("remote", "boolean")
    roll.definition("size", "choice", choices=["S", "M"])
    User.objects.filter(username="ben").update(custom_profile={"badge": "B-1", "level": 5, "remote": True, "size": "M"})
    User.objects.filter(username="cara").update(custom_profile={"badge": "B-12", "level": 50, "remote": False})

    assert found("attribute_badge=b-1") == ["ben"]
    assert found("attribute_level=5") == ["ben"]
    assert found("attribute_level=5.0") == ["ben"]
    assert found("attribute_level=five") == []
    assert found("attribute_remote=false") == ["cara"]
    assert found("attribute_size=M") == ["ben"]
    assert found("attribute_size=M&attribute_remote=false") == []


def test_departments_are_listed_once_and_without_the_blank(people) -> None:
    roll.person("dora", department="Sales")
    assert departments() == ["Café", "Sales"]


@pytest.mark.heavy
def test_the_list_costs_the_same_for_one_and_for_fifty(django_assert_max_num_queries) -> None:
    client, appsdb = roll.root(), roll.directory()

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(LIST).status_code == 200
        assert not [query for query in queries if 'COUNT(*) AS "__count" FROM "provisioning_user"' in query["sql"]]
        return len(queries)

    cost()
    before = cost()
    users = User.objects.bulk_create([User(username=f"u{number:03}") for number in range(60)])
    Account.objects.bulk_create([Account(user=user, directory=appsdb, key=user.username) for user in users])
    assert cost() == before
    assert before <= 18


def test_every_query_of_the_list_is_narrow(people) -> None:
    """Passwords and JSON of fifty people have no business on the list."""
    client = roll.signed_in(User.objects.get(username="root"))
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    listing = [query["sql"] for query in queries if 'ORDER BY "provisioning_user"."username_key"' in query["sql"]]
    assert listing
    assert not any("custom_profile" in sql or '"password"' in sql for sql in listing)


@pytest.mark.heavy
def test_sorting_always_ends_in_something_unique(people) -> None:
    for column in (1, 2, 3):
        client = roll.signed_in(User.objects.get(username="root"))
        ordering = client.get(f"{LIST}?o={column}").context["cl"].queryset.query.order_by
        assert str(ordering[-1]).strip("-") in {"pk", "username_key"}


def test_account_words_on_the_list(people) -> None:
    appsdb = roll.directory("APPSDB <b>")
    Account.objects.create(user=people["anna"], directory=appsdb, key="a", state="active", last_result="parked")
    page = roll.words(roll.signed_in(User.objects.get(username="root")).get(LIST))
    assert "APPSDB &lt;b&gt;: needs attention" in page


def test_the_manager_is_found_by_typing(people) -> None:
    client = roll.signed_in(User.objects.get(username="root"))
    query = "app_label=provisioning&model_name=user&field_name=manager&term=an"
    results = client.get(f"/autocomplete/?{query}").json()["results"]
    assert [result["text"] for result in results] == ["Anna Berg (Anna.Berg)", "Ben Annas (ben)"]


@pytest.mark.parametrize(
    "query",
    [
        "is_superuser=1",
        "is_superuser__exact=1",
        "is_staff=1",
        "groups=1",
        "password__startswith=a",
        "last_login__year=2026",
    ],
)
def test_the_address_asks_no_more_than_the_filters_do(people, query: str) -> None:
    for client in (roll.helpdesk(), roll.signed_in(User.objects.get(username="root"))):
        assert client.get(f"{LIST}?{query}").status_code in {302, 400}, "refused, or led to the whole list"

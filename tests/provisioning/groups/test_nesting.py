"""Groups in groups: who is in which in effect, and circles that end."""

import pytest

from provisioning.groups import nesting
from provisioning.identities import membership
from provisioning.models import Group, Membership, User
from provisioning.outbound.digests import place_digest
from reports.models import Event

pytestmark = pytest.mark.django_db


def group(name: str, *users: User) -> Group:
    made = Group.objects.create(name=name)
    membership.add(made, [user.pk for user in users], "tester")
    return made


def person(name: str) -> User:
    return User.objects.create(username=name)


def test_effective_members_come_through_every_level_and_each_counts_once(
    django_assert_num_queries: "pytest.FixtureRequest",
) -> None:
    ann, bob, cid = map(person, ("ann", "bob", "cid"))
    top, middle, bottom = group("Top", ann), group("Middle", bob), group("Bottom", cid, ann)
    membership.add_child(top, middle, "tester")
    membership.add_child(middle, bottom, "tester")
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert set(nesting.effective_users(top.pk)) == {ann.pk, bob.pk, cid.pk}
    assert set(nesting.effective_users(top.pk, among=[cid.pk])) == {cid.pk}
    assert set(nesting.effective_users(bottom.pk)) == {ann.pk, cid.pk}
    assert nesting.below([top.pk]) == {top.pk, middle.pk, bottom.pk}
    assert nesting.above([bottom.pk]) == {top.pk, middle.pk, bottom.pk}
    assert nesting.above([top.pk]) == {top.pk}
    assert nesting.below([]) == set()


def test_a_circle_ends() -> None:
    ann, bob = map(person, ("ann", "bob"))
    one, two = group("One", ann), group("Two", bob)
    membership.add_child(one, two, "tester")
    membership.add_child(two, one, "tester")
    for start in (one, two):
        assert set(nesting.effective_users(start.pk)) == {ann.pk, bob.pk}
        assert nesting.above([start.pk]) == nesting.below([start.pk]) == {one.pk, two.pk}


def test_a_group_in_itself_is_refused() -> None:
    one = group("One")
    with pytest.raises(ValueError, match="itself"):
        membership.add_child(one, one, "tester")


def test_adding_and_removing_count_and_record_what_changed() -> None:
    ann, bob = map(person, ("ann", "bob"))
    made = group("One", ann)
    assert membership.add(made, [ann.pk, bob.pk], "tester", via="Okta") == 1
    assert membership.remove(made, [ann.pk], "tester", via="Okta") == 1
    assert membership.remove(made, [ann.pk], "tester") == 0
    lines = Event.objects.filter(application="Okta").order_by("pk").values_list("identifier", "direction")
    assert list(lines) == [("bob", "in"), ("ann", "in")]


def test_children_come_and_go_once() -> None:
    one, two = group("One"), group("Two")
    assert [membership.add_child(one, two, "tester") for _ in range(2)] == [True, False]
    assert [membership.remove_child(one, two, "tester") for _ in range(2)] == [True, False]
    assert Event.objects.filter(identifier="Two").count() == 2


@pytest.mark.heavy
@pytest.mark.parametrize("number", [2500])
def test_many_members_are_pages_of_statements(number: int, django_assert_max_num_queries: object) -> None:
    made = Group.objects.create(name="Many")
    User.objects.bulk_create(User(username=f"user{n}") for n in range(number))
    ids = list(User.objects.values_list("pk", flat=True))
    with django_assert_max_num_queries(31):  # type: ignore[operator]
        assert membership.add(made, ids, "tester") == number
    with django_assert_max_num_queries(31):  # type: ignore[operator]
        assert membership.remove(made, ids, "tester") == number
    assert not Membership.objects.exists()


def test_places_are_short_and_nothing_stays_nothing() -> None:
    assert place_digest("") == ""
    assert len(place_digest("uid=ann,dc=example,dc=org" * 50)) == 40
    assert place_digest("a") != place_digest("b")

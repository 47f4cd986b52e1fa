"""A change of an application's settings says first for how many people and groups, and asks where that is many."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.described.document import DocumentError
from provisioning.blueprints.apply import apply
from provisioning.models import Group, Membership, User
from provisioning.roles import IT_STAFF
from scim.models import Client, ClientMapping, GroupLink, Reach, UserLink
from scim.upkeep import impact
from tests.provisioning.admin.pages import form_values, text
from tests.scim.conftest import make_client

pytestmark = pytest.mark.django_db
NEXT_SYNC = "the next sync of the identity provider may deactivate or create them anew"


@pytest.fixture
def it_staff() -> Browser:
    user = User.objects.create_user("it", is_staff=True, provisioned=False)
    user.groups.add(Role.objects.get(name=IT_STAFF))
    browser = Browser()
    browser.force_login(user)
    return browser


def people(number: int, knows: Client | None = None, prefix: str = "user", **fields: Any) -> list[User]:
    """Make people by statements; ``knows`` is the application that knows them."""
    users = User.objects.bulk_create(
        User(username=f"{prefix}{n}", username_key=f"{prefix}{n}", **fields) for n in range(number)
    )
    if knows is not None:
        UserLink.objects.bulk_create(UserLink(client=knows, user=user) for user in users)
    return users


def groups_of(client: Client, number: int, *, owned: bool = True) -> None:
    """Make groups that the application knows."""
    for n in range(number):
        group = Group.objects.create(name=f"group {n} {owned}")
        GroupLink.objects.create(client=client, group=group, owned=owned)


def address(client: Client) -> str:
    return f"/scim/client/{client.pk}/change/"


def form_of(browser: Browser, client: Client, **changes: Any) -> dict[str, Any]:
    """Return the form with other values; None takes one out."""
    values: dict[str, Any] = {**form_values(browser.get(address(client)), "scim_form"), **changes}
    return {name: value for name, value in values.items() if value is not None}


def of_switches(client: Client, **changes: Any) -> Sequence[str]:
    """Return what other switches would do."""
    now = impact.stored(client)
    new = Client.objects.get(pk=client.pk)
    for name, value in changes.items():
        setattr(new, name, value)
    found = impact.of_change(now, replace(now, client=new))
    return found.sentences if found else []


@pytest.mark.heavy
def test_less_sight_says_how_many_go_out_of_it_and_asks_for_the_number(it_staff: Browser) -> None:
    client = make_client().client
    people(10, client, "known")
    people(240)
    UserLink.objects.bulk_create(  # whom it deleted it never sees
        UserLink(client=client, user=user, deleted_at=timezone.now()) for user in people(3, prefix="gone")
    )
    asked = it_staff.post(address(client), form_of(it_staff, client, reach="own"))
    assert f"It would not see 240 of 250 people any more: {NEXT_SYNC}." in text(asked)
    assert "Nothing is saved yet" in text(asked)
    assert "It would not see 240 of 250 people any more; the limit is 50." in text(asked)
    assert "Type the largest of these numbers, 240" in text(asked)
    assert len(asked.context["question"].impact.samples) == 5
    assert all(f'<th scope="row">user{n}</th>' in text(asked) for n in range(5)), "examples by name"

    again = form_values(asked, "scim_form")
    assert again["reach"] == ["own"], "what was typed is still there"
    token = asked.context["question"].token
    for typed in ("", "239", "all"):
        wrong = it_staff.post(address(client), again | {"confirmed": token, "confirmed_number": typed})
        assert "That is another number" in text(wrong)
    assert Client.objects.get().reach == Reach.ALL
    people(1, prefix="later")
    changed = it_staff.post(address(client), again | {"confirmed": token, "confirmed_number": "240"})
    assert "not see 241 of 251 people" in text(changed), "what is confirmed is what was shown"
    confirmed = {"confirmed": changed.context["question"].token, "confirmed_number": "241"}
    assert it_staff.post(address(client), again | confirmed).status_code == 302
    assert Client.objects.get().reach == Reach.OWN


@pytest.mark.heavy
def test_few_people_and_what_reaches_nobody_are_saved_at_once(it_staff: Browser) -> None:
    client = make_client().client
    people(5)
    assert it_staff.post(address(client), form_of(it_staff, client, reach="own")).status_code == 302
    people(50, prefix="more")
    harmless = form_of(it_staff, client, name="Okta of ours", provider="okta", recycle_days="9", deactivate_users=None)
    assert it_staff.post(address(client), harmless).status_code == 302, "it knows nobody"
    client.refresh_from_db()
    assert (client.name, client.reach, client.deactivate_users) == ("Okta of ours", Reach.OWN, False)


def test_more_sight_and_what_it_may_do_then() -> None:
    client = make_client(reach=Reach.OWN, delete_users=False, sync_groups=False).client
    people(10, client, "known")
    people(30)
    groups_of(client, 2)
    groups_of(client, 3, owned=False)
    assert of_switches(client, reach=Reach.ALL, delete_users=True, sync_groups=True) == [
        "It would see 30 people whom it does not see now, 40 in all: it may do with them what its switches say.",
        "It would see 3 groups that it does not see now, 5 in all.",
        "It would be allowed to delete 40 people.",
        "It would be allowed to rename and delete 5 groups.",
    ]
    assert of_switches(client, delete_users=True, sync_groups=True) == [
        "It would be allowed to delete 10 people.",
        "It would be allowed to rename and delete 2 groups.",
    ]


def test_groups_go_out_of_sight_as_people_do() -> None:
    client = make_client().client
    groups_of(client, 2)
    groups_of(client, 7, owned=False)
    told = "It would not see 7 of 9 groups any more: a group of the same name is a conflict then."
    assert of_switches(client, reach=Reach.OWN) == [told]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"deactivate_users": False},
            "no longer be allowed to deactivate 12 people that it knows: who leaves there keeps their access here.",
        ),
        (
            {"update_users": False},
            "no longer be allowed to change 12 people that it knows: what is changed there stays as it is here.",
        ),
        (
            {"delete_users": False},
            "no longer be allowed to delete 12 people that it knows: its requests to delete somebody are refused.",
        ),
        ({"read": False}, "no longer be allowed to look up 12 people that it knows: most products ask"),
        ({"sync_members": False}, "no longer be allowed to change the members of 1 group: who joins or leaves"),
        ({"enabled": False}, "be refused everything it asks about 12 people and 1 group."),
        ({"allow_bearer": False}, "no longer be let in by a token in the header: if it signs in that way, 12 people"),
        (
            {"delete_deactivated": True, "recycle_days": 7},
            "delete people from the portal 7 days after it deactivates them: 2 of the 12 people that it knows are",
        ),
        ({"match": "email"}, "recognise 8 people whom it does not know yet by the same e-mail address."),
        ({"match": "none"}, "refuse to take over 8 people whom it does not know yet."),
    ],
)
def test_each_switch_says_for_how_many(changes: dict[str, Any], told: str) -> None:
    client = make_client().client
    people(10, client, "known")
    people(2, client, "left", is_active=False)
    people(8)
    groups_of(client, 1)
    (sentence,) = of_switches(client, **changes)
    assert sentence.startswith(f"It would {told}")


def test_deletions_that_are_waiting_are_counted_and_sooner_ones_told() -> None:
    client = make_client(delete_deactivated=True, recycle_days=30).client
    people(9, client)
    UserLink.objects.filter(user__username__in=["user1", "user2"]).update(leaves_at=timezone.now())
    assert of_switches(client, delete_deactivated=False) == ["It would keep 2 people who are to be deleted."]
    assert of_switches(client, recycle_days=60) == []
    assert of_switches(client, recycle_days=1) == [
        "It would delete people from the portal 1 day after it deactivates them, not 30: it knows 9 people."
    ]


def remapped(browser: Browser, client: Client, attribute: str, path: str) -> dict[str, Any]:
    """Return the form with another SCIM attribute for a portal attribute; "" takes the row out."""
    values = form_of(browser, client)
    row = values["mapping_profile"].index(attribute)
    values["mapping_attribute"][row] = path
    if not path:
        values["mapping_profile"][row] = ""
    return values


@pytest.mark.heavy
def test_another_attribute_says_whose_values_are_read_from_it(it_staff: Browser) -> None:
    client = make_client().client
    people(15, client, phone="+49 1")
    people(5, client, "silent")
    values = remapped(it_staff, client, "phone", 'phoneNumbers[type eq "other"].value')
    asked = it_staff.post(address(client), values)
    question = asked.context["question"]
    assert question.impact.sentences == [
        'It would read “Phone” of 20 people from phoneNumbers[type eq "other"].value'
        ' instead of phoneNumbers[type eq "work"].value.',
        "It would replace 15 values of “Phone”: where it sends none there, the value is lost.",
    ]
    assert question.number == 20
    assert "It would replace 15 values of “Phone”; the limit is 10 %." in text(asked)
    assert question.impact.samples[0].changes["Phone"][0] == "+49 1"
    assert ClientMapping.objects.filter(scim_path='phoneNumbers[type eq "work"].value').exists()
    confirmed = {"confirmed": question.token, "confirmed_number": "20"}
    assert it_staff.post(address(client), values | confirmed).status_code == 302
    assert not ClientMapping.objects.filter(scim_path='phoneNumbers[type eq "work"].value').exists()

    back = f"/scim/client/{client.pk}/default-mapping/"
    asked = it_staff.post(back)
    assert "replace 15 values of “Phone”" in text(asked)
    assert not ClientMapping.objects.filter(scim_path='phoneNumbers[type eq "work"].value').exists()
    confirmed["confirmed"] = asked.context["question"].token
    assert it_staff.post(back, confirmed).status_code == 302
    assert ClientMapping.objects.filter(scim_path='phoneNumbers[type eq "work"].value').exists()


@pytest.mark.heavy
def test_a_state_that_is_no_longer_read_leaves_access(it_staff: Browser) -> None:
    client = make_client().client
    people(8, client)
    asked = it_staff.post(address(client), remapped(it_staff, client, "active", ""))
    told = "It would no longer bring “Active” of 8 people: who leaves there keeps their access here."
    assert told in asked.context["question"].impact.sentences


def test_what_is_required_and_shown_otherwise_is_told() -> None:
    client = make_client().client
    people(9, client, title="Nurse")
    people(2, client, "silent")
    people(4, prefix="other")
    now = impact.stored(client)
    rows = impact.stored(client).users
    for row in rows:
        row.required = row.required or row.portal_attribute == "title"
    shown = ClientMapping(scim_path="nickName", portal_attribute="first_name", direction="out")
    found = impact.of_change(now, replace(now, users=[*rows, shown]))
    assert found is not None
    assert found.sentences == [
        "It would have what it sends of 2 people refused as long as that lacks “Title”.",
        "It would be shown nickName of 15 people otherwise: it may answer with its own values.",
    ]


@pytest.mark.heavy
def test_groups_that_are_mapped_otherwise_are_counted(it_staff: Browser) -> None:
    client = make_client().client
    groups_of(client, 6)
    asked = it_staff.post(address(client), form_of(it_staff, client, group_name_expression="{{ 'Okta ' ~ value }}"))
    question = asked.context["question"]
    assert question.impact.sentences == ["It would map the name of 6 groups otherwise, when it pushes them next."]
    assert (question.number, question.impact.samples) == (None, [])
    assert (
        it_staff.post(
            address(client),
            form_of(it_staff, client, group_name_expression="{{ 'Okta ' ~ value }}", confirmed=question.token),
        ).status_code
        == 302
    )
    assert ClientMapping.objects.filter(expression__contains="Okta").exists()


@pytest.mark.heavy
def test_memberships_of_groups_have_their_limit(it_staff: Browser) -> None:
    client = make_client().client
    groups_of(client, 2)
    groups_of(client, 1, owned=False)
    users, known = people(40), list(Group.objects.order_by("pk"))
    Membership.objects.bulk_create(Membership(group=group, user=user) for group in known for user in users)
    Membership.objects.filter(group=known[2], user__in=users[10:]).delete()
    asked = it_staff.post(address(client), form_of(it_staff, client, sync_members=None))
    question = asked.context["question"]
    told = "It would no longer be allowed to change the members of 3 groups with 90 memberships"
    assert question.impact.sentences == [f"{told}: who joins or leaves them there does not here."]
    assert question.limits == [f"{told}; the limit is 20 %."]
    assert question.number == 90
    assert Client.objects.get().sync_members
    confirmed = {"confirmed": question.token, "confirmed_number": "90"}
    saved = it_staff.post(address(client), form_of(it_staff, client, sync_members=None) | confirmed)
    assert saved.status_code == 302
    assert not Client.objects.get().sync_members
    assert "It would not see 1 of 3 groups any more: they have 10 memberships, and a group of the same name" in str(
        of_switches(client, reach=Reach.OWN)
    )


@pytest.mark.heavy
def test_switching_off_asks_once_and_needs_no_number(it_staff: Browser) -> None:
    client = make_client().client
    people(80, client)
    off = f"/scim/client/{client.pk}/disable/"
    asked = it_staff.post(off)
    assert "It would be refused everything it asks about 80 people and 0 groups." in text(asked)
    assert text(asked).count(f'formaction="{off}"') == 2, "in the menu and with the question"
    assert Client.objects.get().enabled
    assert asked.context["question"].number is None
    assert it_staff.post(off, {"confirmed": asked.context["question"].token}).status_code == 302
    assert not Client.objects.get().enabled


def everything(client: Client) -> CaptureQueriesContext:
    """Reckon a change of everything, and return which queries that took."""
    now = impact.stored(client)
    new = Client.objects.get(pk=client.pk)
    new.reach, new.deactivate_users, new.sync_groups, new.delete_deactivated = Reach.OWN, False, False, True
    with CaptureQueriesContext(connection) as asked:
        found = impact.of_change(now, replace(now, client=new, users=now.users[:3], groups=()))
    assert found is not None
    assert len(found.effects) > 20
    return asked


@pytest.mark.heavy
def test_the_queries_do_not_grow_with_people() -> None:
    client = make_client().client
    groups_of(client, 1)
    people(6, client)
    few = len(everything(client))
    people(200, client, "known")
    people(300, prefix="other")
    groups_of(client, 9, owned=False)
    assert len(everything(client)) == few
    assert few <= 12


@pytest.mark.heavy
def test_a_blueprint_says_the_same_and_wants_the_number_over_a_limit() -> None:
    client = make_client().client
    people(10, client, "known")
    people(240)
    wanted = "version: 1\nscim_applications:\n  - name: Okta\n    reach: own\n"
    told = f"SCIM application Okta: It would not see 240 of 250 people any more: {NEXT_SYNC}."
    assert apply(wanted, actor="tests", check=True).impacts == [told]
    for number in (None, 239):
        with pytest.raises(DocumentError, match="--number 240"):
            apply(wanted, actor="tests", number=number)
    assert Client.objects.get().reach == Reach.ALL
    assert apply(wanted, actor="tests", number=240).impacts == [told]
    assert Client.objects.get().reach == Reach.OWN
    assert apply(wanted, actor="tests").impacts == []

"""Roles with an end: they stop at their moment, are told before and put away after; each source by itself."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import Role
from config.sso import people
from config.sso.models import IdentityProvider, RoleMapping
from config.tasks import tidy_grants
from provisioning import services
from provisioning.models import Grant, User
from provisioning.notices.causes import CAUSES
from provisioning.notices.models import Notice
from provisioning.notices.watch import how_told, watch
from provisioning.requests.approvers import runners
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from reports.models import Event, Evidence, SavedFilter
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
PEOPLE = "/provisioning/user/"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def helen() -> User:
    return User.objects.create_user("helen", is_staff=True, provisioned=False, email="helen@example.org")


def role(name: str = HELPDESK) -> Role:
    return Role.objects.get(name=name)


def roles_page(user: User) -> str:
    return f"/portal/staff/{user.pk}/roles/"


def given(client: Client, user: User, until: dt.datetime | None, **more: Any) -> Any:
    end = f"{timezone.localtime(until):%Y-%m-%dT%H:%M}" if until else ""
    return client.post(roles_page(user), {"role": role().pk, "until": end, "reason": "INC-12", **more}, follow=True)


def ends(user: User, *, ago: dt.timedelta) -> None:
    """Let the end of what somebody has be that long ago."""
    Grant.objects.filter(user=user).update(until=timezone.now() - ago)


def test_a_role_with_an_end_says_from_whom_why_and_until_when(helen: User) -> None:
    root = roll.root()
    until = timezone.now() + 30 * HOUR
    page = given(root, helen, until)
    assert page.status_code == 200
    grant = Grant.objects.get(user=helen)
    assert (grant.role, grant.given_by, grant.reason, grant.source) == (role(), "root", "INC-12", "")
    assert grant.until == until.replace(second=0, microsecond=0)
    day = f"{timezone.localtime(until):%Y-%m-%d %H:%M}"
    for words in (roll.words(page), roll.words(root.get(f"{PEOPLE}{helen.pk}/change/"))):
        assert "Helpdesk, from root since" in words
        assert "INC-12" in words
    event = Event.objects.get(user_id=helen.pk, message__startswith="The roles of helen")
    assert (event.actor, event.changes) == ("root", {"Roles": ["", f"Helpdesk until {day}"]})
    assert "INC-12" in event.message
    kept = Evidence.objects.order_by("seq").last()
    assert kept is not None
    assert kept.payload["changes"] == {"Roles": [[], [f"Helpdesk until {day}"]]}
    auditor = roll.signed_in(roll.staff(AUDITOR))
    for address in ("/portal/staff/", f"{PEOPLE}{helen.pk}/change/"):
        assert f"Helpdesk until {day}" in roll.words(auditor.get(address))


def test_it_stops_at_its_moment_with_nothing_that_runs(helen: User) -> None:
    given(roll.root(), helen, timezone.now() + HOUR)
    client = roll.signed_in(helen)
    assert client.get(PEOPLE).status_code == 200
    ends(helen, ago=dt.timedelta(seconds=1))
    assert client.get(PEOPLE).status_code == 403
    assert client.get("/api/v1/users").status_code == 403
    assert Grant.objects.filter(user=helen).exists()
    assert not helen.roles.exists()


def test_what_ended_shares_no_filter_and_tells_no_notice(helen: User) -> None:
    root = roll.root()
    services.give_role(helen, role(), "root", until=timezone.now() + HOUR)
    services.give_role(helen, role(AUDITOR), "root", until=timezone.now() - HOUR)
    kept = {"user": User.objects.get(username="root"), "filters": {"operation": "update"}}
    SavedFilter.objects.create(name="Of auditors", role=role(AUDITOR), **kept)
    SavedFilter.objects.create(name="Of the desk", role=role(), **kept)
    words = roll.words(roll.signed_in(helen).get("/reports/event/"))
    assert "Of the desk" in words
    assert "Of auditors" not in words
    assert helen.pk not in how_told(CAUSES["grant_ends"])
    services.give_role(helen, role(AUDITOR), "root", until=timezone.now() + HOUR)
    assert helen.pk in how_told(CAUSES["grant_ends"])
    assert root


def test_what_ended_is_put_away_with_a_line(helen: User) -> None:
    services.give_role(helen, role(), "root", until=timezone.now() - HOUR)
    services.give_role(helen, role(AUDITOR), "root", until=timezone.now() + HOUR)
    before = Evidence.objects.count()
    tidy_grants()
    assert [one.role.name for one in Grant.objects.filter(user=helen)] == [AUDITOR]
    line = Event.objects.latest("id")
    assert line.message == "The role Helpdesk of helen ended. It was given by root."
    assert line.actor == "the end of its time"
    assert Evidence.objects.count() == before + 1
    tidy_grants()
    assert Evidence.objects.count() == before + 1


def test_putting_many_away_takes_the_same_statements() -> None:
    def over(number: int) -> None:
        for one in range(number):
            user = User.objects.create_user(f"d{number}-{one}", is_staff=True, provisioned=False)
            Grant.objects.create(user=user, role=role(), until=timezone.now() - HOUR)

    counts = []
    for number in (1, 20):
        over(number)
        with CaptureQueriesContext(connection) as asked:
            assert services.tidy_grants() == number
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_end_is_told_before(helen: User) -> None:
    roll.root()
    grant = services.give_role(helen, role(), "root", until=timezone.now() + dt.timedelta(days=8))
    watch()
    assert not Notice.objects.filter(cause="grant_ends").exists()
    Grant.objects.filter(pk=grant.pk).update(until=timezone.now() + dt.timedelta(days=6))
    watch()
    notice = Notice.objects.get(cause="grant_ends")
    assert notice.title.startswith("The role Helpdesk of helen ends on ")
    assert notice.path == roles_page(helen)
    ends(helen, ago=HOUR)
    watch()
    notice.refresh_from_db()
    assert notice.closed_at is not None


def test_no_end_in_the_past_and_no_role_without_a_reason(helen: User) -> None:
    root = roll.root()
    assert "This moment is over." in roll.words(given(root, helen, timezone.now() - HOUR))
    assert given(root, helen, None, reason="").context["form"].errors["reason"]
    assert not Grant.objects.exists()


def test_only_superusers_give_and_take(helen: User) -> None:
    grant = services.give_role(helen, role(), "root")
    for name, seen in ((AUDITOR, 200), (IT_STAFF, 403), (HELPDESK, 403)):
        client = roll.signed_in(roll.staff(name))
        assert client.get(roles_page(helen)).status_code == seen
        assert given(client, helen, None).status_code == 403
        assert client.post(f"{roles_page(helen)}{grant.pk}/take/").status_code == 403
    root = roll.root()
    other = roll.staff(HELPDESK, "other")
    assert root.post(f"{roles_page(other)}{grant.pk}/take/").status_code == 404
    assert root.post(f"{roles_page(helen)}{grant.pk}/take/").status_code == 302
    assert not Grant.objects.filter(user=helen).exists()


def test_the_boxes_of_the_user_page_keep_an_end_and_what_comes_from_elsewhere(helen: User) -> None:
    root = roll.root()
    until = timezone.now() + HOUR
    services.give_role(helen, role(), "root", reason="INC-12", until=until)
    services.set_roles(helen, [role(AUDITOR)], "the groups of Keycloak", source="keycloak")
    form = roll.form(is_staff="on", groups=[role().pk, role(IT_STAFF).pk])
    assert root.post(f"{PEOPLE}{helen.pk}/change/", form).status_code == 302
    held = {(one.role.name, one.source, one.until) for one in Grant.objects.filter(user=helen)}
    assert held == {(HELPDESK, "", until), (IT_STAFF, "", None), (AUDITOR, "keycloak", None)}
    root.post(f"{PEOPLE}{helen.pk}/change/", roll.form(is_staff="on", groups=[]))
    assert [one.source for one in Grant.objects.filter(user=helen)] == ["keycloak"]


def test_a_page_that_is_older_than_the_end_of_a_role_does_not_begin_it_anew(helen: User) -> None:
    root, page = roll.root(), f"{PEOPLE}{helen.pk}/change/"
    services.give_role(helen, role(), "root", reason="INC-12", until=timezone.now() + HOUR)
    html = root.get(page).content.decode()
    assert f'name="initial-groups" value="{role().pk}"' in html
    ends(helen, ago=HOUR)
    services.give_role(helen, role(AUDITOR), "root")  # meanwhile, on the roles page
    form = roll.form(is_staff="on", groups=[role().pk, role(IT_STAFF).pk]) | {"initial-groups": [role().pk]}
    assert root.post(page, form).status_code == 302
    assert {one.name for one in User.objects.get(pk=helen.pk).roles} == {AUDITOR, IT_STAFF}
    root.post(page, roll.form(is_staff="on", groups=[role(IT_STAFF).pk]) | {"initial-groups": [""]})
    assert {one.name for one in User.objects.get(pk=helen.pk).roles} == {AUDITOR, IT_STAFF}


@pytest.mark.parametrize(("until", "within", "decides"), [(None, None, True), (-HOUR, None, False), (None, {}, False)])
def test_what_ended_or_is_for_some_people_decides_no_requests(
    helen: User, until: dt.timedelta | None, within: Any, decides: bool
) -> None:
    end = timezone.now() + until if until else None
    services.give_role(helen, role(IT_STAFF), "root", until=end, within=within)
    assert (helen in runners()) is decides


@pytest.fixture
def keycloak() -> IdentityProvider:
    made = IdentityProvider.objects.create(name="Keycloak", slug="keycloak", issuer="https://id.example.org")
    RoleMapping.objects.create(provider=made, group="desk", role=role())
    return made


def test_neither_source_undoes_the_other(keycloak: IdentityProvider, helen: User) -> None:
    services.give_role(helen, role(), "root", reason="INC-12", until=timezone.now() + HOUR)
    people.give_roles(keycloak, helen, {"groups": ["desk"]})
    assert {one.source for one in Grant.objects.filter(user=helen)} == {"", "keycloak"}
    ends(helen, ago=HOUR)
    Grant.objects.filter(source="keycloak").update(until=None)
    tidy_grants()
    assert [one.source for one in Grant.objects.filter(user=helen)] == ["keycloak"]
    assert roll.signed_in(helen).get(PEOPLE).status_code == 200
    words = roll.words(roll.root().get(f"{PEOPLE}{helen.pk}/change/"))
    assert "Helpdesk, by the groups of Keycloak since" in words
    services.give_role(helen, role(), "root")
    people.give_roles(keycloak, helen, {"groups": []})
    assert [one.source for one in Grant.objects.filter(user=helen)] == [""]
    helen.refresh_from_db()
    assert helen.is_staff


def test_who_became_staff_by_a_provider_stays_it_while_a_person_gave_a_role(keycloak: IdentityProvider) -> None:
    anna = User.objects.create_user("anna", provisioned=False)
    people.give_roles(keycloak, anna, {"groups": ["desk"]})
    services.give_role(anna, role(AUDITOR), "root")
    people.give_roles(keycloak, anna, {"groups": []})
    anna.refresh_from_db()
    assert (anna.is_staff, [one.name for one in anna.roles]) == (True, [AUDITOR])
    ends(anna, ago=HOUR)
    people.give_roles(keycloak, anna, {"groups": []})
    anna.refresh_from_db()
    assert not anna.is_staff, "the provider made them staff, and nothing is left"


def test_what_a_deleted_provider_gave_stays_by_hand(keycloak: IdentityProvider, helen: User) -> None:
    people.give_roles(keycloak, helen, {"groups": ["desk"]})
    roll.root().post(f"/sso/identityprovider/{keycloak.pk}/delete/", {"post": "yes"})
    assert not IdentityProvider.objects.exists()
    assert [(one.role.name, one.source) for one in Grant.objects.filter(user=helen)] == [(HELPDESK, "")]


def test_what_a_deleted_provider_gave_is_no_less_because_a_person_gave_less(
    keycloak: IdentityProvider, helen: User
) -> None:
    people.give_roles(keycloak, helen, {"groups": ["desk"]})
    services.give_role(helen, role(), "root", until=timezone.now() + HOUR)
    roll.root().post(f"/sso/identityprovider/{keycloak.pk}/delete/", {"post": "yes"})
    [left] = Grant.objects.filter(user=helen)
    assert (left.source, left.until) == ("", None)

import datetime as dt
import re

import pytest

from provisioning.models import Account, Change, User
from provisioning.models.accounts import LastResult
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
ADD = "/provisioning/user/add/"


def errors(response) -> dict[str, list[str]]:
    return dict(response.context["adminform"].form.errors)


def change(user: User) -> str:
    return f"/provisioning/user/{user.pk}/change/"


def test_add_a_user_with_the_first_tab_only(it_staff, django_capture_on_commit_callbacks) -> None:
    appsdb = roll.directory(create_users=True)
    response = it_staff.post(ADD, roll.form(username="Anna.Berg", first_name="Anna", last_name="Berg", department="IT"))
    assert response.status_code == 302, errors(response)
    assert response.url == "/provisioning/user/"
    user = User.objects.get(username="Anna.Berg")
    assert user.is_active
    assert user.provisioned
    assert not user.has_usable_password()
    change = Change.objects.get(account__user=user, account__directory=appsdb)
    assert change.actor == "user-IT staff"
    line = Event.objects.get(operation="create", user_id=user.pk)
    assert line.message == "Anna Berg (Anna.Berg) was added to the portal."
    assert line.actor == "user-IT staff"
    assert line.changes["Department"] == [None, "IT"]
    assert "Active" not in line.changes


@pytest.mark.heavy
def test_a_name_is_taken_whatever_its_case(it_staff) -> None:
    roll.person("Anna.Berg")
    said = errors(it_staff.post(ADD, roll.form(username="anna.berg")))["username"]
    assert said == ["anna.berg is taken by Anna.Berg: user names are one whatever their case."]
    assert errors(it_staff.post(ADD, roll.form(username="Anna.Berg")))["username"] == ["Anna.Berg is taken already."]


@pytest.mark.heavy
def test_the_user_name_is_shown_and_not_changed(it_staff) -> None:
    user = roll.person("anna")
    page = roll.words(it_staff.get(change(user)))
    assert 'name="username"' not in page
    response = it_staff.post(change(user), roll.form(username="eve", title="Clerk"))
    assert response.status_code == 302, errors(response)
    user.refresh_from_db()
    assert (user.username, user.title) == ("anna", "Clerk")


def test_a_change_is_told_with_its_difference(it_staff) -> None:
    boss, user = roll.person("boss"), roll.person("anna", first_name="Anna", department="IT")
    it_staff.post(change(user), roll.form(first_name="Anna", department="Sales", manager=boss.pk))
    line = Event.objects.get(operation="update", user_id=user.pk)
    assert line.changes == {"Department": ["IT", "Sales"], "Manager (user name)": [None, "boss"]}
    assert line.actor == "user-IT staff"
    it_staff.post(change(user), roll.form(first_name="Anna", department="Sales", manager=boss.pk))
    assert Event.objects.filter(user_id=user.pk, operation="update").count() == 1  # nothing changed, nothing told


@pytest.mark.parametrize(
    ("shown", "typed", "expected"),
    [
        ("Katrin Weber", "Katrin Weber", "Katrin Weber-Lang"),  # it was the two names, so it follows
        ("Kat", "Kat", "Kat"),  # somebody chose it
        ("Katrin Weber", "K. Weber", "K. Weber"),  # somebody chooses it now
        ("", "", ""),
    ],
)
def test_a_display_name_follows_the_names_it_was_made_of(it_staff, shown: str, typed: str, expected: str) -> None:
    user = roll.person("kweber", first_name="Katrin", last_name="Weber", display_name=shown)
    names = {"first_name": "Katrin", "last_name": "Weber-Lang", "display_name": typed}
    page = roll.words(it_staff.post(change(user), roll.form(**names, is_active="on"), follow=True))
    user.refresh_from_db()
    assert user.display_name == expected
    assert ("The display name followed: Katrin Weber-Lang." in page) == (shown != expected and shown == typed)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("email", "nobody", "valid email"),
        ("locale", "english please", "not a locale"),
        ("time_zone", "Berlin", "not a time zone"),
        ("manager", "self", "own manager"),
    ],
)
def test_refused_values(it_staff, field: str, value: str, words: str) -> None:
    user = roll.person("anna")
    said = errors(it_staff.post(change(user), roll.form(**{field: user.pk if value == "self" else value})))
    assert words in said[field][0]


@pytest.mark.heavy
def test_what_a_directory_brought_in_stops_nobody(it_staff) -> None:
    user = roll.person("anna", locale="german", custom_profile={"size": "XXL"})
    roll.definition("size", "choice", choices=["S"])
    page = roll.words(it_staff.get(change(user)))
    assert "XXL (no longer offered)" in page
    data = roll.form(locale="german", attribute_size="XXL", phone="1")
    assert it_staff.post(change(user), data).status_code == 302
    user.refresh_from_db()
    assert (user.locale, user.phone, user.custom_profile) == ("german", "1", {"size": "XXL"})


@pytest.mark.heavy
def test_custom_profile_attributes_keep_their_types(it_staff) -> None:
    for name, type in (("badge", "text"), ("level", "number"), ("hired", "date"), ("remote", "boolean")):
        roll.definition(name, type)
    user = roll.person("anna", custom_profile={"left_over": 1, "badge": "old"})
    posted = {
        "attribute_badge": "",
        "attribute_level": "7,5",
        "attribute_hired": "2026-01-31",
        "attribute_remote": "no",
    }
    response = it_staff.post(change(user), roll.form(**posted))
    assert response.status_code == 302, errors(response)
    user.refresh_from_db()
    assert user.custom_profile == {"left_over": 1, "level": 7.5, "hired": "2026-01-31", "remote": False}
    page = roll.words(it_staff.get(change(user)))
    assert re.search(r'name="attribute_level"[^>]*value="7.5"|value="7.5"[^>]*name="attribute_level"', page)
    assert '<option value="no" selected' in page


def test_helpdesk_reads_every_attribute(client_of) -> None:
    roll.definition("badge", label="Badge number")
    roll.definition("remote", "boolean")
    user = roll.person("anna", custom_profile={"badge": "<b>B-77</b>", "remote": True}, custom_attributes={"k": "v-9"})
    page = roll.words(client_of("Helpdesk").get(change(user)))
    assert "Badge number" in page
    assert "&lt;b&gt;B-77&lt;/b&gt;" in page
    assert "v-9" in page
    assert "../password/" not in page


@pytest.mark.heavy
def test_a_required_attribute_is_asked_for_first(it_staff) -> None:
    roll.definition("badge", label="Badge number", required=True)
    assert "attribute_badge" in errors(it_staff.post(ADD, roll.form(username="anna")))
    fieldsets = it_staff.get(ADD).context["adminform"].fieldsets
    assert "attribute_badge" in fieldsets[0][1]["fields"]


@pytest.mark.heavy
def test_free_attributes_are_added_changed_and_removed(it_staff) -> None:
    user = roll.person("anna", custom_attributes={"keep": 5, "change": "a", "drop": "x"})
    rows = {"custom_attributes-present": "1"}
    rows |= {"custom_attributes-key": ["keep", "change", "new", ""], "custom_attributes-value": ["5", "b", "c", ""]}
    assert it_staff.post(change(user), roll.form(**rows)).status_code == 302
    user.refresh_from_db()
    assert user.custom_attributes == {"keep": 5, "change": "b", "new": "c"}

    rows["custom_attributes-key"] = ["keep", "keep", "", ""]
    response = it_staff.post(change(user), roll.form(**rows))
    assert set(errors(response)) == {"custom_attributes"}
    assert '"key": "keep"' in roll.words(response)  # as typed

    it_staff.post(change(user), roll.form(phone="1"))  # a form without the editor leaves them alone
    user.refresh_from_db()
    assert user.custom_attributes["keep"] == 5


@pytest.mark.heavy
def test_free_attributes_cannot_break_out_of_the_page(it_staff) -> None:
    user = roll.person("anna", custom_attributes={"</script><b>": "<img src=x onerror=alert(1)>"})
    page = roll.words(it_staff.get(change(user)))
    assert "<img src=x" not in page
    assert "</script><b>" not in page


def test_the_accounts_of_a_user(it_staff) -> None:
    user, appsdb = roll.person("anna"), roll.directory("APPSDB", create_users=True)
    roll.directory("Payroll")
    Account.objects.create(
        user=user,
        directory=appsdb,
        key="anna",
        state="active",
        last_result=LastResult.PARKED,
        last_message="The e-mail is too long.",
    )
    page = roll.words(it_staff.get(f"/provisioning/user/{user.pk}/accounts/"))
    assert "The e-mail is too long." in page
    assert "Needs attention" in page
    assert "Retry" in page
    assert "No account" in page
    assert f"user_id={user.pk}" in page


def test_the_helpdesk_knows_what_to_tell_the_caller_and_it(client_of) -> None:
    user, appsdb = roll.person("anna"), roll.directory("APPSDB", create_users=True)
    refused = {"last_result": LastResult.PARKED, "last_message": "The portal may not write. Grant the right."}
    account = Account.objects.create(user=user, directory=appsdb, key="anna", **refused)
    since = dt.datetime(2026, 3, 4, 5, 8, tzinfo=dt.UTC)
    Change.objects.create(account=account, directory=appsdb, reason="user saved", parked=since, parked_code="right")
    helpdesk = client_of("Helpdesk")
    page = roll.words(helpdesk.get(f"/provisioning/user/{user.pk}/accounts/"))
    assert "APPSDB refused the last change." in page
    assert "IT must act; there is nothing for the caller to do." in page
    assert "IT must act, since 2026-03-04 05:08." in page
    assert "Nothing, until IT has acted." in page
    ticket = page.partition("What IT needs to know")[2].partition("Copy for a ticket")[0]
    for words in ("User: anna", "Directory: APPSDB", "Refused since: 2026-03-04 05:08", refused["last_message"]):
        assert words in ticket
    assert f"/provisioning/user/{user.pk}/change/#accounts" in ticket
    listed = helpdesk.get("/provisioning/user/?account=attention").content.decode()
    assert f'href="/provisioning/user/{user.pk}/change/?_changelist_filters=account%3Dattention#accounts"' in listed


@pytest.mark.parametrize("kind", ["provisioning/user", "provisioning/group", "provisioning/attributedefinition"])
def test_what_is_gone_is_not_found(it_staff, kind: str) -> None:
    answer = it_staff.get(f"/{kind}/99999/change/")
    assert answer.status_code == 404
    assert "has been deleted since" in roll.words(answer)


def test_sync_and_retry(it_staff, client_of) -> None:
    user, appsdb = roll.person("anna"), roll.directory("APPSDB", create_users=True)
    Change.objects.all().delete()
    address = f"/provisioning/user/{user.pk}/accounts/"
    assert client_of("Helpdesk").post(address).status_code == 403
    assert it_staff.post(address).status_code == 200
    change = Change.objects.get(account__user=user, account__directory=appsdb)
    assert change.actor == "user-IT staff"


def test_the_accounts_panel_costs_no_more_for_many_users(it_staff, django_assert_max_num_queries) -> None:
    user = roll.person("anna")
    roll.directory("APPSDB", create_users=True)
    for number in range(30):
        roll.person(f"other{number}")
    with django_assert_max_num_queries(25):
        it_staff.get(f"/provisioning/user/{user.pk}/accounts/")


@pytest.mark.heavy
def test_the_user_page_costs_a_fixed_number_of_queries(it_staff, django_assert_max_num_queries) -> None:
    user = roll.person("anna", manager=roll.person("boss"))
    for number in range(30):
        roll.person(f"other{number}", manager=user)
    it_staff.get(change(user))
    with django_assert_max_num_queries(19):
        it_staff.get(change(user))

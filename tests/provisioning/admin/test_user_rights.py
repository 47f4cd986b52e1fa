"""Nobody but a superuser gives rights, or touches an account that has them."""

import pytest
from django.contrib.auth.models import Group as Role

from provisioning.guard import ledger
from provisioning.identities.users import save_user
from provisioning.models import Account, Change, User
from provisioning.roles import HELPDESK, IT_STAFF
from reports.models import Event
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db
LIST = "/provisioning/user/"


def page(user: User, what: str = "change") -> str:
    return f"{LIST}{user.pk}/{what}/"


def act(client, action: str, users: list[User], **more: str):
    return client.post(LIST, {"action": action, "_selected_action": [user.pk for user in users], **more}, follow=True)


RIGHTS = {"is_staff": "on", "is_superuser": "on"}


def test_it_staff_cannot_give_rights(it_staff) -> None:
    role = Role.objects.get(name=IT_STAFF)
    user = roll.person("anna")
    assert it_staff.post(page(user), roll.form(**RIGHTS, groups=[role.pk])).status_code == 302
    assert it_staff.post(f"{LIST}add/", roll.form(username="eve", **RIGHTS, groups=[role.pk])).status_code == 302
    for name in ("anna", "eve"):
        user = User.objects.get(username=name)
        assert not user.is_staff
        assert not user.is_superuser
        assert not user.groups.exists()


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["superuser", "colleague", "myself"])
def test_it_staff_cannot_touch_staff(what: str) -> None:
    me = roll.staff(IT_STAFF)
    client = roll.signed_in(me)
    target = {"superuser": lambda: roll.staff(""), "colleague": lambda: roll.staff(HELPDESK), "myself": lambda: me}[
        what
    ]()
    before = User.objects.values().get(pk=target.pk)

    assert client.get(page(target)).status_code == 200
    assert 'name="_save"' not in roll.words(client.get(page(target)))
    assert client.post(page(target), roll.form(email="evil@example.com", **RIGHTS)).status_code == 403
    assert client.get(page(target, "password")).status_code == 403
    assert client.post(page(target, "password"), {"password1": "x", "password2": "x"}).status_code == 403
    assert client.post(page(target, "delete"), {"post": "yes"}).status_code == 403
    for action in ("activate", "deactivate"):
        act(client, action, [target])
    response = act(client, "delete_selected", [target], post="yes")
    assert "Left out" in roll.words(response)
    after = User.objects.values().get(pk=target.pk)
    assert {**before, "last_login": None} == {**after, "last_login": None}


def test_it_staff_cannot_set_portal_passwords(it_staff) -> None:
    """A password known today is a way in once its owner becomes staff."""
    user = roll.person("anna")
    assert b'name="portal"' not in it_staff.get(page(user, "password")).content
    it_staff.post(
        page(user, "password"), {"password1": "correct-horse-9", "password2": "correct-horse-9", "portal": "on"}
    )
    user.refresh_from_db()
    assert not user.has_usable_password()


@pytest.mark.heavy
def test_actions_leave_staff_out_and_do_the_rest(it_staff) -> None:
    anna, boss = roll.person("anna"), roll.staff(HELPDESK, "boss")
    response = act(it_staff, "deactivate", [anna, boss])
    assert "Left out: boss" in roll.words(response)
    assert "1 user deactivated" in roll.words(response)
    assert not User.objects.get(username="anna").is_active
    assert User.objects.get(username="boss").is_active


@pytest.mark.heavy
def test_select_across_leaves_staff_out_too(it_staff) -> None:
    anna, boss = roll.person("anna"), roll.staff("", "boss")
    act(it_staff, "delete_selected", [anna], select_across="1", post="yes")
    assert not User.objects.filter(username="anna").exists()
    assert User.objects.filter(pk=boss.pk).exists()
    assert User.objects.filter(username="user-IT staff").exists()


def test_a_superuser_gives_rights_and_it_is_told() -> None:
    client, anna = roll.root(), roll.person("anna")
    role = Role.objects.get(name=IT_STAFF)
    assert client.post(page(anna), roll.form(is_staff="on", groups=[role.pk])).status_code == 302
    anna.refresh_from_db()
    assert anna.is_staff
    assert list(anna.groups.all()) == [role]
    told = list(Event.objects.filter(user_id=anna.pk).values_list("changes", flat=True))
    assert {"May sign in": ["no", "yes"], "Provision to directories": ["yes", "no"]} in told
    assert {"Roles": ["", "IT staff"]} in told


@pytest.mark.heavy
@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_an_imported_password_is_no_way_in_once_its_owner_becomes_staff(right: str) -> None:
    client, anna = roll.root(), roll.person("anna", password="known-to-it-staff")
    response = client.post(page(anna), roll.form(**{right: "on"}), follow=True)
    anna.refresh_from_db()
    assert getattr(anna, right)
    assert not anna.has_usable_password()
    assert ("Make a link with which they choose one" in roll.words(response)) is anna.is_staff
    assert (f'href="/portal/staff/{anna.pk}/link/"' in response.content.decode()) is anna.is_staff

    anna.set_password("their-own")
    anna.save()
    response = client.post(page(anna), roll.form(**{right: "on"}, title="Clerk"), follow=True)
    anna.refresh_from_db()
    assert anna.check_password("their-own")
    assert "Make a link" not in roll.words(response)


@pytest.mark.heavy
def test_a_new_member_of_staff_needs_a_password() -> None:
    response = roll.root().post(f"{LIST}add/", roll.form(username="eve", is_staff="on"), follow=True)
    assert "Make a link with which they choose one" in roll.words(response)


def test_a_password_set_with_the_right_is_kept() -> None:
    anna = roll.person("anna", password="old")
    anna.is_staff = True
    anna.set_password("new")
    save_user(anna, "root")
    anna.refresh_from_db()
    assert anna.check_password("new")


def test_a_superuser_sets_a_password_and_it_is_told() -> None:
    client, anna = roll.root(), roll.person("anna")
    data = {"password1": "correct-horse-9", "password2": "correct-horse-9", "portal": "on"}
    assert client.post(page(anna, "password"), data).status_code == 302
    anna.refresh_from_db()
    assert anna.check_password("correct-horse-9")
    line = Event.objects.get(user_id=anna.pk, message__contains="portal password")
    assert line.actor == "root"
    assert "horse" not in str(line.changes) + line.message


@pytest.mark.heavy
def test_nobody_locks_themselves_out() -> None:
    me = roll.staff("")
    client = roll.signed_in(me)
    client.post(page(me), {"email": "me@example.com"})
    act(client, "deactivate", [me])
    act(client, "delete_selected", [me], post="yes")
    assert client.post(page(me, "delete"), {"post": "yes"}).status_code == 403
    me.refresh_from_db()
    assert (me.email, me.is_active, me.is_staff, me.is_superuser) == ("me@example.com", True, True, True)


@pytest.mark.parametrize("action", ["activate", "deactivate", "delete_selected", "sync_now"])
def test_helpdesk_can_do_nothing(action: str) -> None:
    client, anna = roll.helpdesk(), roll.person("anna")
    act(client, action, [anna], post="yes")
    assert User.objects.get(username="anna").is_active
    assert not Event.objects.filter(user_id=anna.pk).exists()
    assert client.post(page(anna), roll.form(title="x")).status_code == 403
    assert client.get(f"{LIST}import/").status_code == 403
    assert client.post(f"{LIST}process_import/", {}).status_code == 403


@pytest.mark.heavy
def test_deleting_says_what_happens_where(it_staff) -> None:
    users = [roll.person(f"user{number:02}") for number in range(25)]
    leaves = roll.directory("Leaves", on_delete="leave")
    deletes = roll.directory("Deletes", on_delete="delete", delete_users=True)
    off = roll.directory("Off", on_delete="disable")
    for user in users:
        for place in (leaves, deletes, off):
            Account.objects.get_or_create(user=user, directory=place, key=user.username, state="active")
    page = roll.words(act(it_staff, "delete_selected", users))
    assert "Delete 25 users" in page
    assert "and 5 more" in page
    assert "(25 accounts): The account is deleted." in page
    assert "(25 accounts): The account stays as it is." in page
    assert "(25 accounts): Nothing: this is switched off for the directory." in page
    assert User.objects.filter(username__startswith="user0").count() == 10


@pytest.mark.heavy
def test_actions_cost_no_more_for_many(it_staff, django_assert_max_num_queries) -> None:
    roll.directory(create_users=True, deactivate_users=True, delete_users=True)
    User.objects.bulk_create(User(username=f"other{number}") for number in range(500))
    users = [roll.person(f"user{number:03}") for number in range(45)]
    with django_assert_max_num_queries(85):
        it_staff.post(LIST, {"action": "deactivate", "_selected_action": [user.pk for user in users]})
    assert not User.objects.filter(username__startswith="user0", is_active=True).exists()
    ledger.agree("action", None)  # else both together are more than may be done in a day without asking
    with django_assert_max_num_queries(122):
        data = {"action": "delete_selected", "post": "yes", "_selected_action": [user.pk for user in users]}
        it_staff.post(LIST, data)
    assert not User.objects.filter(username__startswith="user0").exists()
    assert Change.objects.filter(account__user=None, actor="user-IT staff").exists()


@pytest.mark.heavy
def test_whoever_may_sign_in_gets_no_account_in_directories_by_accident(client_of) -> None:
    superuser = client_of()
    there = roll.directory(create_users=True)
    made = superuser.post(f"{LIST}add/", roll.form(username="eve", is_staff="on"), follow=True)
    eve = User.objects.get(username="eve")
    assert not eve.provisioned
    assert "eve may sign in, so directories get no account for them" in roll.words(made)
    assert not Account.objects.filter(user=eve).exists()

    helen, anna = roll.person("helen"), roll.person("anna")
    Account.objects.filter(user=anna).update(state="active", remote_id="anna")
    for user, kept in ((helen, False), (anna, True)):  # nobody loses an account that they have
        response = superuser.post(page(user), roll.form(is_staff="on"), follow=True)
        user.refresh_from_db()
        assert user.provisioned is kept
    assert f"anna may sign in, and still has accounts in directories ({there.name})" in roll.words(response)

    superuser.post(page(eve), roll.form(is_staff="on", provisioned="on"))  # somebody says so
    eve.refresh_from_db()
    assert eve.provisioned

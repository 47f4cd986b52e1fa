"""What only a browser shows: the attribute editor, autocompletes, the accounts panel and the file preview."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from provisioning.models import Account, Group, User
from provisioning.roles import IT_STAFF
from tests.provisioning.admin import roll

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_work(page, sign_in):
    sign_in(page, roll.staff(IT_STAFF))
    return page


def tab(page, name: str) -> None:
    page.locator(f"#user_form nav a:has-text('{name}')").click()


def unfold(page, name: str) -> None:
    """Open a part of the details of somebody who is there."""
    page.locator("#user_form summary", has_text=name).click()


def choose(page, field: str, typed: str, shown: str) -> None:
    """Pick an entry of a searchable list, as somebody who types would."""
    page.locator(f"#id_{field} + .select2 .select2-selection").click()
    page.locator(".select2-search__field:visible").last.fill(typed)
    page.locator(".select2-results__option", has_text=shown).click()


def test_a_new_colleague(at_work) -> None:
    boss, page = roll.person("boss", first_name="Bo", last_name="Ss"), at_work
    roll.definition("hired", "date", label="Hired on", required=True)
    page.goto("/provisioning/user/add/")
    page.fill("[name=username]", "anna.berg")
    page.fill("[name=first_name]", "Anna")
    page.fill("[name=email]", "anna@example.com")
    page.fill("[name=department]", "Sales")
    page.fill("[name=attribute_hired]", "2026-03-01")
    choose(page, "manager", "bo", "Bo Ss (boss)")
    tab(page, "Address")
    choose(page, "time_zone", "berlin", "Europe/Berlin")
    tab(page, "Attributes")
    page.click("text=Add attribute")
    page.fill("[name=custom_attributes-key]", "parking")
    page.fill("[name=custom_attributes-value]", 'B "7" <b>')
    page.click("[name=_save]")
    page.wait_for_selector("text=was added successfully")
    anna = User.objects.get(username="anna.berg")
    assert (anna.manager, anna.time_zone) == (boss, "Europe/Berlin")
    assert anna.custom_attributes == {"parking": 'B "7" <b>'}
    assert anna.custom_profile == {"hired": "2026-03-01"}

    page.goto(f"/provisioning/user/{anna.pk}/change/")
    unfold(page, "Attributes")
    assert page.input_value("[name=custom_attributes-value]") == 'B "7" <b>'
    page.click("button[title=Remove]")
    page.click("[name=_save]")
    page.wait_for_selector("text=was changed successfully")
    anna.refresh_from_db()
    assert anna.custom_attributes == {}


def test_the_accounts_load_and_sync(at_work) -> None:
    anna, page = roll.person("anna"), at_work
    appsdb = roll.directory("APPSDB", create_users=True)
    Account.objects.create(user=anna, directory=appsdb, key="anna", state="active", last_result="ok")
    page.goto(f"/provisioning/user/{anna.pk}/change/#accounts")
    page.wait_for_selector("#user-accounts >> text=APPSDB")
    expect(page.locator("#user-state")).to_contain_text("Active, with an account. Nothing is wrong.")
    page.click("#user-accounts >> text=Sync now")
    page.wait_for_selector("#user-accounts >> text=On its way")
    expect(page.locator("#user-state")).to_contain_text("A change is on its way to APPSDB.")


def test_a_person_is_found_by_the_keyboard_alone(at_work) -> None:
    zoe = roll.person("zmuller", first_name="Zoë", last_name="Müller", phone="+49 30 555-0100")
    roll.person("other", last_name="Muller-Lang")
    page = at_work
    page.goto("/provisioning/group/")
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    page.keyboard.type("MULLER")
    found = page.locator("#rc-find-results [role=option]")
    expect(found).to_have_count(2)
    expect(found.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "rc-find-0")
    page.keyboard.press("ArrowDown")
    expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(box).to_be_focused()
    page.keyboard.type("030 5550100")
    expect(found).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/provisioning/user/{zoe.pk}/change/")
    page.locator("#id_first_name").focus()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search")).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("qqq")
    expect(page.locator("#rc-find-note")).to_contain_text("Nothing is found by “qqq”.")


def test_it_is_the_same_person(at_work) -> None:
    anna, page = roll.person("anna"), at_work
    appsdb = roll.directory("APPSDB", create_users=True)
    kept = {"directory": appsdb, "key": "anna", "remote_id": "anna", "person": {}, "deleted_at": timezone.now()}
    Account.objects.create(**kept, state="disabled")
    page.goto(f"/provisioning/user/{anna.pk}/change/#accounts")
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.click("#user-accounts >> text=It is the same person")
    page.wait_for_selector("#user-accounts >> text=On its way")
    assert "Do this only when you are sure" in asked[0]
    assert Account.objects.get().user == anna


def test_members_are_picked_by_typing(at_work) -> None:
    anna, page = roll.person("anna", last_name="Berg"), at_work
    group = Group.objects.create(name="Readers")
    page.goto(f"/provisioning/group/{group.pk}/change/")
    choose(page, "add_members", "berg", "Berg (anna)")
    page.click("[name=_continue]")
    page.wait_for_selector("text=1 user added to Readers")
    assert list(group.members.all()) == [anna]
    page.locator("#result_list .action-select").check()
    page.locator("select[name=action]").select_option("remove_members")
    page.click("button[title='Run the selected action']:visible")
    page.wait_for_selector("text=1 user removed from Readers")
    assert not group.members.exists()


def test_a_file_is_previewed_and_imported(at_work, tmp_path) -> None:
    roll.person("anna", department="IT")
    page, file = at_work, tmp_path / "users.csv"
    file.write_text("username,department\nanna,<script>alert(1)</script>\nben,Sales\n")
    page.goto("/provisioning/user/import/")
    page.set_input_files("[type=file]", file)
    page.click("text=Preview")
    page.wait_for_selector("text=1 to add")
    assert "<script>alert(1)</script>" in page.inner_text("body")
    page.click("text=Import 2 users")
    page.wait_for_selector("text=Imported: 1 added, 1 changed, 0 unchanged.")
    assert User.objects.filter(username="ben").exists()

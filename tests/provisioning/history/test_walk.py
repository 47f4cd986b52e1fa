"""A walk through Chromium: why, what if, as of a date, and one account on demand."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from provisioning import services
from provisioning.models import Group, User
from provisioning.roles import IT_STAFF
from tests.browser.conftest import Look, fits, look
from tests.browser.walk import Walk
from tests.provisioning.admin import roll
from tests.provisioning.crew import Crews, save_crew_directory
from tests.provisioning.test_delivery import run

__all__ = ["look"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_from_why_to_do_it_now(page: Any, sign_in: Any, crews: Crews, look: Look) -> None:
    directory = save_crew_directory()
    save_crew_directory("PAYROLL", create_users=False)
    anna = User(username="anna.berg", first_name="Anna", last_name="Berg", department="Sales", email="a@example.org")
    services.save_user(anna, "ida")
    sales = Group(name="Sales team")
    services.save_group(sales, "ida")
    services.add_members(sales, [anna.pk], "ida")
    run(directory)
    walk = Walk(page, look)
    sign_in(page, roll.staff(IT_STAFF))
    page.goto(f"/provisioning/user/{anna.pk}/change/#accounts")
    page.get_by_role("link", name="Why?").click()
    walk.says("Creating users is switched off for PAYROLL")
    walk.says("Created anna.berg in CREW.")
    fits(page)
    page.select_option("#id_attribute", "profile.first_name")
    page.fill("#id_value", "Annabel")
    page.get_by_role("button", name="Show what that does").click()
    walk.says("FIRSTNAME: Anna → Annabel")
    page.fill("#id_group", "Sales team")
    fits(page)
    walk.look("why")
    page.get_by_role("button", name="Ask").click()
    walk.says("was added to the group Sales team.")

    then = timezone.localtime(timezone.now() + dt.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
    page.goto("/")
    walk.sidebar("As of a date")
    page.fill("[name=name]", "anna.berg")
    page.fill("[name=at]", then)
    page.get_by_role("button", name="Show", exact=True).click()
    walk.says("as known now")
    walk.says("Sales team")
    fits(page)
    walk.look("past")

    crews["CREW"].rows["anna.berg"]["FIRSTNAME"] = "Changed there"
    page.goto(f"/provisioning/user/{anna.pk}/change/#accounts")
    page.get_by_role("link", name="On demand").first.click()
    walk.says("Update the account.")
    fits(page)
    walk.look("on-demand")
    page.get_by_role("button", name="Do it now").click()
    walk.says("Updated anna.berg in CREW: first name.")
    assert crews["CREW"].rows["anna.berg"]["FIRSTNAME"] == "Anna"
    fits(page)
    walk.look("done")

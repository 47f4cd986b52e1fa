"""A blueprint is taken back by clicks: what that does is shown, confirmed, and asked a right for."""

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from directories.models import Directory
from provisioning.models import AppliedBlueprint, Group, User
from provisioning.roles import AUDITOR, IT_STAFF
from reports.models import Evidence
from tests.provisioning.admin.pages import text
from tests.provisioning.blueprints.test_blueprints import PASSWORD
from tests.provisioning.blueprints.test_undo import applied, directory, reach_many

__all__ = ["applied"]
pytestmark = [pytest.mark.django_db, pytest.mark.heavy]
LIST = "/provisioning/appliedblueprint/"


def somebody(role: str = "", *rights: str) -> Browser:
    user = User.objects.create_user(f"some {role}", is_staff=True, provisioned=False)
    user.groups.set(Role.objects.filter(name=role))
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def address() -> str:
    return f"{LIST}{AppliedBlueprint.objects.latest('pk').pk}/undo/"


def test_it_is_shown_and_then_taken_back(address: str) -> None:
    browser = somebody(IT_STAFF)
    assert f'href="{address}"' in text(browser.get(LIST))
    Group.objects.update(description="By hand")
    shown = browser.get(address)
    for words in (
        "attribute fresh: was added by it, and stays.",
        "group Engineering: description was changed since, and stays as it is.",
        "serverdomain",
        "(secret)",
    ):
        assert words in text(shown)
    for secret in ("another secret", PASSWORD):
        assert secret not in text(shown)
    assert directory().description == "Changed", "nothing is changed yet"
    token = shown.context["token"]
    Directory.objects.update(description="By hand")
    again = browser.post(address, {"confirmed": token})
    assert "Something was changed meanwhile." in text(again)
    assert directory().settings["host"] == "other.example.org"
    assert browser.post(address, {"confirmed": again.context["token"]})["Location"] == LIST
    assert (directory().settings["host"], directory().description) == ("serverdomain", "By hand")
    assert Group.objects.get().description == "By hand"
    assert Evidence.objects.filter(payload__by=f"some {IT_STAFF}").exists()
    newest = AppliedBlueprint.objects.latest("pk")
    assert f"Taken back by blueprint {newest.pk}" in text(browser.get(LIST))
    assert "was taken back already" in text(browser.get(address, follow=True))


def test_over_a_limit_the_number_is_typed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reach_many(monkeypatch)
    browser = somebody(IT_STAFF)
    shown = browser.get(address)
    assert "4,812 accounts would get another value of mail." in text(shown)
    for number in ("", "4811"):
        wrong = browser.post(address, {"confirmed": shown.context["token"], "number": number})
        assert "This reaches 4,812. Type 4812 into the box." in text(wrong)
    assert directory().description == "Changed"
    assert browser.post(address, {"confirmed": shown.context["token"], "number": "4,812"}).status_code == 302
    assert directory().description == "The application database"


def test_it_asks_for_the_rights_to_change_what_the_blueprint_changed(address: str) -> None:
    auditor = somebody(AUDITOR)
    assert "Undo …" not in text(auditor.get(LIST))
    assert auditor.get(address).status_code == 403
    own = ("view_appliedblueprint", "change_appliedblueprint")
    all_but_one = ("change_attributedefinition", "change_directory", "change_group")
    assert somebody("", *own, *all_but_one).post(address).status_code == 403, "it changed an application"
    assert directory().description == "Changed"

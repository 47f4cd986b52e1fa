"""A save of the directory page that reaches many asks first, and asks for the number where a limit is passed."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.models import AttributeMapping, Directory, ProvisioningSettings
from provisioning.models import Account, Change
from provisioning.models.accounts import AccountState
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.admin.pages import form_values, text
from tests.provisioning.impact.test_reckoning import make, people

__all__ = ["client_of", "it_staff"]


def page(directory: Directory) -> str:
    return reverse("admin:directories_directory_change", args=[directory.pk])


def blanking(client: Client, directory: Directory) -> dict[str, Any]:
    """Return the form with the e-mail address mapped to what nobody has."""
    values = form_values(client.get(page(directory)))
    values["mapping_profile"] = ["mobile" if name == "email" else name for name in values["mapping_profile"]]
    return values


@pytest.mark.heavy
def test_a_change_that_blanks_many_asks_for_the_number(it_staff: Client) -> None:
    directory = make()
    people(directory, 250)
    values = blanking(it_staff, directory)
    asked = it_staff.post(page(directory), values)
    assert "Nothing is saved yet" in text(asked)
    assert "change 250 accounts and blank 250 values of mail" in text(asked)
    assert re.search(r"user\d+@example\.org", text(asked)), "examples, before and after"
    assert AttributeMapping.objects.filter(portal_attribute="email").exists()

    again = form_values(asked)
    token = asked.context["question"].token
    for typed in ("", "249", "all"):
        wrong = it_staff.post(page(directory), again | {"confirmed": token, "confirmed_number": typed})
        assert "That is another number" in text(wrong)
    assert AttributeMapping.objects.filter(portal_attribute="email").exists(), "nothing was saved"

    saved = it_staff.post(page(directory), again | {"confirmed": token, "confirmed_number": "250"})
    assert saved.status_code == 302
    assert not AttributeMapping.objects.filter(portal_attribute="email").exists()


@pytest.mark.heavy
def test_what_was_confirmed_is_what_was_shown(it_staff: Client) -> None:
    directory = make()
    people(directory, 20)
    first = it_staff.post(page(directory), blanking(it_staff, directory))
    token, values = first.context["question"].token, form_values(first)
    people(directory, 3, "later")
    again = it_staff.post(page(directory), values | {"confirmed": token, "confirmed_number": "20"})
    assert "23 accounts" in text(again)
    assert AttributeMapping.objects.filter(portal_attribute="email").exists()


@pytest.mark.heavy
def test_few_accounts_and_harmless_changes_are_saved_at_once(it_staff: Client) -> None:
    directory = make()
    people(directory, 5)
    assert it_staff.post(page(directory), blanking(it_staff, directory)).status_code == 302
    people(directory, 50, "more")
    values = form_values(it_staff.get(page(directory)))
    values |= {"description": ["Our CRM"], "max_blanked": ["7"], "schedule": ["hourly"]}
    assert it_staff.post(page(directory), values).status_code == 302


@pytest.mark.heavy
def test_the_stored_limits_count_and_not_those_of_the_same_save(it_staff: Client) -> None:
    directory = make()
    people(directory, 250)
    values = blanking(it_staff, directory) | {"max_blanked": ["9999"], "max_blanked_percent": ["100"]}
    values |= {"max_changed": ["9999"], "max_changed_percent": ["100"]}
    assert it_staff.post(page(directory), values).context["question"].number == 250


@pytest.mark.heavy
def test_closing_leavers_is_confirmed_and_its_deliveries_are_guarded(it_staff: Client) -> None:
    directory = make(deactivate_users=False)
    people(directory, 30)
    people(directory, 8, "gone", is_active=False)
    Account.objects.filter(key__startswith="gone").update(last_result="open")
    values = form_values(it_staff.get(page(directory))) | {"deactivate_users": ["on"]}
    asked = it_staff.post(page(directory), values)
    assert "disable 8 accounts" in text(asked)
    assert not Change.objects.exists()
    confirmed = {"confirmed": asked.context["question"].token, "confirmed_number": "8"}
    assert it_staff.post(page(directory), values | confirmed).status_code == 302
    assert set(Change.objects.values_list("cleared", flat=True)) == {False}, "the guard still counts them"
    assert Change.objects.count() == 8


@pytest.mark.heavy
def test_a_match_attribute_offers_a_preview(it_staff: Client) -> None:
    directory = make(import_users=True)
    people(directory, 6)
    values = form_values(it_staff.get(page(directory))) | {"match_attribute": ["profile.email"]}
    asked = it_staff.post(page(directory), values)
    assert "Only a preview import shows what that does" in text(asked)
    saved = it_staff.post(page(directory), values | {"confirmed": asked.context["question"].token}, follow=True)
    assert ProvisioningSettings.objects.get().match_attribute == "profile.email"
    assert "Preview an import" in text(saved)


@pytest.mark.heavy
def test_a_number_that_is_over_in_the_share_only_of_few_is_not_asked(it_staff: Client) -> None:
    directory = make(deactivate_users=False)
    people(directory, 2)
    people(directory, 5, "gone", is_active=False)
    values = form_values(it_staff.get(page(directory))) | {"deactivate_users": ["on"]}
    assert it_staff.post(page(directory), values).status_code == 302


def test_recomputing_shows_and_changes_nothing(it_staff: Client) -> None:
    directory = make()
    people(directory, 3)
    Account.objects.update(attributes={}, pushed_digest="")
    before = list(Account.objects.values())
    shown = text(it_staff.get(reverse("admin:directories_directory_recompute", args=[directory.pk])))
    assert "This would change 3 accounts" in shown
    assert list(Account.objects.values()) == before
    assert not Change.objects.exists()
    assert Account.objects.filter(state=AccountState.ACTIVE).count() == 3


@pytest.mark.parametrize("role", ["Helpdesk"])
def test_who_may_not_see_directories_recomputes_nothing(client_of: Any, role: str) -> None:
    directory = make()
    assert client_of(role).get(reverse("admin:directories_directory_recompute", args=[directory.pk])).status_code == 403

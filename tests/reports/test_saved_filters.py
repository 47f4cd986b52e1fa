"""Searches of the report that people name and keep, each for themselves or shared with others."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.test import Client

from provisioning.models import User
from provisioning.roles import AUDITOR, HELPDESK
from reports.admin import MOST_SAVED
from reports.models import SavedFilter
from tests.reports.conftest import Write

URL = "/reports/event/"
SEARCH = {"application": "HR & Payroll", "result": "failed", "from": "2026-03-01"}


def save(client: Client, name: str, shared: str = "", **search: str) -> str:
    """Save a search as the page does, and return what it says last."""
    return said(client.post(f"{URL}filters/save/", {"name": name, "shared": shared}, query_params=search))


def change(client: Client, kept: SavedFilter, name: str, shared: str = "") -> str:
    return said(client.post(f"{URL}filters/{kept.pk}/change/", {"name": name, "shared": shared}))


def said(response: Any) -> str:
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def links(client: Client, **search: str) -> dict[str, str]:
    """Return the addresses of the saved filters on the page by their names."""
    text = client.get(URL, search).content.decode()
    found = re.findall(r'<li>\s*<a class="rc-button" href="([^"]*)"[^>]*>([^<]*)<', text)
    return {html.unescape(name).strip(): html.unescape(address) for address, name in found}


@pytest.fixture
def colleague(db: None) -> Client:
    """Somebody else who may read the report."""
    user = User.objects.create_user("colleague", is_staff=True, provisioned=False)
    user.groups.add(Group.objects.get(name=AUDITOR))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.heavy
def test_a_saved_filter_opens_the_same_search(reader: Client, write: Write) -> None:
    write(message="Match.", application="HR & Payroll", result="failed")
    write(message="Other.", application="HR & Payroll")
    assert save(reader, "  Failed in HR ", **SEARCH, after="1-1", unknown="x") == "Saved the filter Failed in HR."
    address = links(reader)["Failed in HR"]
    text = reader.get(address).content.decode()
    assert "Match." in text
    assert "Other." not in text
    assert 'value="2026-03-01T00:00"' in text
    assert SavedFilter.objects.get().filters == SEARCH
    assert "Save filter" not in text, "It is saved already."
    assert "Save filter" in reader.get(URL, {"result": "failed"}).content.decode()
    assert "Save filter" not in reader.get(URL).content.decode(), "There is nothing to save."


def test_a_name_that_is_saved_again_means_the_new_search(reader: Client) -> None:
    save(reader, "Mine", result="failed")
    save(reader, "Mine", result="waiting")
    assert SavedFilter.objects.get().filters == {"result": "waiting"}


@pytest.mark.heavy
def test_each_person_has_their_own(reader: Client, colleague: Client) -> None:
    save(reader, "Mine", result="failed")
    save(colleague, "Mine", result="waiting")
    assert list(links(reader).values()) == [f"{URL}?result=failed"]
    mine = SavedFilter.objects.get(user__username="reader")
    assert colleague.post(f"{URL}filters/{mine.pk}/delete/").status_code == 404
    response = reader.post(f"{URL}filters/{mine.pk}/delete/", query_params={"result": "skipped"})
    assert response["Location"] == f"{URL}?result=skipped", "The search that is shown stays."
    assert SavedFilter.objects.get().user.username == "colleague"
    User.objects.filter(username="colleague").delete()
    assert not SavedFilter.objects.exists()


@pytest.mark.heavy
def test_a_filter_is_shared_with_everybody_or_a_role_and_taken_back(reader: Client, colleague: Client) -> None:
    save(reader, "Ours", "all", result="failed")
    kept = SavedFilter.objects.get()
    assert links(colleague) == {"Ours": f"{URL}?result=failed"}
    assert "Shared by reader" in colleague.get(URL).content.decode()
    assert colleague.get(f"{URL}filters/{kept.pk}/")["Location"] == f"{URL}?result=failed"
    change(reader, kept, "Ours", str(Group.objects.get(name=HELPDESK).pk))
    assert links(colleague) == {}
    assert colleague.get(f"{URL}filters/{kept.pk}/").status_code == 404
    change(reader, kept, "Ours", str(Group.objects.get(name=AUDITOR).pk))
    assert list(links(colleague)) == ["Ours"]
    save(reader, "Ours", result="waiting")
    assert links(colleague) == {"Ours": f"{URL}?result=waiting"}, "A new search under the name leaves it shared."
    Group.objects.filter(name=AUDITOR).delete()
    assert SavedFilter.objects.get().role is None, "It is the person's alone again."


@pytest.mark.heavy
def test_what_others_share_is_theirs_to_change(reader: Client, colleague: Client, admin_client: Client) -> None:
    save(reader, "Ours", "all", result="failed")
    kept = SavedFilter.objects.get()
    assert colleague.post(f"{URL}filters/{kept.pk}/change/", {"name": "Mine"}).status_code == 404
    assert colleague.post(f"{URL}filters/{kept.pk}/delete/").status_code == 404
    assert admin_client.post(f"{URL}filters/{kept.pk}/change/", {"name": "Mine"}).status_code == 404
    save(reader, "Private", result="waiting")
    assert list(links(admin_client)) == ["Ours"]
    assert admin_client.post(f"{URL}filters/{kept.pk}/delete/").status_code == 302
    assert [one.name for one in SavedFilter.objects.all()] == ["Private"]


def test_a_filter_is_renamed_and_keeps_its_address(reader: Client) -> None:
    save(reader, "Old", result="failed")
    save(reader, "Other", result="waiting")
    kept = SavedFilter.objects.get(name="Old")
    assert change(reader, kept, "New") == "Changed the filter Old."
    assert reader.get(f"{URL}filters/{kept.pk}/")["Location"] == f"{URL}?result=failed"
    assert change(reader, kept, "Other") == "You have another filter of this name. Choose a name that is free."
    assert change(reader, kept, " ") == "Write a name for the filter, and save it again."
    assert change(reader, kept, "New", "999999").startswith("There is no such role any more.")
    assert {one.name for one in SavedFilter.objects.all()} == {"New", "Other"}


def test_a_link_in_a_mail_neither_saves_nor_deletes(reader: Client) -> None:
    save(reader, "Mine", result="failed")
    assert reader.get(f"{URL}filters/save/?result=waiting").status_code == 405
    for name in ("change", "delete"):
        assert reader.get(f"{URL}filters/{SavedFilter.objects.get().pk}/{name}/").status_code == 405


@pytest.mark.parametrize(
    ("name", "search", "words"),
    [
        (" ", {"result": "failed"}, "Write a name for the filter, and save it again."),
        ("x" * 61, {"result": "failed"}, "Ensure this value has at most 60 characters (it has 61)."),
        ("Mine", {}, "Nothing was saved. Search with a filter first, and then save it."),
        ("Mine", {"result": "explode"}, "Nothing was saved. Search with a filter first, and then save it."),
    ],
)
def test_what_cannot_be_saved_is_explained(reader: Client, name: str, search: dict[str, str], words: str) -> None:
    assert save(reader, name, **search) == words
    assert not SavedFilter.objects.exists()


def test_nobody_keeps_more_than_fit_on_the_page(reader: Client) -> None:
    me = User.objects.get(username="reader")
    SavedFilter.objects.bulk_create(
        SavedFilter(user=me, name=f"Filter {number}", filters={"result": "failed"}) for number in range(MOST_SAVED)
    )
    assert save(reader, "One more", result="failed") == f"You keep {MOST_SAVED} filters. Delete one of them first."
    assert save(reader, "Filter 7", result="waiting") == "Saved the filter Filter 7."
    assert SavedFilter.objects.count() == MOST_SAVED

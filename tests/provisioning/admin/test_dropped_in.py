"""A connector is one file: dropped into a package, it is everywhere, in no other kind's words."""

import inspect
import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories import connectors
from directories.connectors.base import Capability
from directories.models import AttributeMapping, Directory
from provisioning import services
from provisioning.imports import engine
from provisioning.models import Account, User
from provisioning.models.imports import Trigger
from provisioning.outbound.accounts.delivery import deliver
from tests.directories.connectors.contract import ConnectorContract
from tests.directories.connectors.subjects import group_kinds, kinds, subject_of
from tests.provisioning.admin.pages import form_values, text

pytestmark = pytest.mark.heavy

FILE = Path(__file__).parents[2] / "directories" / "dropped_in" / "csv_file.py"
KIND = "csv_file"
ADD = f"/directories/directory/add/?kind={KIND}"
OTHERS_WORDS = re.compile(
    r"SQL|LDAP|StartTLS|\bquer(?:y|ies)\b|template|\bcolumns?\b|unique identifier|\bDN\b|##", re.IGNORECASE
)


@pytest.fixture(autouse=True)
def dropped_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the file into a package that is a part of ``directories.connectors``."""
    package = tmp_path / "more_connectors"
    package.mkdir()
    shutil.copy(FILE, package)
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(package)])
    connectors.registry.cache_clear()
    yield
    monkeypatch.undo()
    sys.modules.pop(f"directories.connectors.{KIND}", None)
    connectors.registry.cache_clear()


def cases(method: Any) -> Iterator[dict[str, Any]]:
    """Yield what pytest would call a method with, besides the subject."""
    marks = [mark.args for mark in getattr(method, "pytestmark", ()) if mark.name == "parametrize"]
    for values in product(*(given for _, given in marks)):
        yield dict(zip((name for name, _ in marks), values, strict=True))


def test_the_contract_suite_finds_it_and_it_passes(tmp_path: Path) -> None:
    assert KIND in kinds()
    assert KIND not in group_kinds()
    passed, skipped = 0, set[str]()
    for name, method in inspect.getmembers(ConnectorContract, inspect.isfunction):
        for number, arguments in enumerate(cases(method) if name.startswith("test_") else ()):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            try:
                method(ConnectorContract(), subject=subject_of(KIND, folder), **arguments)
                passed += 1
            except pytest.skip.Exception as lacking:
                skipped.add(str(lacking))
    assert passed > 20
    assert skipped == {f"This kind of directory cannot {what} accounts." for what in ("update", "disable")}


def words(html: str) -> str:
    """Return what a person reads of the directory's own part of a page."""
    inner = html[html.index('id="directory_form"') :]
    inner = re.sub(r"<(script|style|template)\b.*?</\1>", " ", inner, flags=re.DOTALL)
    shown = re.findall(r'(?:placeholder|title|aria-label)="([^"]*)"', inner)
    return unescape(" ".join([re.sub(r"<[^>]+>", " ", inner), *shown]))


@pytest.mark.django_db
def test_its_pages_and_an_import_and_a_delivery(it_staff: Client, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("login,first,mail\nanna,Anna,anna@example.org\n")
    page = it_staff.get(ADD)
    assert OTHERS_WORDS.findall(words(text(page))) == []
    incomplete = it_staff.post(ADD, form_values(page) | {"name": ["FILE"]})
    assert "This field is required" in text(incomplete)
    values = form_values(page) | {"name": ["FILE"], "connection-path": [str(path)]}
    response = it_staff.post(ADD, values, follow=True)
    directory = Directory.objects.get(kind=KIND)
    assert response.redirect_chain[-1][0].endswith("#mapping"), "there are no query templates to be written"
    html = text(response)
    assert OTHERS_WORDS.findall(words(html)) == []
    assert "This kind of directory cannot update accounts." in html
    assert "This kind of directory cannot set passwords." in html
    assert "The user name needs no row." in html

    tested = it_staff.post(reverse("admin:directories_directory_fragment_test"), form_values(response))
    assert "The connection works." in text(tested)
    assert OTHERS_WORDS.findall(text(tested).replace('name="columns"', "")) == []
    suggested = it_staff.post(reverse("admin:directories_directory_fragment_suggest"), form_values(response))
    assert {"first", "mail"} <= set(re.findall(r'value="(\w+)"', text(suggested)))

    switches = ("import_users", "create_users", "deactivate_users", "delete_users")
    values = form_values(response) | {switch: ["on"] for switch in switches}
    saved = it_staff.post(reverse("admin:directories_directory_change", args=[directory.pk]), values, follow=True)
    notes = [str(message) for message in saved.context["messages"]]
    assert notes[0].startswith("Saved.")
    assert not [note for note in notes if OTHERS_WORDS.search(note)]
    AttributeMapping.objects.create(directory=directory, directory_attribute="first", portal_attribute="first_name")
    AttributeMapping.objects.create(directory=directory, directory_attribute="mail", portal_attribute="email")

    run = services.start_import(directory, preview=False, actor="t", trigger=Trigger.COMMAND)
    engine.execute(run.pk)
    run.refresh_from_db()
    assert (run.status, run.created) == ("finished", 1)
    anna = User.objects.get(username="anna")
    assert (anna.first_name, anna.email) == ("Anna", "anna@example.org")

    bob = User.objects.create(username="bob", first_name="Bob")
    account = Account.objects.get(user=bob)
    deliver(directory.pk, [account.pk])
    assert "bob,Bob," in path.read_text()
    bob.is_active = False
    bob.save()
    deliver(directory.pk, [account.pk])
    account.refresh_from_db()
    assert account.last_message.startswith("FILE cannot disable users. This kind of directory cannot disable accounts.")
    assert not OTHERS_WORDS.search(account.last_message)


def test_what_it_does_not_override_it_cannot_do() -> None:
    implemented = connectors.connector_class(KIND).implemented()
    assert implemented == {Capability.IMPORT, Capability.CREATE, Capability.DELETE}

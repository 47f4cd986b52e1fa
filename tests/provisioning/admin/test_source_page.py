"""The page of a source of truth: suggestions and the sample tell of contracts, and a product's notes are shown."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from directories.connectors import allowed
from directories.connectors.http_json.presets import presets
from directories.models import Directory, ProvisioningSettings
from tests.provisioning.admin.pages import Values, form_values, text

pytestmark = pytest.mark.django_db
PEOPLE = "id;mail;start;end;title;grade\n7;zoe@example.org;2026-01-01;;Chief;A\n8;bob@example.org;;;;\n"


def fragment(client: Client, name: str, values: Values) -> str:
    return text(client.post(reverse(f"admin:directories_directory_fragment_{name}"), values))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directory:
    """A source of which a row is a contract."""
    monkeypatch.setattr(allowed, "_source_files", tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    settings = {"file": "people.csv", "id": "id", "contracts": "start, end, title, grade", "settled": 0}
    directory = Directory.objects.create(name="HR files", kind="files", settings=settings)
    ProvisioningSettings.objects.create(directory=directory)
    return directory


@pytest.mark.heavy
def test_fields_of_contracts_are_suggested_and_shown_in_the_sample(it_staff: Client, files: Directory) -> None:
    page = it_staff.get(reverse("admin:directories_directory_change", args=[files.pk]))
    html = fragment(it_staff, "suggest", form_values(page))
    assert "4 suggested" in html
    drawn: Any = SimpleNamespace(content=f'<form id="directory_form">{html}</form>'.encode())
    values = form_values(page) | form_values(drawn)
    rows = zip(values["mapping_attribute"], values["mapping_kind"], values["mapping_contract"], strict=True)
    assert {(attribute, field) for attribute, kind, field in rows if kind == "contract"} == {
        ("start", "starts"), ("end", "ends"), ("title", "title"),
    }  # fmt: skip
    sample = fragment(it_staff, "sample", values)
    assert "First day (contract)" in sample
    assert "Chief" in sample
    assert "zoe@example.org" in sample
    other = fragment(it_staff, "sample", values | {"sample_user": ["8"]})
    assert "8 has no contract there" in other


@pytest.mark.heavy
def test_what_to_do_in_the_chosen_product_is_shown(it_staff: Client) -> None:
    html = text(it_staff.get(f"{reverse('admin:directories_directory_add')}?kind=http_json"))
    notes = json.loads(html.partition('<script id="connection-notes" type="application/json">')[2].partition("<")[0])
    assert notes.keys() == presets().keys()
    assert "Make API credentials with the right to read employees" in notes["personio"]
    directory = Directory.objects.create(name="HR", kind="http_json", settings={"product": "personio"})
    ProvisioningSettings.objects.create(directory=directory)
    html = text(it_staff.get(reverse("admin:directories_directory_change", args=[directory.pk])))
    shown = html.partition('id="connection-note"')[2].partition("</p>")[0]
    assert "Make API credentials with the right to read employees" in shown

"""A user name shows everything that it holds, wherever it enters."""

import unicodedata

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.validators import validate_email
from django.test import Client
from hypothesis import assume, given
from hypothesis import strategies as st

from provisioning import usernames
from provisioning.models import User
from provisioning.models.people import fold
from provisioning.profile import values
from reports import journal
from tests.provisioning.admin import roll
from tests.provisioning.admin.test_user_files import preview, problems
from tests.provisioning.imports.conftest import Source, errors, source

__all__ = ["source"]  # the fixture of the import tests
HIDDEN = ["\u200b", "\u202e", "\ufeff", "\u00ad", "\u200d", "\x01", "\u3164", "\ufe0f", "\U000e0041"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_invisible_characters_are_named(hidden: str) -> None:
    for name in (f"admin{hidden}", f"ad{hidden}min", f"{hidden}admin"):
        assert f"invisible character (U+{ord(hidden):04X})" in usernames.problem(name)
        with pytest.raises(ValidationError, match="invisible"):
            User(username=name, password="x").clean_fields()


@pytest.mark.parametrize("name", [" anna", "anna ", "an  na", "an\u00a0na", "an\u2003na", "an\u2028na"])
def test_spaces_are_single_and_inside(name: str) -> None:
    assert "single spaces" in usernames.problem(name)


@pytest.mark.parametrize("name", ["anna", "Zoë O'Neill", "a.b@example.org", "山田太郎", "राम", "علي", "A\u0301nna"])
def test_honest_names_pass(name: str) -> None:
    assert usernames.problem(name) == ""
    User(username=name, password="x").clean_fields()


@pytest.mark.heavy
@given(st.from_regex(values.USUAL_EMAIL, fullmatch=True))
def test_usual_addresses_are_those_that_django_accepts(address: str) -> None:
    assume(len(address) <= 254)
    validate_email(address)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_names_are_folded_as_all_names_are(name: str) -> None:
    assert fold(name) == journal.fold(name) == unicodedata.normalize("NFKC", name).strip().casefold()


@pytest.mark.heavy
@pytest.mark.django_db
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_user_page_the_file_and_the_command(hidden: str) -> None:
    it_staff: Client = roll.signed_in(roll.staff("IT staff"))
    name = f"ad{hidden}min"
    page = it_staff.post("/provisioning/user/add/", roll.form(username=name))
    assert "invisible character" in page.context["adminform"].form.errors["username"][0]
    assert "invisible character" in problems(preview(it_staff, f"username\n{name}\n"))[2]["username"][0]
    with pytest.raises(CommandError, match="invisible character"):
        call_command("createsuperuser", username=name, email="a@example.org", interactive=False)
    assert not User.objects.filter(username__contains="min").exists()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_an_import(source: Source, hidden: str) -> None:
    source.put(f"ad{hidden}min")
    source.put("anna")
    run = source.run()
    assert run.created == 1
    assert "invisible character" in errors(run)[f"ad{hidden}min"]

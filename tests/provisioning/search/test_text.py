"""What is typed finds what is there, however either is written; no database."""

import pytest

from provisioning.search.text import Wanted, digits, document, plain

ZOE = document(["zmuller", "zoe.muller@example.org", "Zoë", "Müller", "Zoë Müller", "E-4711"], ["+49 (0)30 555-0100"])


def found(typed: str, text: str = ZOE) -> bool:
    return Wanted.of(typed).matches(text)


def test_a_text_has_each_word_once_and_both_spellings() -> None:
    assert ZOE == " zmuller zoe.muller@example.org zoe muller mueller e-4711 49305550100"


@pytest.mark.parametrize(
    "typed",
    [
        *("zoe", "ZOË", "zoë müller", "Mueller zoe", "ulle", "example.org", "4711", "e-4711", "Zoe\u0308", "ｚoe"),
        *("+49 30 5550100", "0049305550100", "030 555 0100", "030/555-0100", "555 01 00", "(030) 5550100", "5550100"),
        *("zo", "mu zo", "zoe 5550100", "zoe 030/5550100", "+1 30 5550100"),
    ],
)
def test_is_found(typed: str) -> None:
    assert found(typed)


@pytest.mark.parametrize("typed", ["", " ", "oe", "zoe x", "miller", "%", "_", "555 0199", "+49", "z_e", "12", "\\"])
def test_is_not_found(typed: str) -> None:
    """Two letters are the beginning of a word, and what a pattern means to the database means nothing here."""
    assert not found(typed)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("Łódź", "lodz"), ("Øberg", "oberg"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("Ægir", "aegir")],
)
def test_letters_lose_case_and_accents(written: str, expected: str) -> None:
    assert plain(written) == expected


def test_a_telephone_number_is_its_digits() -> None:
    assert digits("0049 (0) 30/55") == digits("+49 (0)30/55") == "493055"
    assert digits("٠٣٠ ٥٥") == "03055"
    assert digits("ext.") == ""


def test_beginnings_of_words_come_first() -> None:
    wanted = Wanted.of("mul")
    assert wanted.begins_words_of(ZOE)
    assert not Wanted.of("ulle").begins_words_of(ZOE)

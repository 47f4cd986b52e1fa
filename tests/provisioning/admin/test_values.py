import datetime as dt

import pytest

from directories.attributes import Kind, PortalAttribute, Type
from provisioning.profile.values import locale, parse, time_zone


def attribute(type: Type = Type.TEXT, name: str = "x", kind: Kind = Kind.CUSTOM_PROFILE, **rest: object):
    return PortalAttribute(kind, name, "X", type, **rest)


@pytest.mark.parametrize(
    ("type", "raw", "value"),
    [
        (Type.TEXT, "  a b ", "a b"),
        (Type.TEXT, 1001.0, "1001"),
        (Type.TEXT, "00123", "00123"),
        (Type.TEXT, "   ", None),
        (Type.NUMBER, "12", 12),
        (Type.NUMBER, "12,5", 12.5),
        (Type.NUMBER, 3.0, 3),
        (Type.NUMBER, "-0.25", -0.25),
        (Type.DATE, "2026-02-28", "2026-02-28"),
        (Type.DATE, dt.datetime(2026, 2, 28, 11), "2026-02-28"),
        (Type.BOOLEAN, "Yes", True),
        (Type.BOOLEAN, 0.0, False),
        (Type.BOOLEAN, "inactive", False),
        (Type.DATE, None, None),
    ],
)
def test_a_value_is_read_by_its_type(type: Type, raw: object, value: object) -> None:
    parsed = parse(attribute(type), raw)
    assert parsed == value
    assert parsed is None or parsed.__class__ is value.__class__


@pytest.mark.parametrize(
    ("type", "raw"),
    [
        (Type.NUMBER, "twelve"),
        (Type.NUMBER, "NaN"),
        (Type.NUMBER, "1e999"),
        (Type.NUMBER, "9" * 400),
        (Type.NUMBER, True),
        (Type.DATE, "31.12.2026"),
        (Type.DATE, "2026-02-30"),
        (Type.BOOLEAN, "maybe"),
        (Type.TEXT, "a\x00b"),
        (Type.TEXT, "\ud800"),
        (Type.CHOICE, "XXL"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(type: Type, raw: object) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+") as problem:
        parse(attribute(type, choices=("S", "M")), raw)
    assert "Decimal" not in str(problem.value)


def test_choices_are_found_whatever_their_case() -> None:
    assert parse(attribute(Type.CHOICE, choices=("Small", "Large")), "large") == "Large"


def test_profile_texts_have_their_own_rules() -> None:
    assert parse(attribute(name="locale", kind=Kind.PROFILE), "EN_gb") == "en-GB"
    assert parse(attribute(name="locale"), "klingon!") == "klingon!"  # a custom attribute of that name is free
    with pytest.raises(ValueError, match="e-mail"):
        parse(attribute(name="email", kind=Kind.PROFILE), "nobody")
    with pytest.raises(ValueError, match="151 characters; 150"):
        parse(attribute(max_length=150), "x" * 151)


def test_locales_and_time_zones() -> None:
    assert locale("zh-hant-tw") == "zh-Hant-TW"
    assert time_zone("Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(ValueError, match="time zone"):
        time_zone("../../etc/passwd")

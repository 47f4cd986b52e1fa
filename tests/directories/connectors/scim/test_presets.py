"""Presets are data: every file can be read, says where it is from, and a slip in it is refused with its line."""

from pathlib import Path

import pytest

from directories.connectors.scim.presets import (
    FOLDER,
    GENERIC,
    Filter,
    PresetError,
    RateLimit,
    ScimPreset,
    all_names,
    load,
    parse,
)

AWS = FOLDER / "aws.yaml"


def changed(old: str, new: str) -> str:
    """Return the text of the preset for AWS with one place changed."""
    text = AWS.read_text()
    assert old in text
    return text.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    """Return the number of the first line that has ``part``."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("name", all_names())
def test_a_preset_says_where_its_facts_are_from(name: str) -> None:
    preset = load(name)
    assert isinstance(preset, ScimPreset)
    assert preset.name == name
    assert all(source.url.startswith("https://") for source in preset.source)
    assert all(source.seen_on.year >= 2026 for source in preset.source)
    assert preset.base_url.startswith("https://")
    assert {"Accept", "Content-Type", "User-Agent"} <= set(preset.headers)
    sentences = [preset.delete.effects, preset.notes.strip(), *preset.quirks]
    assert all(sentence.endswith(".") for sentence in sentences if sentence)
    assert preset.delete.user == "never" or preset.delete.effects


def test_the_preset_for_every_other_product_comes_last() -> None:
    names = all_names()
    assert names[-1] == GENERIC
    assert len(names) == 14
    labels = [load(name).label.casefold() for name in names[:-1]]
    assert labels == sorted(labels)


def test_a_product_that_is_not_known_is_no_preset() -> None:
    with pytest.raises(KeyError):
        load("notes_on_paper")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("remove_by: value", "remove_by: hand", "group.remove_by: Input should be 'path', 'path_or' or 'value'."),
        ("remove_by: value", "remove_byy: value", "group.remove_byy: Nobody reads this key."),
        ("  max: 100", "  max: '100'", "paging.max: Input should be a valid integer."),
        ("  max: 100", "  max: 0", "paging.max: Input should be greater than 0."),
        ("complete: false", 'complete: "false"', "paging.complete: Input should be a valid boolean."),
        ("ways: [bearer]", "ways: [bearer, card]", "auth.ways.1: Input should be"),
        ("emails: 1", "emails: 0", "user.multi_value_max.emails: Input should be greater than 0."),
        ("seen_on: 2026-11-28", "seen_on: lately", "source.0.seen_on: Input should be a valid date"),
        ("clear: remove", "username: {pattern: '['}", "user.username.pattern: This is no regular expression"),
    ],
)
def test_a_slip_is_refused_with_file_and_line(old: str, new: str, says: str) -> None:
    text = changed(old, new)
    with pytest.raises(PresetError) as refused:
        parse(text, AWS)
    assert str(refused.value).startswith(f"aws.yaml, line {line_of(text, new)}: {says}")


def test_what_no_single_value_shows_is_refused_too() -> None:
    text = changed("  user: [userName, externalId]\n", "")
    where = f"aws.yaml, line {line_of(text, 'filter:')}: filter.user: Nobody can be looked up"
    with pytest.raises(PresetError, match=where):
        parse(text, AWS)


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(PresetError, match=r"aws.yaml, line 2: This is no YAML"):
        parse(changed("label: AWS", "label: [AWS"), AWS)


def test_a_key_that_is_missing_is_named_with_the_line_of_what_it_belongs_to() -> None:
    text = changed("  mode: cursor\n", "")
    with pytest.raises(PresetError, match=f"aws.yaml, line {line_of(text, 'paging:')}: paging.mode: This key is miss"):
        parse(text, AWS)


def test_every_slip_of_a_file_is_told_at_once() -> None:
    with pytest.raises(PresetError) as refused:
        parse(changed("mode: cursor", "mode: book").replace("combine: and", "combine: or"), AWS)
    assert len(str(refused.value).splitlines()) == 2


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(PresetError, match=r"aws.yaml, line"):
        parse(changed("label:", "label: Amazon\nlabel:"), AWS)


def test_a_text_is_no_preset() -> None:
    with pytest.raises(PresetError, match=r"other.yaml, line 1: A preset is"):
        parse("AWS", Path("other.yaml"))


def test_filters_are_allowed_one_by_one_and_together() -> None:
    entra = load("entra").filter
    assert entra.allows("user", "username")
    assert entra.allows("user", "groups.value", "id")
    assert not entra.allows("user", "externalId", "userName")
    assert not entra.allows("user", "nickName")
    assert not Filter(user=("userName", "externalId")).allows("user", "userName", "externalId")
    assert Filter(any=True, combine="any").allows("group", "displayName", "externalId")


@pytest.mark.parametrize(
    ("limit", "per", "words"),
    [
        (180, 60, "180 creations a minute"),
        (1000, 3600, "1,000 creations an hour"),
        (5, 30, "5 creations in 30 seconds"),
        (1, 1, "1 creations a second"),
    ],
)
def test_a_limit_says_itself_in_words(limit: int, per: int, words: str) -> None:
    assert RateLimit(limit=limit, per=per, what="creations").words == words

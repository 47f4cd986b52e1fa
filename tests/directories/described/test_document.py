"""Blueprints as YAML: values, lines and hostile documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directories.described.document import CUT, Document, DocumentError, dump


def test_values_are_those_of_yaml_12() -> None:
    text = "a: 02:30\nb: no\nc: true\nd: 007\ne: 1.50\nf:\ng: 2024-01-31\nh: -12\ni: '5'\nj: ~\nk: 1e3\nl: 0x10\n"
    assert Document(text).data == {
        **{"a": "02:30", "b": "no", "c": True, "d": "007", "e": 1.5, "f": None, "g": "2024-01-31", "h": -12},
        **{"i": "5", "j": None, "k": "1e3", "l": "0x10"},
    }


def test_a_problem_has_the_line_of_its_path() -> None:
    document = Document("a:\n  - b: 1\n    c:\n      - x\n      - |\n        one\n        two\n")
    assert document.problem(("a", 0, "c"), "m").line == 3
    assert document.problem(("a", 0, "c", 0), "m").line == 4
    assert document.problem(("a", 0, "c", 1), "m", inner_line=2).line == 7
    missing = document.problem(("a", 0, "missing", "deeper"), "m")
    assert (missing.line, missing.path) == (2, "a[0].missing.deeper")
    assert str(missing) == "line 2: a[0].missing.deeper: m"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a:\n  - UPDATE T SET N='##A## ##B##' WHERE U='##U##'\n", True),
        ("a:\n  - UPDATE T\n    SET N='##A## ##B##'\n", True),
        ("a:\n  - UPDATE T SET N='##A##' WHERE U='##U##'\n", False),
        ("a:\n  - \"UPDATE T SET N='##A## ##B##'\" # why\n", False),
        ("a:\n  - |-\n    UPDATE T SET N='##A## ##B##'\n", False),
        ("a:\n  - x", False),
    ],
)
def test_a_text_that_was_cut_at_a_comment_says_how_to_write_it(text: str, cut: bool) -> None:
    message = Document(text).problem(("a", 0), "Wrong.").message
    assert message == ("Wrong." + CUT if cut else "Wrong.")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1,\n", 3, "not YAML"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("a: 1\n? [b]\n: 2\n", 2, "must be a word"),
        ("a: &x 1\nb: *x\n", 2, "Aliases"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", 2, None),
        ("a: \x07\n", 1, "not YAML"),
        ("---\na: 1\n---\nb: 2\n", 3, "not YAML"),
        ("[" * 5000 + "]" * 5000, 1, "nested too deeply"),
        ("[" * 30 + "]" * 30, 1, "nested too deeply"),
    ],
)
def test_what_cannot_be_read(text: str, line: int, words: str | None) -> None:
    if words is None:
        assert Document(text).data == {"a": 1, "b": ["id"]}, "a tag makes nothing"
        return
    with pytest.raises(DocumentError) as caught:
        Document(text)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == line


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = st.one_of(
    texts, st.booleans(), st.none(), st.integers(-(10**15), 10**15), st.sampled_from(["no", "~", "1e3"])
)
plain = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@pytest.mark.heavy
@given(value=plain)
def test_what_is_written_is_read_back(value: object) -> None:
    assert Document(dump({"value": value})).data == {"value": value}

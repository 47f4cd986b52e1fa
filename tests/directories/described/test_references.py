"""References to secrets."""

from pathlib import Path

import pytest

from directories.described.references import Placeholders, ReferenceProblem, resolve


def test_a_variable_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", " päss ")
    assert resolve("env:A_SECRET").get_secret_value() == " päss "
    (tmp_path / "secret").write_text("päss\n")
    assert resolve(f"file:{tmp_path}/secret").get_secret_value() == "päss"
    assert "päss" not in repr(resolve("env:A_SECRET")) + str(resolve("env:A_SECRET"))


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("hunter2", "never the secret itself"),
        ("env:NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE is not set"),
        ("env:", "expected after env:"),
        ("env:A B", "expected after env:"),
        ("file:secret", "must begin with /"),
        ("file:/does/not/exist", "cannot be read"),
        ("file:/", "cannot be read"),
        ("file:{tmp}/empty", "is empty"),
        ("file:{tmp}/binary", "not text"),
        ("file:{tmp}/long", "longer than"),
    ],
)
def test_references_that_lead_nowhere(reference: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("x" * 70_000)
    with pytest.raises(ReferenceProblem, match=words) as caught:
        resolve(reference.format(tmp=tmp_path))
    assert "hunter2" not in str(caught.value)


def test_placeholders_are_names_of_variables_each_once() -> None:
    placeholders = Placeholders()
    assert placeholders.reference("APPSDB", "password") == "env:ROLLCALL_APPSDB_PASSWORD"
    assert placeholders.reference("apps db", "password") == "env:ROLLCALL_APPS_DB_PASSWORD"
    assert placeholders.reference("Apps-DB", "password") == "env:ROLLCALL_APPS_DB_PASSWORD_2"
    assert placeholders.reference("人事", "initial password") == "env:ROLLCALL_INITIAL_PASSWORD"

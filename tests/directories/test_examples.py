"""The example statements are what the seed shows, and always pass the check."""

import pytest

from directories.examples import ExampleTable, inserted, statements
from directories.models import TemplateOperation
from directories.query_templates import check

SEED = ExampleTable("postgres")


def test_the_seeds_six_statements() -> None:
    found = statements(SEED)
    assert (
        found[TemplateOperation.IMPORT][0]
        == "SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS WHERE USERNAME='##USERNAME##'"
    )
    assert len(found[TemplateOperation.IMPORT]) == 3
    assert found[TemplateOperation.DELETE] == ["DELETE FROM USERS WHERE USERNAME='##USERNAME##'"]
    assert "'##PASSWORD##'" in found[TemplateOperation.CREATE][0]
    assert "PASSWORD" not in found[TemplateOperation.UPDATE][0]


@pytest.mark.parametrize("language", ["postgres", "mysql", "sqlite", "tsql", "oracle"])
@pytest.mark.parametrize(
    "about",
    [
        {},
        {"table": "hr.people", "username": "LOGIN", "columns": ("first name", "Mail", "order"), "exact": True},
        {"table": '"Users"', "password": "", "columns": ("email", "IS_ACTIVE")},
        {"columns": ()},
    ],
)
def test_examples_pass_the_check_of_every_dialect(language: str, about: dict[str, object]) -> None:
    if language == "mysql" and str(about.get("table", "")).startswith('"'):
        about = {**about, "table": "`Users`"}
    table = ExampleTable(language, **about)  # type: ignore[arg-type]
    known = {"FIRSTNAME", "LASTNAME", "EMAIL_ADDRESS", "USERNAME", "first_name", "Mail", "order", "email"}
    for operation, examples in statements(table).items():
        for sql in examples:
            assert check(sql, language, operation.value, known) == [], sql


def test_names_that_need_quotes_get_them() -> None:
    odd = ExampleTable("postgres", columns=("Mail", 'a"b'), exact=True)
    assert '"Mail"' in statements(odd)[TemplateOperation.IMPORT][0]
    assert '"a""b"' in statements(odd)[TemplateOperation.IMPORT][1]
    assert '"order"' in statements(ExampleTable("sqlite", columns=("order",)))[TemplateOperation.UPDATE][0]
    assert "`first name`" in statements(ExampleTable("mysql", columns=("first name",)))[TemplateOperation.IMPORT][0]


def test_all_examples_include_disabling_where_the_table_has_a_column_for_it() -> None:
    assert inserted(SEED) == []
    assert inserted(ExampleTable("postgres", columns=("FIRSTNAME", "is_active"))) == ["disable", "enable"]

"""The admin's SQL with ``##NAME##`` placeholders: read, checked, bound and planned for import. Pure: no database."""

from directories.query_templates.errors import TemplateError
from directories.query_templates.groups import GROUPED
from directories.query_templates.groups import columns as group_columns
from directories.query_templates.groups import values as group_values
from directories.query_templates.identifiers import column_name, sql_of, table_name
from directories.query_templates.importing import ImportPlan, PageQuery, plan_import, plan_presence, slow_reason
from directories.query_templates.languages import LANGUAGES, Language
from directories.query_templates.names import NamedValues, fold, nearest
from directories.query_templates.splice import BoundParameter
from directories.query_templates.template import (
    PASSWORD,
    Bound,
    Template,
    check,
    import_attributes,
    names_in,
    parse,
)

__all__ = [
    "GROUPED",
    "LANGUAGES",
    "PASSWORD",
    "Bound",
    "BoundParameter",
    "ImportPlan",
    "Language",
    "NamedValues",
    "PageQuery",
    "Template",
    "TemplateError",
    "check",
    "column_name",
    "fold",
    "group_columns",
    "group_values",
    "import_attributes",
    "names_in",
    "nearest",
    "parse",
    "plan_import",
    "plan_presence",
    "slow_reason",
    "sql_of",
    "table_name",
]

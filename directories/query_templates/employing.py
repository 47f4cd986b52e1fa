"""The contracts query of a source of truth, joined with its people by the database: one stream, never a query a person.

The database compares the key as it always does, and orders by it, so that all rows of a person come one after another.
"""

from dataclasses import dataclass

from sqlglot import exp

from directories.query_templates.errors import TemplateError
from directories.query_templates.identifiers import sql_of
from directories.query_templates.importing import ImportPlan, PageQuery
from directories.query_templates.languages import LANGUAGES
from directories.query_templates.template import Template, parse

COLUMNS = 2  # the person's key and the contract's number come first


@dataclass(frozen=True, slots=True)
class ContractPlan:
    """``stream`` gives everybody with their contracts, a row each, and one without for whoever has none.

    ``people`` is how many columns are the person's; the others are the key and the number of a contract, then
    ``names``. ``many`` gives the same for a list of keys.
    """

    stream: str
    many: PageQuery
    people: int
    names: tuple[str, ...]


def plan_contracts(sql: str, dialect: str, plan: ImportPlan) -> ContractPlan:
    """Join a contracts query with the people of an import; raise TemplateError when it cannot be."""
    template = parse(sql, dialect, "contracts")
    if template.slots:
        raise TemplateError("The contracts query gives the contracts of everybody, so it has no ##NAME##.")
    if len(template.outputs) < COLUMNS:
        raise TemplateError("The contracts query gives the user name of the person first, and then the number.")
    language = LANGUAGES[dialect]
    contracts = language.plain(sql_of(_called(template), dialect))
    people = 1 + plan.with_password + len(plan.names)
    columns = [f"p.RC_{number}" for number in range(people)]
    columns += [f"c.RC_C{number}" for number in range(len(template.outputs))]
    head = f"SELECT {', '.join(columns)} FROM ({plan.people}"  # noqa: S608 - quoted names and the admin's own query
    tail = f") p LEFT JOIN ({contracts}) c ON c.RC_C0 = p.RC_0 ORDER BY p.RC_0"
    return ContractPlan(
        stream=head + tail,
        many=PageQuery(f"{head} WHERE {plan.key} IN (", f"){tail}", dialect, (), ()),
        people=people,
        names=tuple(output.name for output in template.outputs[COLUMNS:]),
    )


def _called(template: Template) -> exp.Expr:
    """Return the query with its columns called RC_C0, RC_C1 and so on, without labels and without an order."""
    tree = template.tree.copy()
    first = tree
    while isinstance(first, exp.SetOperation):
        first = first.this.unnest()
    called = [
        exp.alias_(output.expression.unalias().copy(), f"RC_C{number}")
        for number, output in enumerate(template.outputs)
    ]
    first.set("expressions", called)
    if not tree.args.get("limit"):
        tree.set("order", None)
    return tree

"""Questions and changes to one custom profile attribute of everybody, set-based: ``User.custom_profile`` is JSON."""

from typing import Any, cast

from django.db import transaction
from django.db.models import Func, JSONField, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform

from directories.attributes import Kind
from directories.models import AttributeMapping
from provisioning.models import AttributeDefinition, User
from reports import evidence
from reports.journal import Line, record
from reports.models import Direction, Operation, Result


class WithoutKey(Func):
    """A JSON object without one of its keys."""

    output_field = JSONField()
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Use the operator ``-`` of jsonb."""
        return super().as_sql(compiler, connection, template="(%(expressions)s::text)", arg_joiner=" - ", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Use ``json_remove``, which wants a path."""
        column, key = self.source_expressions
        path = Value(f'$."{cast(Value, key).value}"', output_field=TextField())
        clone = WithoutKey(column, path)
        return super(WithoutKey, clone).as_sql(compiler, connection, function="json_remove", **extra)


def holders(name: str) -> QuerySet[User]:
    """Return the users that have a value; the GIN index serves it."""
    return User.objects.filter(custom_profile__has_key=name).order_by()


def count_holders(name: str) -> int:
    """Return how many users have a value."""
    return holders(name).count()


def count_outside(name: str, choices: list[str]) -> tuple[int, list[str]]:
    """Return how many users have a value that is none of ``choices``, with a few such values."""
    outside = holders(name).annotate(held=KeyTextTransform(name, "custom_profile")).exclude(held__in=choices)
    examples = outside.values_list("held", flat=True).order_by("held").distinct()[:5]
    count = outside.count()
    return count, [str(example) for example in examples] if count else []


def forget(name: str) -> int:
    """Take the attribute from everybody who has it and return how many had."""
    key = Value(name, output_field=TextField())
    return holders(name).update(custom_profile=WithoutKey("custom_profile", key))


def mapped_by(definition: AttributeDefinition) -> list[str]:
    """Return the names of the directories that map the attribute, which cannot be deleted meanwhile."""
    mappings = AttributeMapping.objects.filter(kind=Kind.CUSTOM_PROFILE, portal_attribute=definition.name)
    return sorted(set(mappings.values_list("directory__name", flat=True)))


@transaction.atomic
def remove(definition: AttributeDefinition, actor: str) -> int:
    """Delete the definition and everybody's value; return how many had one."""
    count = forget(definition.name)
    definition.delete()
    keep(definition, "deleted", actor)
    return count


def keep(definition: AttributeDefinition, verb: str, actor: str) -> None:
    """Report that somebody "added", "changed" or "deleted" an attribute; the evidence has how it is defined since."""
    fields = [field.name for field in definition._meta.concrete_fields if not field.primary_key]
    state = None if verb == "deleted" else {name: getattr(definition, name) for name in fields}
    words = f"{actor} {verb} the custom profile attribute {definition.label}."
    record(Line("", "", Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
    evidence.changed(f"attribute {definition.name}", state, words, actor)

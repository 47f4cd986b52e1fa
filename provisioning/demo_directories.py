"""What the demo's directories have in common: SQLite files, described as people would describe them."""

from collections.abc import Mapping, Sequence

from directories.attributes import Kind
from directories.models import AttributeMapping, Directory, MappingDirection, QueryTemplate, TemplateOperation

OF_NAMES = {  # the columns of the walk-through's tables
    "FIRSTNAME": (Kind.PROFILE, "first_name"),
    "LASTNAME": (Kind.PROFILE, "last_name"),
    "EMAIL_ADDRESS": (Kind.PROFILE, "email"),
}


def describe(
    directory: Directory,
    queries: Mapping[TemplateOperation, Sequence[str]],
    mapping: Mapping[str, tuple[Kind, str]],
    direction: MappingDirection = MappingDirection.BOTH,
) -> None:
    """Write the queries of a new directory, and what its columns stand for: kind and portal attribute."""
    QueryTemplate.objects.bulk_create(
        QueryTemplate(directory=directory, operation=operation, position=position, sql=sql)
        for operation, found in queries.items()
        for position, sql in enumerate(found)
    )
    AttributeMapping.objects.bulk_create(
        AttributeMapping(
            directory=directory,
            directory_attribute=theirs,
            kind=kind.value,
            portal_attribute=ours,
            direction=direction,
            position=position,
        )
        for position, (theirs, (kind, ours)) in enumerate(mapping.items())
    )

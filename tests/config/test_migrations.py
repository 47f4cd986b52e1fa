"""What a migration may do to a table that an older web process still writes to."""

import pytest
from django.db import connection
from django.db.migrations import AddField, CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field

# The last migration of each app whose columns were there in every portal that is updated.
BEFORE = {"directories": "0002", "provisioning": "0011", "reports": "0002", "scim": "0006"}


def added() -> list[tuple[str, str, str]]:
    """Return app, model and name of every column that migrations since then put into a table that was there."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    since = [
        (app, operation)
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in BEFORE and name[:4] > BEFORE[app]
        for operation in migration.operations
    ]
    new = {(app, operation.name_lower) for app, operation in since if isinstance(operation, CreateModel)}
    return [
        (app, operation.model_name_lower, operation.name)
        for app, operation in since
        if isinstance(operation, AddField)
        and not operation.field.many_to_many
        and (app, operation.model_name_lower) not in new
    ]


@pytest.mark.heavy
@pytest.mark.django_db
def test_a_row_is_written_without_the_columns_that_an_older_process_does_not_know() -> None:
    state = MigrationLoader(None, ignore_no_migrations=True).project_state()
    required = []
    for app, model, name in added():
        here = state.apps.get_model(app, model)
        field = here._meta.get_field(name)
        assert isinstance(field, Field)
        with connection.cursor() as cursor:
            columns = connection.introspection.get_table_description(cursor, here._meta.db_table)
        column = next(column for column in columns if column.name == field.column)
        if not column.null_ok and column.default is None:
            required.append(f"{model}.{name}")
    assert not required, "these need db_default"
    assert len(added()) > 10

"""The database of the tests, which is kept from run to run."""

from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from provisioning import roles, usernames
from tests.servers import imported


def test_it_is_what_all_migrations_made(db: None) -> None:
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


def test_it_is_made_anew_when_a_module_changes_that_a_migration_imports() -> None:
    migrations = Path(apps.get_app_config("provisioning").path).glob("migrations/*.py")
    files = {path for migration in migrations for path in imported(migration.read_text())}
    assert {Path(roles.__file__), Path(usernames.__file__)} <= files

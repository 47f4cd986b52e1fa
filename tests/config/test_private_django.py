"""``config.database`` uses parts of Django that are not documented: look at a new one before anybody finds out."""

import inspect

import django
import pytest
from django.db import NotSupportedError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, QuerySet
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]
from django.test.utils import CaptureQueriesContext

from config.database import bulk
from config.database.prepared import Parameter, Prepared, cursor
from provisioning.models import Group, Membership, User


def test_the_parts_of_django_that_are_used() -> None:
    assert django.VERSION[:2] == (5, 2), "Look at config/database/ with this Django, then raise this number."
    assert list(inspect.signature(get_related_populators).parameters) == ["klass_info", "select", "db"]
    compiler = User.objects.select_related("manager").query.get_compiler(connection=connection)
    compiler.as_sql()
    assert {"select_fields", "model", "related_klass_infos"} <= compiler.klass_info.keys()
    assert callable(compiler.get_converters)
    assert list(inspect.signature(BaseDatabaseWrapper._prepare_cursor).parameters) == ["self", "cursor"]
    assert list(inspect.signature(QuerySet._raw_delete).parameters) == ["self", "using"]
    sql, params = User.objects.filter(username="anna").query.sql_with_params()
    assert (sql.count("%s"), params) == (1, ("anna",))


@pytest.mark.django_db
def test_a_prepared_query_gives_what_the_query_does() -> None:
    boss = User.objects.create_user("boss")
    anna = User.objects.create_user("anna", manager=boss, custom_profile={"shoe": 7})
    rows = User.objects.select_related("manager").filter(pk=Parameter("pk", BigIntegerField()))
    found = Prepared(lambda: rows).first(pk=anna.pk)
    assert found is not None
    plain = User.objects.select_related("manager").get(pk=anna.pk)
    with CaptureQueriesContext(connection) as captured:
        assert found.manager is not None
        values = [{name: vars(user)[name] for name in vars(user) if name != "_state"} for user in (found, plain)]
    assert values[0] == values[1]
    assert found.manager.username == "boss"
    assert len(captured) == 0


@pytest.mark.django_db
def test_rows_are_deleted_in_one_statement() -> None:
    group = Group.objects.create(name="Sales")
    members = [Membership(group=group, user=User.objects.create_user(name)) for name in ("anna", "bob")]
    Membership.objects.bulk_create(members)
    with CaptureQueriesContext(connection) as captured:
        assert bulk.delete(Membership.objects.filter(group=group, user__username="anna")) == 1
    assert len(captured) == 1
    assert [row.user.username for row in Membership.objects.all()] == ["bob"]


@pytest.mark.django_db(transaction=True)
def test_a_lasting_connection_is_looked_at_before_a_kept_query() -> None:
    """As Django's own cursors do: the server may have been started anew since the last request."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only")
    query = Prepared(lambda: User.objects.filter(pk=Parameter("pk", BigIntegerField())).values_list("username"))
    assert list(query.rows(pk=0)) == []
    connection.health_check_enabled, connection.health_check_done = True, False
    connection.connection.close()
    try:
        assert list(query.rows(pk=0)) == []
    finally:
        connection.health_check_enabled = False


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_a_migration_made_untrue_ends_with_its_request() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only")
    with connection.cursor() as own:
        own.execute("CREATE TABLE kept (name varchar(10))")
    with cursor() as kept:
        kept.execute("SELECT name FROM kept")
    other = connection.copy()
    with other.cursor() as own:
        own.execute("ALTER TABLE kept ALTER name TYPE varchar(20)")
    other.close()
    with pytest.raises(NotSupportedError), cursor() as kept:
        kept.execute("SELECT name FROM kept")
    connection.close_if_unusable_or_obsolete()
    with cursor() as kept:
        kept.execute("SELECT name FROM kept")
        kept.execute("DROP TABLE kept")


@pytest.mark.django_db
def test_the_server_keeps_the_plan_and_knows_what_never_changes() -> None:
    """What never changes stands in the statement, or a plan for any parameter would use no partial index."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL only")
    anna = User.objects.create_user("anna", first_name="100% %s")
    query = Prepared(
        lambda: User.objects.filter(pk=Parameter("pk", BigIntegerField()), first_name="100% %s").values_list("username")
    )
    assert list(query.rows(pk=anna.pk)) == list(query.rows(pk=anna.pk)) == [("anna",)]
    assert list(query.rows(pk=0)) == []
    with cursor() as opened:
        opened.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s", ["%100\\% \\%s%"])
        (statement,) = (row[0] for row in opened.fetchall())
    assert statement.count("$") == 1

"""Prepared queries use parts of Django that are not documented: a new Django must be looked at, not found out about."""

import inspect

import django
import pytest
from django.db import connection
from django.db.models import BigIntegerField
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]
from django.test.utils import CaptureQueriesContext

from config.database.prepared import Parameter, Prepared, cursor
from provisioning.models import User


def test_the_parts_of_django_that_prepared_queries_use() -> None:
    assert django.VERSION[:2] == (5, 2), "Look at config/database/prepared.py with this Django, then raise this number."
    assert list(inspect.signature(get_related_populators).parameters) == ["klass_info", "select", "db"]
    compiler = User.objects.select_related("manager").query.get_compiler(connection=connection)
    compiler.as_sql()
    assert {"select_fields", "model", "related_klass_infos"} <= compiler.klass_info.keys()
    assert callable(compiler.get_converters)


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

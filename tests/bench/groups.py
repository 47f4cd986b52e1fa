"""Groups of many members: importing one, pushing one, and one new member in each, against a SQL directory.

Steps run in processes of their own, as those of ``tests.bench.steps``: ``python -m tests.bench.groups STEP ...``.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import django
import psycopg

from tests.bench.steps import NAME, imported, measured, warm

GROUP = "Everyone"
TEMPLATES = {
    "import_groups": "SELECT name FROM teams",
    "import_members": "SELECT username FROM team_members WHERE team = '##GROUP##'",
    "create_group": "INSERT INTO teams VALUES ('##GROUP##')",
    "add_member": "INSERT INTO team_members VALUES ('##GROUP##', '##USERNAME##') ON CONFLICT DO NOTHING",
    "remove_member": "DELETE FROM team_members WHERE team = '##GROUP##' AND username = '##USERNAME##'",
}


def fill(dsn: str) -> None:
    """Give the source a group that everybody is in."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS teams, team_members")
        connection.execute("CREATE TABLE teams (name varchar(255) PRIMARY KEY)")
        connection.execute("CREATE TABLE team_members (team varchar(255), username varchar(255))")
        connection.execute("INSERT INTO teams VALUES (%s)", [GROUP])
        connection.execute("INSERT INTO team_members SELECT %s, username FROM users", [GROUP])
        connection.execute("ALTER TABLE team_members ADD PRIMARY KEY (team, username)")
        connection.execute("VACUUM ANALYZE team_members")


def leave(dsn: str) -> None:
    """Take one of the people out of the source's group."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM team_members WHERE username = 'person1'")


def come_back(dsn: str) -> None:
    """Put the one who left back into the source's group."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO team_members VALUES (%s, 'person1')", [GROUP])


def measured_in(dsn: str, variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Import a group of everybody, and push one, each a first time, unchanged and with one more member."""

    def step(*words: str) -> dict[str, float]:
        command = [sys.executable, "-m", "tests.bench.groups", *words]
        done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def row(what: str, found: dict[str, float]) -> tuple[str, ...]:
        figures = f"{found['seconds']:.2f} s; {found['written']:,.0f} rows written"
        return (f"Group of {count:,} members: {what}", figures, "", f"{found['memory']:.0f} MiB")

    fill(dsn)
    step("switch", "off")
    step("import")
    yield row("import of its people without it", step("import"))
    step("switch", "in")
    yield row("import, first", step("import"))
    yield row("import, unchanged", step("import"))
    leave(dsn)
    step("import")
    come_back(dsn)
    yield row("import, one new", step("import"))
    step("switch", "out")
    yield row("push, first", step("push", "first"))
    yield row("push, one new", step("push", "one"))


def switch(mode: str) -> dict[str, float]:
    """Let the directory import its groups (``in``), get the portal's (``out``), or neither (``off``)."""
    from directories.models import Directory, ProvisioningSettings, QueryTemplate

    directory = Directory.objects.get(name=NAME)
    directory.query_templates.filter(operation__in=TEMPLATES).delete()
    QueryTemplate.objects.bulk_create(
        QueryTemplate(directory=directory, operation=operation, sql=sql) for operation, sql in TEMPLATES.items()
    )
    ProvisioningSettings.objects.filter(directory=directory).update(
        sync_groups=mode != "off",
        import_groups=mode == "in",
        push_groups="all" if mode == "out" else "none",
        max_lost_members_percent=100,
    )
    return {}


def written() -> int:
    """Return how many rows this portal's database wrote since it was made."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
        return int(cursor.fetchone()[0])


def brought() -> dict[str, float]:
    """Run one import, and count the rows that it writes."""
    before = written()
    result = imported()
    return {**result, "written": written() - before}


def pushed(what: str) -> dict[str, float]:
    """Push a group of everybody for the first time (``first``), or one who joins it (``one``)."""
    from directories.models import Directory
    from provisioning import services
    from provisioning.identities import membership
    from provisioning.models import Group, GroupChange, Membership, User
    from provisioning.outbound.groups import delivery, outbox

    directory = Directory.objects.get(name=NAME)
    warm()
    if what == "first":
        Group.objects.all().delete()
        group = Group(name="Pushed")
        ids = list(User.objects.order_by("pk").values_list("pk", flat=True)[1:])
        services.save_group(group, "bench")
        Membership.objects.bulk_create((Membership(group=group, user_id=pk) for pk in ids), batch_size=5000)
    result: dict[str, float] = {}
    before = written()
    with measured(result):
        if what == "one":
            membership.add(Group.objects.get(), User.objects.order_by("pk").values_list("pk", flat=True)[:1], "bench")
        delivery.deliver(directory.pk, outbox.LEASES.due(directory.pk, 10))
    if left := GroupChange.objects.count():
        raise SystemExit(f"{left} changes of groups were not delivered.")
    return {**result, "written": written() - before}


STEPS = {"switch": switch, "import": brought, "push": pushed}

if __name__ == "__main__":
    django.setup()
    step, *arguments = sys.argv[1:]
    print(json.dumps(STEPS[step](*arguments)))  # type: ignore[operator]

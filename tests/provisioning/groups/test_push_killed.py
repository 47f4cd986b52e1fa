"""A worker that is killed in the middle of filling a group, as a power cut would: real processes, a real database."""

import datetime as dt
from collections.abc import Callable

from django.utils import timezone

from directories.models import Directory, Operation, QueryTemplate
from provisioning import tasks
from provisioning.models import Account, Group, GroupAccount, GroupChange, Membership, PushedMember, User
from provisioning.models.accounts import AccountState
from provisioning.outbound.groups import outbox
from reports.models import Event
from tests.fixtures.directories import AppsDb
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until

SIZE = 2500
TEMPLATES = {
    Operation.CREATE_GROUP: "INSERT INTO TEAMS VALUES ('##GROUP##')",
    Operation.ADD_MEMBER: "INSERT INTO MEMBERS VALUES ('##GROUP##', '##USERNAME##') ON CONFLICT DO NOTHING",
    Operation.REMOVE_MEMBER: "DELETE FROM MEMBERS WHERE TEAM = '##GROUP##' AND USERNAME = '##USERNAME##'",
}


def test_a_worker_killed_while_it_fills_a_group_is_followed_by_another(
    portal: Portal, pg_appsdb: AppsDb, make_directory: Callable[..., Directory]
) -> None:
    directory = make_directory(pg_appsdb, sync_groups=True, push_groups="all")
    QueryTemplate.objects.bulk_create(
        QueryTemplate(directory=directory, operation=operation, sql=sql) for operation, sql in TEMPLATES.items()
    )
    pg_appsdb.execute("CREATE TABLE TEAMS (NAME VARCHAR(255) PRIMARY KEY)")
    pg_appsdb.execute("CREATE TABLE MEMBERS (TEAM VARCHAR(255), USERNAME VARCHAR(255), PRIMARY KEY (TEAM, USERNAME))")
    pg_appsdb.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$"
    )
    pg_appsdb.execute("CREATE TRIGGER slow BEFORE INSERT ON MEMBERS FOR EACH ROW EXECUTE FUNCTION slow()")
    users = User.objects.bulk_create(User(username=f"user{n}") for n in range(SIZE))
    Account.objects.bulk_create(
        Account(user=user, directory=directory, key=user.username, remote_id=user.username, state=AccountState.ACTIVE)
        for user in users
    )
    group = Group.objects.create(name="Everyone")
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in users)
    first = portal.worker("--pool=threads")
    outbox.group_changed([group.pk], "test")
    wait_until(PushedMember.objects.exists, 90, "the first members")
    portal.kill(first)
    done = PushedMember.objects.count()
    assert 0 < done < SIZE, done
    assert GroupAccount.objects.filter(leased_until__gt=timezone.now()).exists()  # it died with the group in its hands
    portal.empty_broker()
    GroupAccount.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    portal.worker()
    tasks.sweep()
    wait_until(lambda: not GroupChange.objects.exists(), 90, "the rest")
    assert pg_appsdb.rows("SELECT count(*) FROM MEMBERS") == [(SIZE,)]
    assert PushedMember.objects.count() == SIZE
    told = Event.objects.filter(message__contains="was added to Everyone")
    assert told.count() == told.values("identifier").distinct().count() == SIZE
    assert not Event.objects.filter(result="failed").exists()

"""A portal of 22 November 2026 with people in it, upgraded: run by ``test_upgrade.py`` in a process of its own.

usage: DATABASE_URL=... python -m tests.config.upgrade_of_2026_11_22 SQLITE_DIRECTORY
It makes an empty database as that release left it, writes by the models of that time, migrates, lets the worker do
what waited, and prints what is there then as JSON.
"""

import json
import sqlite3
import sys
from typing import Any

import django
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

# The last migration of each app in that release. Landed migrations are never rewritten, so these names stay.
RELEASE = [
    ("admin", "0003_logentry_add_action_flag_choices"),
    ("auth", "0012_alter_user_first_name_max_length"),
    ("contenttypes", "0002_remove_content_type_name"),
    ("sessions", "0001_initial"),
    ("portal", "0001_initial"),
    ("directories", "0002_groups_and_passwords"),
    ("reports", "0002_set_password_operation"),
    ("provisioning", "0011_incremental_guard"),
    ("scim", "0006_token_digests"),
]
PASSWORD = "correct horse battery staple"
TOKEN = "rollcall_a-token-of-that-time"
COLUMNS = ("USERNAME", "FIRSTNAME")


def release() -> Any:
    """Make the tables of that release and return its models."""
    executor = MigrationExecutor(connection)
    executor.migrate(RELEASE)
    return MigrationExecutor(connection).loader.project_state(RELEASE).apps


def fill(apps: Any, path: str) -> None:
    """Write people, their accounts in one directory, what waits there, a group, an application and its links."""
    from scim.authentication import digest

    model = apps.get_model
    user = model("provisioning", "User").objects.create
    staff = user(username="grace", email="Grace@Example.org", is_staff=True, password=make_password(PASSWORD))
    staff.groups.add(model("auth", "Group").objects.get(name="IT staff"))
    directory = _directory(model, path)
    people = {
        "anna": user(username="anna", first_name="Anna", department="Sales", custom_attributes={"badge": "7"}),
        "bert": user(username="bert", first_name="Bert", is_active=False),
        "cleo": user(username="cleo", first_name="Cleo", is_active=False),
        "dora": user(username="Dora", first_name="Dora", manager=staff),
    }
    accounts = {
        "anna": _account(model, directory, people["anna"], "active", first="Ann"),
        "bert": _account(model, directory, people["bert"], "active", first="Bert"),
        "cleo": _account(model, directory, people["cleo"], "disabled", first="Cleo"),
        "dora": _account(model, directory, people["dora"], "pending"),
        "gone": _account(model, directory, None, "active", first="Gone"),
    }
    waiting = model("provisioning", "Change").objects
    for name, reason in {"anna": "changed", "bert": "deactivated", "dora": "created"}.items():
        waiting.create(directory=directory, account=accounts[name], reason=reason, actor="grace")
    waiting.create(
        **{"directory": directory, "account": accounts["cleo"], "reason": "changed"},
        **{"parked": timezone.now(), "parked_code": "conflict", "parked_message": "Somebody else has that name."},
    )
    model("provisioning", "Account").objects.filter(pk=accounts["cleo"].pk).update(last_result="parked")
    group = model("provisioning", "Group").objects.create(name="Readers", owner=directory)
    for name in ("anna", "dora"):
        model("provisioning", "Membership").objects.create(group=group, user=people[name])
    model("provisioning", "GroupAccount").objects.create(
        group=group, directory=directory, key="Readers", remote_id="Readers", state="active", last_result="ok"
    )
    client = model("scim", "Client").objects.create(name="Okta", slug="okta")
    model("scim", "Token").objects.create(client=client, digest=digest(TOKEN), secret=TOKEN)
    link = model("scim", "UserLink").objects.create
    link(client=client, user=people["anna"], external_id="00u1", owned=True, user_name="anna@example.org")
    link(client=client, user=people["bert"], external_id="00u2")
    link(client=client, user=people["dora"], external_id="00u3", deleted_at=timezone.now())
    model("scim", "GroupLink").objects.create(client=client, group=group, external_id="00g1")
    run = model("provisioning", "ImportRun").objects.create(directory=directory, status="approval", planned=1)
    model("provisioning", "PlannedChange").objects.create(
        run=run, action="create", key="emil", row={"USERNAME": "emil"}
    )
    model("reports", "Event").objects.create(
        **{"identifier": "anna", "application": "Staff", "direction": "in", "operation": "create", "result": "success"},
        **{"message": "Created anna.", "at": timezone.now()},
    )


def _directory(model: Any, path: str) -> Any:
    directory = model("directories", "Directory").objects.create(
        **{"name": "Staff", "kind": "sqlite"},
        settings={"database": path, "user_table": "USERS", "username_column": "USERNAME"},
    )
    statements = {
        "import": "SELECT '##FIRSTNAME##', FIRSTNAME FROM USERS WHERE USERNAME='##USERNAME##'",
        "check": "SELECT USERNAME FROM USERS WHERE USERNAME='##USERNAME##'",
        "create": "INSERT INTO USERS (USERNAME, FIRSTNAME) VALUES ('##USERNAME##', '##FIRSTNAME##')",
        "update": "UPDATE USERS SET FIRSTNAME='##FIRSTNAME##' WHERE USERNAME='##USERNAME##'",
        "delete": "DELETE FROM USERS WHERE USERNAME='##USERNAME##'",
    }
    for operation, sql in statements.items():
        model("directories", "QueryTemplate").objects.create(directory=directory, operation=operation, sql=sql)
    model("directories", "AttributeMapping").objects.create(
        **{"directory": directory, "directory_attribute": "FIRSTNAME", "kind": "profile"}, portal_attribute="first_name"
    )
    features = ("import_users", "create_users", "update_users", "deactivate_users", "delete_users")
    model("directories", "ProvisioningSettings").objects.create(
        directory=directory, on_deactivate="delete", on_delete="leave", **dict.fromkeys(features, True)
    )
    return directory


def _account(model: Any, directory: Any, user: Any, state: str, first: str = "") -> Any:
    key = user.username if user else "gone"
    return model("provisioning", "Account").objects.create(
        **{"user": user, "directory": directory, "key": key, "state": state},
        **{"remote_id": "" if state == "pending" else key, "seen_digest": "" if state == "pending" else "d" * 64},
        **{"attributes": {"FIRSTNAME": first}, "last_result": "" if state == "pending" else "ok"},
    )


def found() -> dict[str, Any]:
    """Return what the portal of today has."""
    from django.test import Client as Browser

    from provisioning.models import Account, Change, Group, GroupAccount, ImportRun, PlannedChange, User
    from reports.models import Event
    from scim.models import UserLink

    signed_in = Browser(SERVER_NAME="localhost").post("/login/", {"login": "GRACE", "password": PASSWORD})
    grace = User.objects.get(username="grace")
    scim = Browser(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {TOKEN}"})
    anna = User.objects.get(username="anna")
    return {
        "sign-in": signed_in.status_code,
        "rights": grace.has_perms(["provisioning.change_user", "directories.add_directory", "scim.show_token"]),
        "anna": (anna.department, anna.custom_attributes, anna.is_active),
        "manager": User.objects.get(username_key="dora").manager.username,
        "accounts": {
            account.key: (account.state, account.seen_state, account.last_result, account.unseen)
            for account in Account.objects.all()
        },
        "lanes": {change.account.key: change.lane for change in Change.objects.all()},
        "waiting": {change.account.key: (change.reason, bool(change.parked)) for change in Change.objects.all()},
        "group": {
            group.name: sorted(group.members.values_list("username", flat=True)) for group in Group.objects.all()
        },
        "group accounts": list(GroupAccount.objects.values_list("key", "state", "last_result")),
        "links": {
            link.external_id: (link.user.username, link.owned, link.said_active, bool(link.deleted_at))
            for link in UserLink.objects.all()
        },
        "scim": [one["userName"] for one in scim.get("/scim/v2/Users").json()["Resources"]],
        "approval": (ImportRun.objects.get().status, PlannedChange.objects.get().key),
        "events": list(Event.objects.filter(identifier="anna", direction="in").values_list("message", flat=True)),
    }


def main(path: str) -> None:
    """See the module."""
    from directories.models import Directory
    from provisioning.outbound.accounts import outbox
    from provisioning.outbound.accounts.delivery import deliver

    fill(release(), path)
    call_command("migrate", verbosity=0)
    before = found()
    directory = Directory.objects.get()
    deliver(directory.pk, outbox.LEASES.due(directory.pk, 100))
    with sqlite3.connect(path) as connection:
        rows = dict(connection.execute("SELECT USERNAME, FIRSTNAME FROM USERS").fetchall())
    print(json.dumps({"upgraded": before, "delivered": found(), "rows": rows}))


if __name__ == "__main__":
    django.setup()
    main(sys.argv[1])

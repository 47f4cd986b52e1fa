"""The portal's own database goes away: every kind of client is told so in its own terms, and comes again."""

import json
import subprocess
import urllib.error
import urllib.request
from email.message import Message

import psycopg

from tests import servers
from tests.fixtures.portal import Portal
from tests.fixtures.waiting import wait_until
from tests.scim.conftest import USER, make_client

SCIM_TYPE, PROBLEM_TYPE = "application/scim+json", "application/problem+json"


def copy_database(portal: Portal, target: servers.Program) -> None:
    """Copy the test's database to another server, and let the portal's processes use it there."""
    here = portal.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    there = f"postgresql://{target.user}:{target.password}@127.0.0.1:{target.port}/postgres"
    dump = subprocess.run([target.find("pg_dump"), here], check=True, capture_output=True).stdout
    subprocess.run(
        [target.find("psql"), "-q", "-v", "ON_ERROR_STOP=1", there], input=dump, check=True, capture_output=True
    )
    portal.environment["DATABASE_URL"] = there.replace("postgresql://", "postgres://")


def ask(portal: Portal, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Message, bytes]:
    """Return status, headers and body."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(portal.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def test_what_clients_and_people_are_told_while_the_database_is_away(
    portal: Portal, own_postgres: servers.Program
) -> None:
    client = make_client()
    bearer = {"Authorization": f"Bearer {client.token}", "Content-Type": SCIM_TYPE}
    basic = {"Authorization": "Basic YWRhOnNlY3JldA==", "Content-Type": "application/json"}
    copy_database(portal, own_postgres)
    portal.web()
    assert ask(portal, "GET", "/scim/v2/Users", **bearer)[0] == 200
    assert ask(portal, "GET", "/login/")[0] == 200

    own_postgres.stop()
    for again in range(2):  # over the connections that broke, and over new ones
        for method, path, body in (
            ("GET", "/scim/v2/Users", None),
            ("GET", "/scim/v2/Schemas", None),
            ("POST", "/scim/v2/Users", {"schemas": [USER], "userName": f"ada{again}"}),
            ("PUT", "/scim/okta/v2/Users/1", {"schemas": [USER], "userName": "ada"}),
            ("DELETE", "/scim/v2/Users/1", None),
            ("POST", "/scim/v2/Bulk", {"schemas": [], "Operations": []}),
        ):
            status, headers, content = ask(portal, method, path, body, **bearer)
            assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, SCIM_TYPE, "30"), path
            assert json.loads(content)["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
            assert json.loads(content)["status"] == "503"
        form = b"grant_type=client_credentials&client_id=okta&client_secret=x"
        assert ask(portal, "POST", "/scim/token", form)[0] == 503
        status, headers, content = ask(portal, "POST", "/api/v1/users/ada/password", {"password": "x"}, **basic)
        assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, PROBLEM_TYPE, "30")
        assert json.loads(content)["title"] == "Service Unavailable"
        for path in ("/", "/login/", "/provisioning/user/"):
            status, headers, content = ask(portal, "GET", path, Cookie="sessionid=of-somebody")
            assert (status, headers["Retry-After"]) == (503, "30"), path
            assert b"The portal cannot answer now" in content
    assert "Traceback" not in portal.logs()

    own_postgres.start()
    assert ask(portal, "POST", "/scim/v2/Users", {"schemas": [USER], "userName": "ada"}, **bearer)[0] == 201
    assert ask(portal, "GET", "/login/")[0] == 200


def test_the_log_of_requests_loses_no_line_to_a_restart_of_the_database(
    portal: Portal, own_postgres: servers.Program
) -> None:
    bearer = {"Authorization": f"Bearer {make_client().token}"}
    copy_database(portal, own_postgres)
    there = portal.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    portal.web()
    holding = psycopg.connect(there)
    holding.execute("LOCK TABLE scim_requestlog")  # so that a line is on its way when the server ends
    looking = psycopg.connect(there, autocommit=True)
    assert ask(portal, "GET", "/scim/v2/Users", **bearer)[0] == 200
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    wait_until(lambda: looking.execute(waiting).fetchone(), words="a line that is being written")
    own_postgres.stop()
    for broken in (holding, looking):
        broken.close()
    assert ask(portal, "GET", "/scim/v2/Users", **bearer)[0] == 503
    own_postgres.start()
    wait_until(lambda: ask(portal, "GET", "/scim/v2/Schemas", **bearer)[0] == 200, words="the portal's answer")
    with psycopg.connect(there, autocommit=True) as again:
        told = "SELECT count(*) FROM scim_requestlog WHERE status = 200 HAVING count(*) = 2"
        wait_until(lambda: again.execute(told).fetchone(), words="both lines")
    assert "SCIM log" not in portal.logs()

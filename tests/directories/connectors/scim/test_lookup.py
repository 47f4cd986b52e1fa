"""Looking accounts up where an application answers wrongly: nobody is taken for absent, or for somebody else."""

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from directories.connectors.base import ConnectorError, Entry, GroupEntry, Unavailable
from directories.connectors.scim import rate
from tests.directories.connectors.scim_subject import FIRST, LAST, MAIL, ScimSubject

ANN = Entry("ann", "", {FIRST: "Ann", LAST: "Lee", MAIL: "ann@example.org"}, {"username": "ann"}, "7c")
KNOWN = Entry("ann", "a1", ANN.attributes, ANN.person, ANN.portal_id)


@pytest.fixture(autouse=True)
def own_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for what another test sent."""
    store = rate.MemoryRates(clock=itertools.count(step=1000).__next__)
    monkeypatch.setattr(rate, "_stores", [store])


def answering(body: Any, *, path: str = "") -> Callable[[Request], Response | None]:
    """Answer every GET so, or those of one path, and let the server answer all others."""
    content = body if isinstance(body, str) else orjson.dumps(body)

    def before(request: Request) -> Response | None:
        if request.method != "GET" or request.path == "/ServiceProviderConfig" or (path and request.path != path):
            return None
        return Response(content, 200, headers={"Content-Type": "application/scim+json"})

    return before


def listed(total: int, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"totalResults": total, "Resources": [*resources]}


@pytest.mark.parametrize("body", [{"status": "maintenance"}, "", {"status": "ok", "Resources": None}])
@pytest.mark.parametrize("wanted", [ANN, KNOWN], ids=["by name", "by id"])
def test_a_page_that_answers_everything_with_200_says_nothing_of_anybody(
    scim: ScimSubject, body: Any, wanted: Entry
) -> None:
    scim.server.before = answering(body)
    with scim.open() as connector:
        with pytest.raises(Unavailable, match="not SCIM"):
            connector.find(wanted)
        with pytest.raises(Unavailable, match="not SCIM"):
            connector.find_group(GroupEntry("Sales", wanted.ref))
        with pytest.raises(Unavailable, match="not SCIM"):
            connector.look_up(["a1"])


def test_an_answer_about_another_account_does_not_make_one_absent(scim: ScimSubject) -> None:
    scim.server.before = answering({"id": "b2", "userName": "bob"}, path="/Users/a1")
    with scim.open() as connector, pytest.raises(ConnectorError) as caught:
        connector.find(KNOWN)
    assert caught.value.code == "answer"


def test_an_empty_list_may_leave_its_resources_out(scim: ScimSubject) -> None:
    """RFC 7644 section 3.4.2."""
    scim.server.before = answering({"totalResults": 0}, path="/Users")
    with scim.open() as connector:
        assert connector.find(ANN) is None


def test_an_entry_without_an_id_is_not_passed_over(scim: ScimSubject) -> None:
    scim.server.before = answering(listed(1, {"userName": "ann"}), path="/Users")
    with scim.open() as connector, pytest.raises(Unavailable, match="not SCIM"):
        connector.find(ANN)


def test_two_with_the_same_mail_address_are_for_a_person_to_decide(scim: ScimSubject) -> None:
    mail = [{"type": "work", "value": "ann@example.org"}]
    two = [{"id": ref, "userName": f"user-{ref}", "emails": mail} for ref in "ab"]
    scim.server.before = answering(listed(2, *two), path="/Users")
    with scim.open(by_email=True) as connector, pytest.raises(ConnectorError) as caught:
        connector.find(ANN)
    assert caught.value.code == "ambiguous"


def test_two_groups_of_one_name_are_for_a_person_to_decide_and_the_letters_tell_two_apart(scim: ScimSubject) -> None:
    def named(*names: str) -> dict[str, Any]:
        return listed(len(names), *({"id": f"g{at}", "displayName": name} for at, name in enumerate(names)))

    with scim.open() as connector:
        scim.server.before = answering(named("sales", "Sales"), path="/Groups")
        found = connector.find_group(GroupEntry("Sales"))
        assert found is not None
        assert found.ref == "g1"
        scim.server.before = answering(named("Sales", "Sales"), path="/Groups")
        with pytest.raises(ConnectorError) as caught:
            connector.find_group(GroupEntry("Sales"))
    assert caught.value.code == "ambiguous"


CUT = listed(900, *({"id": f"x{number}", "userName": f"user{number}"} for number in range(3)))


def test_a_list_that_was_cut_and_took_no_notice_of_the_filter_proves_nobodys_absence(scim: ScimSubject) -> None:
    scim.server.before = lambda request: (answering(CUT, path="/Users") if request.args else answering(CUT, path="-"))(
        request
    )
    with scim.open() as connector:
        for wanted in (ANN, KNOWN):
            with pytest.raises(ConnectorError) as caught:
                connector.find(wanted)
            assert caught.value.code == "filter"
        assert connector.find_many([ANN, ANN]) == {}, "each of them is refused when it is its turn"


def test_a_filter_that_the_application_heeds_finds_whom_another_did_not(scim: ScimSubject) -> None:
    def before(request: Request) -> Response | None:
        heeded = request.args.get("filter", "").startswith("userName")
        return answering(listed(1, {"id": "a1", "userName": "ann"}) if heeded else CUT, path="/Users")(request)

    scim.server.before = before
    with scim.open(product="atlassian") as connector:
        found = connector.find(ANN)
    assert found is not None
    assert found.ref == "a1"


def test_a_filter_for_many_is_no_longer_than_the_product_takes(scim: ScimSubject) -> None:
    people = [Entry(f"{number:0>200}", "", {}, {}, f"id-{number:0>200}") for number in range(10)]
    with scim.open(product="keycloak") as connector:
        assert connector.find_many(people) == dict.fromkeys(range(10))
    asked = [unquote(one.path.partition("filter=")[2]) for one in scim.server.asked if "filter=" in one.path]
    assert asked
    assert max(map(len, asked)) <= connector.preset.filter.max_length

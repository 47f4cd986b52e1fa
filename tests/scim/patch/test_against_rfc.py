"""Random sequences of operations: the engine and a plain model of the RFC come to the same end."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim import dialects
from scim.errors import ScimError
from scim.patch import patched
from scim.resources import attributes, schemas
from tests.scim.patch.rfc import ENTERPRISE, Asked, Refused, applied

pytestmark = pytest.mark.heavy

SCHEMA = attributes._table(schemas.of_users(()), {}, {})
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"

texts = st.sampled_from(["a", "B", "ä ö", 'quoted "x"', "100%", "ligature ﬁ"])
addresses = st.sampled_from(["a@x.example", "b@x.example", "c@corp.local"])
types = st.sampled_from(["work", "home", "other"])


def element(*, full: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    required = {"value": addresses} if full else {}
    return st.fixed_dictionaries(required, optional={"type": types, "primary": st.booleans()})


def one_primary(emails: list[dict[str, Any]]) -> bool:
    return sum(bool(each.get("primary")) for each in emails) <= 1


names = st.dictionaries(st.sampled_from(["givenName", "familyName"]), texts, min_size=1)
mails = st.lists(element(), max_size=3, unique_by=str)
resources = st.fixed_dictionaries(
    {"schemas": st.just([CORE]), "id": st.just("1"), "userName": st.just("anna")},
    optional={
        "title": texts,
        "name": names,
        "emails": mails.filter(lambda found: bool(found) and one_primary(found)),
        ENTERPRISE: st.fixed_dictionaries({"department": texts}),
    },
)
verbs = st.sampled_from(["add", "replace", "remove"])
wheres = st.one_of(st.tuples(st.just("type"), types), st.tuples(st.just("value"), addresses))
simple = st.builds(Asked, verbs, st.sampled_from(["title", "department"]), value=texts)
whole_name = st.builds(Asked, verbs, st.just("name"), value=names)
part_of_name = st.builds(Asked, verbs, st.just("name"), sub=st.sampled_from(["givenName", "familyName"]), value=texts)
whole_mails = st.builds(Asked, verbs, st.just("emails"), value=mails.filter(bool))
parts = st.one_of(
    st.builds(Asked, verbs, st.just("emails"), wheres, st.just("value"), addresses),
    st.builds(Asked, verbs, st.just("emails"), wheres, st.just("primary"), st.booleans()),
)
removed_elements = st.builds(Asked, st.just("remove"), st.just("emails"), wheres)
operations = st.lists(
    st.one_of(simple, whole_name, part_of_name, whole_mails, parts, removed_elements), min_size=1, max_size=6
)


def outcome(resource: dict[str, Any], asked: list[dict[str, Any]]) -> Any:
    model = schemas.user_model(())  # kept once it is made, which takes long while modules are imported
    try:
        return patched(resource, dialects.operations({"Operations": asked}, SCHEMA), model)
    except ScimError as error:
        return error.scim_type


def comparable(resource: Any) -> Any:
    """The order of the values of a multi-valued attribute says nothing (RFC 7643 section 2.4)."""
    if not isinstance(resource, dict):
        return resource
    found = dict(resource)
    if "emails" in found:
        found["emails"] = sorted((sorted(each.items(), key=str) for each in found["emails"]), key=str)
    return found


@settings(max_examples=150)
@given(resources, operations)
def test_the_engine_does_what_the_rfc_says(resource: dict[str, Any], asked: list[Asked]) -> None:
    untouched = copy.deepcopy(resource)
    try:
        expected: Any = applied(resource, asked)
    except Refused as refused:
        expected = str(refused)
    found = outcome(resource, [each.json() for each in asked])
    assert comparable(found) == comparable(expected), [each.json() for each in asked]
    assert resource == untouched  # pure, also when it fails half way


@settings(max_examples=100)
@given(resources, operations)
def test_doing_it_again_changes_nothing_more(resource: dict[str, Any], asked: list[Asked]) -> None:
    """An operation that has been done leaves nothing for the next time, so that repeated cycles write nothing."""
    last = asked[-1].json()
    once = outcome(resource, [last])
    if isinstance(once, dict) and not (last["op"] == "add" and last["path"] == "emails"):
        again = outcome(once, [last])
        assert again is once or "[value eq" in last["path"]


@settings(max_examples=100)
@given(resources, st.lists(simple | part_of_name, min_size=1, max_size=4))
def test_an_object_without_a_path_is_the_same_as_its_paths(resource: dict[str, Any], asked: list[Asked]) -> None:
    replaces = {each.json()["path"]: each.value for each in asked if each.op == "replace"}
    if replaces:
        one = outcome(resource, [{"op": "replace", "value": replaces}])
        many = outcome(resource, [{"op": "replace", "path": path, "value": value} for path, value in replaces.items()])
        assert comparable(one) == comparable(many)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
paths = (
    st.sampled_from(
        f"""title name name.givenName emails emails.value active id meta.created manager groups password roles schemas
        {ENTERPRISE}:manager.value {ENTERPRISE}:department {ENTERPRISE} {CORE} urn:x:y:z""".split()
    )
    | st.sampled_from(['emails[type eq "work" and not (value pr)].display', "addresses[primary eq true].region"])
    | st.text(max_size=30)
)


@settings(max_examples=200)
@given(resources, verbs | st.text(max_size=8), st.none() | paths, junk)
def test_no_operation_ends_in_anything_but_an_answer(
    resource: dict[str, Any], verb: str, path: str | None, value: Any
) -> None:
    found = outcome(resource, [{"op": verb, "path": path, "value": value}])
    kinds = {"invalidPath", "invalidValue", "invalidSyntax", "invalidFilter", "noTarget", "mutability"}
    assert isinstance(found, dict) or found in kinds


@pytest.mark.parametrize(
    "body", [None, [], {}, {"Operations": None}, {"Operations": []}, {"Operations": ["x"]}, 5, "x"]
)
def test_a_body_without_operations_is_refused(body: Any) -> None:
    with pytest.raises(ScimError) as refused:
        dialects.operations(body, SCHEMA)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidSyntax")

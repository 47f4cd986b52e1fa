"""Lists, /.search at the root and for each type (RFC 7644 sections 3.4.2 and 3.4.3), and conditional requests."""

from urllib.parse import quote

import pytest

from provisioning.models import Group, Membership, User

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


@pytest.fixture
def crowd(scim):
    for n, title in enumerate(["b", "", "A", "c", ""]):
        User.objects.create(username=f"person{n}", title=title, last_name=f"L{n % 2}")
    User.objects.create(username="admin", is_staff=True)
    for name in ("Readers", "Writers"):
        Group.objects.create(name=name, pushed_by="Okta")
    return scim


def names(answer):
    assert answer.status == 200, answer
    assert answer.json["schemas"] == [LIST]
    return [each.get("userName") or each["displayName"] for each in answer.json["Resources"]]


def search(scim, path, **wanted):
    return scim.post(f"{path}/.search", {"schemas": [SEARCH], **wanted})


def test_a_search_is_a_list_with_its_question_in_the_body(crowd):
    text = 'userName sw "PERSON" and not (title pr)'
    listed = crowd.get(f"/Users?filter={quote(text)}&count=1&startIndex=2")
    searched = search(crowd, "/Users", filter=text, count=1, startIndex=2)
    assert listed.json == searched.json
    assert (names(searched), searched.json["totalResults"]) == (["person4"], 2)


def test_the_root_lists_every_type(crowd):
    everything = [f"person{n}" for n in range(5)] + ["Readers", "Writers"]
    assert names(crowd.get("/")) == names(search(crowd, "")) == everything
    assert names(search(crowd, "", count=3, startIndex=5)) == ["person4", "Readers", "Writers"]
    # RFC 7644 section 3.4.2.2: filter=(meta.resourceType eq User) or (meta.resourceType eq Group)
    assert names(search(crowd, "", filter='meta.resourceType eq "Group"')) == ["Readers", "Writers"]
    # Section 3.4.2.1: what a type does not know is false for it
    assert names(search(crowd, "", filter='displayName eq "readers" or title eq "a"')) == ["person2", "Readers"]
    assert search(crowd, "", filter='nowhere eq "a"').json["scimType"] == "invalidFilter"


def test_cursors_lead_through_the_root(crowd):
    found, cursor = [], ""
    while cursor is not None:
        answer = search(crowd, "", count=2, cursor=cursor)
        found += names(answer)
        assert "startIndex" not in answer.json
        cursor = answer.json.get("nextCursor")
    assert found == [f"person{n}" for n in range(5)] + ["Readers", "Writers"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"sortBy": "title"}, [2, 0, 3, 1, 4]),  # those without a value last (RFC 7644 section 3.4.2.3)
        ({"sortBy": "title", "sortOrder": "descending"}, [4, 1, 3, 0, 2]),
        ({"sortBy": "name.familyName"}, [0, 2, 4, 1, 3]),
        ({"sortBy": "userName", "sortOrder": "Descending"}, [4, 3, 2, 1, 0]),
        ({"sortOrder": "descending"}, [4, 3, 2, 1, 0]),
        ({"sortBy": "meta.created"}, [0, 1, 2, 3, 4]),
    ],
)
def test_sorting_by_pages_and_cursors(crowd, order, expected):
    whole = [f"person{n}" for n in expected]
    assert names(search(crowd, "/Users", **order)) == whole
    first = search(crowd, "/Users", count=2, cursor="", **order)
    second = search(crowd, "/Users", count=9, cursor=first.json["nextCursor"], **order)
    assert names(first) + names(second) == whole


@pytest.mark.parametrize(
    ("wanted", "scim_type"),
    [
        ({"sortBy": "nowhere"}, "invalidPath"),
        ({"sortBy": "password"}, "invalidPath"),
        ({"sortBy": 5}, "invalidValue"),
        ({"sortOrder": "up"}, "invalidValue"),
        ({"filter": ["a"]}, "invalidValue"),
        ({"filter": 'password eq "x"'}, "invalidFilter"),
        ({"filter": "password pr"}, "invalidFilter"),
        ({"filter": 'urn:nowhere:User:userName eq "x"'}, "invalidFilter"),
        ({"filter": 'active gt "True"'}, "invalidFilter"),
        ({"filter": 'active eq "maybe"'}, "invalidFilter"),
        ({"filter": 'meta.lastModified gt "yesterday"'}, "invalidFilter"),
        ({"filter": "userName eq 5"}, "invalidFilter"),
        ({"filter": 'title[value eq "a"]'}, "invalidFilter"),
        ({"filter": 'emails[nowhere eq "a"]'}, "invalidFilter"),
        ({"filter": 'name eq "a"'}, "invalidFilter"),
        ({"count": "many"}, "invalidValue"),
        ({"cursor": "made up"}, "invalidCursor"),
    ],
)
def test_what_cannot_be_asked(crowd, wanted, scim_type):
    answer = search(crowd, "/Users", **wanted)
    assert (answer.status, answer.json["scimType"]) == (400, scim_type)


def test_a_body_that_is_no_search(crowd):
    assert crowd.post("/.search", {"filter": "title pr"}).json["scimType"] == "invalidSyntax"
    assert crowd.get("/.search").status == 405


def test_characters_that_no_text_holds_match_nothing(crowd):
    for text in (r'userName eq "person0\u0000"', r'title co "\ud800"', r'externalId eq "\u0000"'):
        assert search(crowd, "/Users", filter=text).json["totalResults"] == 0
    assert search(crowd, "/Users", filter=r'title ne "\u0000"').json["totalResults"] == 5


def test_per_cent_and_underscore_are_themselves(crowd):
    User.objects.create(username="odd", title="100%_")
    assert names(search(crowd, "/Users", filter='title co "%"')) == ["odd"]
    assert names(search(crowd, "/Users", filter='title ew "%_"')) == ["odd"]
    assert names(search(crowd, "/Users", filter='userName eq "person_"')) == []


def test_staff_are_found_by_no_filter(crowd):
    for text in ('userName eq "admin"', 'not (userName sw "person")', "userName pr"):
        assert "admin" not in names(search(crowd, "/Users", filter=text))


def test_a_list_of_a_client_without_reading_is_refused(new_client):
    assert new_client(read=False).get("/Users").status == 403


def test_the_number_of_queries_does_not_depend_on_the_page(crowd, django_assert_max_num_queries):
    people = [User(username=f"more{n}", email=f"more{n}@example.org") for n in range(60)]
    User.objects.bulk_create(people)
    group = Group.objects.first()
    Membership.objects.bulk_create(Membership(group=group, user=user) for user in people)
    with django_assert_max_num_queries(14):
        assert len(names(crowd.get("/Users?count=60"))) == 60


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_conditional_requests(crowd, kind):
    body = {"schemas": [GROUP], "displayName": "New"} if kind == "Groups" else None
    made = crowd.post("/Groups", body).json if body else crowd.add("new")
    path, version = f"/{kind}/{made['id']}", made["meta"]["version"]
    full = body or {"schemas": made["schemas"], "userName": "new"}
    change = {"op": "replace", "path": "displayName", "value": "Newer"}
    assert crowd.get(path, If_None_Match=version).status == 304
    assert crowd.get(path, If_None_Match='W/"x", "y"').status == 200
    for other in ('W/"x"', '"y"'):
        assert crowd.put(path, full, If_Match=other).status == 412
        assert crowd.patch(path, change, If_Match=other).status == 412
        assert crowd.delete(path, If_Match=other).status == 412
    assert crowd.get(path).headers["ETag"] == version
    assert crowd.patch(path, change, If_Match=f'W/"x", {version}').status in (200, 204)
    assert crowd.put(path, full, If_Match=version).status == 412
    newer = crowd.get(path).headers["ETag"]
    assert newer != version
    assert crowd.delete(path, If_Match=newer).status == 204
    assert crowd.get(path).status == 404

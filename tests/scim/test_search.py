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


@pytest.mark.heavy
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


@pytest.mark.heavy
def test_values_that_no_row_maps_are_found(scim, new_client):
    """An empty list would make clients create people twice."""
    tom = {
        "emails": [
            {"type": "work", "value": "tom@corp.example", "primary": True},
            {"type": "work", "value": "tom@second.example"},
            {"type": "home", "value": "Tom@Private.example"},
        ],
        "phoneNumbers": [{"type": "fax", "value": "+49 3"}],
        "addresses": [{"type": "home", "locality": "Bonn"}],
    }
    pia = {"emails": [{"type": "home", "primary": True, "value": "pia@private.example"}]}
    ute = {"emails": [{"type": "work", "value": "ute@corp.example"}, {"type": "home", "primary": True, "value": "u@h"}]}
    for name, body in {"tom": tom, "pia": pia, "ute": ute, "nil": {"emails": [{"value": "n@x"}]}}.items():
        scim.add(name, **body)
    for text, expected in {
        'emails.value eq "tom@private.example"': ["tom"],
        'emails eq "TOM@private.example"': ["tom"],
        'emails co "second"': ["tom"],
        'emails[type eq "home"]': ["tom", "pia", "ute"],
        'emails[type eq "work" and value eq "tom@second.example"]': ["tom"],
        'emails[type eq "home" and value eq "tom@corp.example"]': [],
        'emails[type eq "work" and value eq "pia@private.example"]': [],
        'emails[not (type eq "work")]': ["tom", "pia", "ute", "nil"],
        "emails[primary eq true]": ["tom", "pia", "ute"],
        'emails[primary eq true and type eq "work"]': ["tom"],
        'emails.value ne "tom@private.example"': ["pia", "ute", "nil"],
        'phoneNumbers[type eq "fax"]': ["tom"],
        'phoneNumbers.value eq "+49 3"': ["tom"],
        'addresses[type eq "home" and locality eq "bonn"]': ["tom"],
        "phoneNumbers pr": ["tom"],
    }.items():
        assert names(search(scim, "/Users", filter=text)) == expected, text
    other = new_client("Entra")
    assert names(search(other, "/Users", filter='emails.value eq "tom@private.example"')) == []
    assert names(search(other, "/Users", filter='emails.value eq "tom@corp.example"')) == ["tom"]


def test_an_attribute_of_which_a_part_is_made_by_an_expression_cannot_be_asked_for(scim):
    scim.client.mappings.filter(scim_path__startswith="phoneNumbers").filter(portal_attribute="mobile").update(
        expression="{{ value }}", direction="out"
    )
    answer = search(scim, "/Users", filter='phoneNumbers.value eq "1"')
    assert (answer.status, answer.json["scimType"]) == (400, "invalidFilter")


@pytest.mark.heavy
def test_what_is_asked_for_without_its_extension_and_through_groups(scim, new_client):
    boss = scim.add("boss")
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    anna = scim.add("anna", **{enterprise: {"manager": {"value": boss["id"]}, "department": "R&D"}})
    members = [{"value": anna["id"]}]
    team = scim.post("/Groups", {"schemas": [GROUP], "displayName": "Team", "members": members}).json
    for text in (f'manager eq "{boss["id"]}"', 'department eq "r&d"', f'groups.value eq "{team["id"]}"', "groups pr"):
        assert names(search(scim, "/Users", filter=text)) == ["anna"], text
    for text in (f'groups[value eq "{team["id"]}"]', f'not (groups.value eq "{boss["id"]}") and title pr'):
        assert search(scim, "/Users", filter=text).status == 200, text
    own = new_client("Entra", reach="own")
    own.add("anna")
    assert names(search(own, "/Users", filter=f'groups.value eq "{team["id"]}"')) == []

"""The syntax of filters and paths: RFC 7644 sections 3.4.2.2 and 3.5.2, and the limits."""

import pytest
from scim2_models.path import AttrPath, CompareOperator, Comparison, LogicalExpr, Not, Present, ValuePath

from config.filter_syntax import MAX_DEPTH, MAX_LENGTH, MAX_TERMS
from scim.errors import ScimError
from scim.filters import PatchPath, parse, parse_path

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize("operator", ["eq", "Eq", "EQ", "eQ"])
def test_operators_ignore_case(operator):
    # PingOne sends: username Eq "..."
    assert parse(f'userName {operator} "x"') == Comparison(AttrPath("userName"), CompareOperator.eq, "x")


# Figure 2 of RFC 7644, whole
EXAMPLES = [
    'userName eq "bjensen"',
    'name.familyName co "O\'Malley"',
    'userName sw "J"',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"',
    "title pr",
    'meta.lastModified gt "2011-05-13T04:42:34Z"',
    'meta.lastModified ge "2011-05-13T04:42:34Z"',
    'meta.lastModified lt "2011-05-13T04:42:34Z"',
    'meta.lastModified le "2011-05-13T04:42:34Z"',
    'title pr and userType eq "Employee"',
    'title pr or userType eq "Intern"',
    'schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"',
    'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
    'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
    'userType eq "Employee" and (emails.type eq "work")',
    'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]',
    'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_rfc_are_read(text):
    assert str(parse(text)).replace("(", "").replace(")", "") == text.replace("(", "").replace(")", "")


def test_and_binds_tighter_than_or_and_not_tighter_than_both():
    node = parse("a pr or b pr and not (c pr)")
    a, b, c = (Present(AttrPath(name)) for name in "abc")
    assert node == LogicalExpr(node.op, (a, LogicalExpr("and", (b, Not(c)))))


@pytest.mark.parametrize("name", ["notes", "order", "android", "never", "prefix", "nullable", "trueName", "co-worker"])
def test_names_may_begin_as_operators_do(name):
    assert parse(f"{name} pr") == Present(AttrPath(name))


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("-12.5e1", -125.0),
        ("17", 17),
        (r'"a\"b\\c\u00e9\n"', 'a"b\\cé\n'),
        ('""', ""),
        ('"a and b) or ["', "a and b) or ["),
    ],
)
def test_values_are_those_of_json(literal, value):
    node = parse(f"a eq {literal}")
    assert isinstance(node, Comparison)
    assert node.value == value
    assert type(node.value) is type(value)


def test_a_comparison_after_a_value_path_is_read_as_entra_means_it():
    assert parse('emails[type eq "work"].value eq "x"') == parse('emails[type eq "work" and value eq "x"]')


def test_an_extension_is_named_by_its_urn():
    node = parse(f'{ENTERPRISE}:manager.value eq "1"')
    assert node == Comparison(AttrPath("manager", "value", ENTERPRISE), CompareOperator.eq, "1")


WRONG = [
    "",
    " ",
    "userName",
    "userName eq",
    "userName eq x",
    "userName eq 'x'",
    'userName eq "x',
    'userName eq "x" and',
    'and userName eq "x"',
    'userName eq "x" userName eq "y"',
    'userName eq "x")',
    '(userName eq "x"',
    'userName == "x"',
    'userName like "x"',
    'emails[type eq "work"',
    "emails[]",
    'emails[type eq "work"]extra',
    'emails[a[b eq "1"]]',
    "not userName pr",
    'a.b.c eq "x"',
    'userName eq "a\nb"',
    r'userName eq "\x"',
    r'userName eq "\u12"',
    "a eq 01",
    "a eq 1e999",
    "a eq " + "9" * 5000,
    '"x" eq userName',
    "1a pr",
    "userName pr\x00",
    'userName eq "\ud800"',
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(ScimError) as refused:
        parse(text)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidFilter")


def test_limits_name_themselves():
    many = " or ".join(["a pr"] * MAX_TERMS)
    assert parse(many)
    deep = "(" * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH
    assert parse(deep) == parse("a pr")
    for text, words in (
        (f"{many} or a pr", f"{MAX_TERMS} are allowed"),
        (f"({deep})", f"{MAX_DEPTH} are allowed"),
        ("(" * 2000 + "a pr" + ")" * 2000, f"{MAX_DEPTH} are allowed"),
        ("not (" * 33 + "a pr" + ")" * 33, f"{MAX_DEPTH} are allowed"),
        ('a eq "' + "x" * MAX_LENGTH + '"', f"{MAX_LENGTH} are allowed"),
    ):
        with pytest.raises(ScimError, match=words) as refused:
            parse(text)
        assert refused.value.scim_type == "invalidFilter"


def test_brackets_within_a_string_are_no_depth():
    assert parse('a eq "' + "(" * 100 + r"\"[[[" + '"')


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("active", PatchPath(AttrPath("active"))),
        ("name.familyName", PatchPath(AttrPath("name", "familyName"))),
        (f"{ENTERPRISE}:manager", PatchPath(AttrPath("manager", None, ENTERPRISE))),
        (
            'members[value eq "1"]',
            PatchPath(AttrPath("members"), Comparison(AttrPath("value"), CompareOperator.eq, "1")),
        ),
        (
            'emails[type eq "work"].value',
            PatchPath(AttrPath("emails"), Comparison(AttrPath("type"), CompareOperator.eq, "work"), "value"),
        ),
        (
            'emails.type eq "work"',
            PatchPath(AttrPath("emails"), Comparison(AttrPath("type"), CompareOperator.eq, "work")),
        ),
    ],
)
def test_paths(text, path):
    assert parse_path(text) == path


def test_the_urn_of_an_extension_is_a_path():
    assert str(parse_path(ENTERPRISE).attribute) == ENTERPRISE


@pytest.mark.parametrize("text", ["", "a[b", '"x"', "a pr", 'a eq "1"', "a.b.c", "members[]", "a" * 9000, "a\x00"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ScimError) as refused:
        parse_path(text)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidPath")


def test_a_value_path_keeps_its_filter_whole():
    node = parse('emails[type eq "work" and not (value co "@x")]')
    assert isinstance(node, ValuePath)
    assert str(node.val_filter) == 'type eq "work" and not (value co "@x")'

"""Two versions of one thing are compared, and one is put back: by the ways in which it is changed, and said so."""

from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from config.signin.models import SignInSettings
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate
from provisioning import directory_settings
from provisioning.blueprints.apply import apply
from provisioning.events.models import Subscription
from provisioning.guard import door_limits
from provisioning.models import AttributeDefinition, Group, User
from provisioning.requests.models import Product
from provisioning.roles import AUDITOR, HELPDESK
from provisioning.rules import services as rules
from provisioning.rules.services import RuleDraft
from reports import evidence, versions
from reports.models import Evidence, EvidenceKind
from scim.models import Client
from tests.config.second_factor.conftest import with_app
from tests.provisioning.admin import roll
from tests.provisioning.requests.test_admin import form as product_form

pytestmark = pytest.mark.django_db
PAGE = "/reports/evidence/"
BLUEPRINT = """
version: 1
attributes:
  - {{name: size, label: Size}}
directories:
  - name: {name}
    kind: postgresql
    description: "{description}"
    settings: {{host: {host}, port: 5432, database: CRM, user: rollcall, user_table: USERS, username_column: USERNAME}}
    secrets: {{password: env:CRM_PASSWORD}}
    templates:
      check:
        - |-
          SELECT USERNAME
          FROM {table}
          WHERE USERNAME='##USERNAME##'
    mapping:
      - {{directory_attribute: {attribute}, portal_attribute: {portal}, kind: {kind}}}
    provisioning: {{max_leavers: {leavers}, schedule: daily, schedule_time: "02:30"}}
"""
FIRST = {
    **{"name": "CRM", "description": "Customers", "host": "old.example.org", "table": "USERS"},
    **{"attribute": "SIZE", "portal": "size", "kind": "custom_profile", "leavers": 7},
}
SECOND = {
    **FIRST,
    **{"description": "", "host": "new.example.org", "table": "PEOPLE", "leavers": 9},
    **{"attribute": "MAIL", "portal": "email", "kind": "profile"},
}


def crm(monkeypatch: pytest.MonkeyPatch, *, moved: bool = False) -> Directory:
    """Return a directory of which the second version has another password and name, and if ``moved`` another host."""
    monkeypatch.setenv("CRM_PASSWORD", "hunter2")
    apply(BLUEPRINT.format(**FIRST), actor="ada")
    monkeypatch.setenv("CRM_PASSWORD", "hunter3")
    apply(BLUEPRINT.format(**SECOND if moved else {**SECOND, "host": FIRST["host"]}), actor="bob")
    directory = Directory.objects.get()
    directory.name = "Customers"
    directory.save()
    directory_settings.record(directory, "cleo renamed CRM.", "cleo")
    return directory


def rows(subject: str) -> list[Evidence]:
    """Return the rows about a thing, the oldest first."""
    return list(Evidence.objects.filter(kind=EvidenceKind.CONFIGURATION, subject=subject).order_by("seq"))


def compared(client: Browser, one: Evidence, other: Evidence) -> dict[str, Any]:
    answer = client.get(f"{PAGE}compare/", {"one": one.seq, "other": other.seq})
    assert answer.status_code == 200
    assert "hunter" not in answer.content.decode()
    return {value.name: value for value in answer.context["values"]}


def back(client: Browser, row: Evidence, **typed: Any) -> tuple[Any, Any]:
    """Put a version back; return the question and the answer."""
    page = f"{PAGE}{row.seq}/put-back/"
    asked = client.get(page)
    if asked.status_code != 200:
        return asked, asked
    return asked, client.post(page, {"confirmed": asked.context["token"], **typed})


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_two_versions_of_a_directory_stand_side_by_side_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch, moved=True)
    first, second, third = rows(f"directory {directory.pk}")
    client = roll.signed_in(roll.staff(AUDITOR))
    values = compared(client, third, first)  # in whichever order they were chosen
    assert (values["Settings › host"].before, values["Settings › host"].after) == (
        ["old.example.org"],
        ["new.example.org"],
    )
    assert (values["Secrets › password"].before, values["Secrets › password"].after) == (
        ["(secret)"],
        ["another secret"],
    )
    assert (values["Name"].before, values["Name"].after) == (["CRM"], ["Customers"])
    limit = values["Features › People who may be deactivated, and accounts that may be closed here"]
    assert (limit.before, limit.after) == (["7"], ["9"])
    assert [(line.sign, line.text) for line in values["Query › Check user"].diff] == [
        (" ", "SELECT USERNAME"),
        ("-", "FROM USERS"),
        ("+", "FROM PEOPLE"),
        (" ", "WHERE USERNAME='##USERNAME##'"),
    ]
    assert set(compared(client, second, third)) == {"Name"}
    listed = client.get(PAGE, {"subject": f"directory {directory.pk}"})
    assert "Compare the two chosen versions" in listed.content.decode()
    assert "Put this version back" not in listed.content.decode()


def test_a_version_of_a_directory_is_put_back_but_for_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch)
    first, _, _ = rows(f"directory {directory.pk}")
    client = roll.it_staff()
    listed = client.get(PAGE, {"subject": f"directory {directory.pk}"}).content.decode()
    assert listed.count("Put this version back") == 2  # the newest is what it is
    asked, done = back(client, first)
    assert "Secrets stay as they are now: Secrets › password." in asked.context["found"].kept[0]
    assert done.status_code == 302
    directory.refresh_from_db()
    assert (directory.name, directory.description, directory.settings["host"]) == (
        "CRM",
        "Customers",
        "old.example.org",
    )
    assert directory.secrets == {"password": "hunter3"}
    assert AttributeMapping.objects.get().portal_attribute == "size"
    assert "FROM USERS" in QueryTemplate.objects.get().sql
    assert ProvisioningSettings.objects.get().max_leavers == 7
    line = rows(f"directory {directory.pk}")[-1]
    assert (line.payload["put back"], line.actor) == (first.seq, "it.staff")
    assert set(compared(client, first, line)) == {"Secrets › password"}
    assert list(evidence.faults()) == []
    assert "There is nothing to put back" in client.get(f"{PAGE}{line.seq}/put-back/").content.decode()


def test_stored_secrets_are_sent_nowhere_else_by_putting_a_version_back(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch, moved=True)
    client = roll.it_staff()
    asked, _ = back(client, rows(f"directory {directory.pk}")[0])
    assert "Its connection led elsewhere then" in said(client.get(asked["Location"]))[-1]
    directory.refresh_from_db()
    assert directory.settings["host"] == "new.example.org"


def test_only_who_may_change_a_thing_puts_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch)
    first = rows(f"directory {directory.pk}")[0]
    for role, looks in ((AUDITOR, 200), (HELPDESK, 403)):
        client = roll.signed_in(roll.staff(role))
        assert client.get(PAGE, {"subject": f"directory {directory.pk}"}).status_code == looks
        assert client.get(f"{PAGE}{first.seq}/put-back/").status_code == 403
        assert client.post(f"{PAGE}{first.seq}/put-back/", {"confirmed": "x"}).status_code == 403
    evidence.changed("role 1", {"name": "X", "rights": []}, "ada changed X.", "ada")
    it_staff = roll.it_staff()
    role_row = rows("role 1")[0]
    assert it_staff.get(PAGE, {"subject": "role 1"}).status_code == 403
    assert it_staff.get(f"{PAGE}{role_row.seq}/put-back/").status_code == 403
    assert it_staff.get(f"{PAGE}compare/", {"one": role_row.seq, "other": role_row.seq}).status_code == 403


def test_what_was_not_shown_is_not_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch)
    first = rows(f"directory {directory.pk}")[0]
    client, page = roll.it_staff(), f"{PAGE}{first.seq}/put-back/"
    token = client.get(page).context["token"]
    Directory.objects.update(description="Changed meanwhile")
    assert client.post(page, {"confirmed": token}).status_code == 200
    assert "FROM PEOPLE" in QueryTemplate.objects.get().sql


def test_a_version_that_does_not_fit_any_more_is_refused_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch)
    first = rows(f"directory {directory.pk}")[0]
    client = roll.it_staff()
    AttributeDefinition.objects.all().delete()
    _, answer = back(client, first)
    shown = said(client.get(answer["Location"]))
    assert shown[-1].startswith("This version does not fit any more. mapping: 0: portal_attribute: ")
    Directory.objects.update(kind="mysql")
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "It was of the kind postgresql then and is mysql now." in shown[-1]
    Directory.objects.create(name="crm", kind="sqlite")
    Directory.objects.filter(pk=directory.pk).update(kind="postgresql")
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "Another one is called CRM by now." in shown[-1]
    directory_settings.record(directory, "x", "ada", gone=True)
    directory.delete()
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "It was deleted. Add it anew." in shown[-1]


def test_over_a_limit_the_number_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.admin.configuration.put_back.carry_out", _over)
    directory = crm(monkeypatch)
    first = rows(f"directory {directory.pk}")[0]
    client = roll.it_staff()
    assert back(client, first)[1].status_code == 200
    assert back(client, first, number="11")[1].status_code == 200
    assert back(client, first, number="12")[1].status_code == 302


def _over(found: Any, document: Any, data: Any, actor: str, **more: Any) -> None:
    """Carry out, and say that it is over a limit, as a large directory would."""
    from provisioning.blueprints.apply import carry_out

    check, number = more["check"], more["number"]
    carry_out(found, document, data, actor, **more)
    found.over, found.reached = ["Over the limit."], 12
    assert check or number == 12


def test_a_put_back_asks_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = crm(monkeypatch)
    first = rows(f"directory {directory.pk}")[0]
    client = Browser()
    user = User.objects.create_superuser("root", password="correct-horse-7")
    client.force_login(user)
    session = client.session
    session["signin_proved"] = [user.pk, 0.0]
    session.save()
    page = f"{PAGE}{first.seq}/put-back/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"confirmed": "x"})["Location"].startswith("/login/again/")


def test_a_rule_is_put_back_by_its_number_with_whom_it_holds_for() -> None:
    group = Group.objects.create(name="Ward")
    for name in ("ann", "ben"):
        roll.person(name, title="Nurse")
    known = rules.fields.known()
    rule = rules.save(
        None, RuleDraft(name="Nurses", condition=rules_parse('user.title eq "Nurse"', known), groups=[group.pk]), "ada"
    )
    rules.publish(rule, "ada")
    rules.save(rule, RuleDraft(name="Carers", condition=rules_parse('user.title eq "Carer"', known)), "bob")
    _, published, _ = rows(f"business rule {rule.pk}")
    asked, done = back(roll.it_staff(), published)
    assert asked.context["found"].impacts == [
        "It holds for 0 people now, and would for 2. The guard looks at what that takes away."
    ]
    assert done.status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.published) == ("Nurses", True)
    assert [str(one) for one in rule.entitlements.filter(ended=False)] == ["group Ward"]
    group.delete()
    rules.save(rule, RuleDraft(name="Carers"), "bob")
    client = roll.root()
    shown = said(client.get(back(client, published)[1]["Location"]))
    assert "There is no group named Ward." in shown[-1]


def test_a_value_that_was_taken_out_of_a_rule_does_not_come_back_as_nothing() -> None:
    known = rules.fields.known()
    condition = rules_parse('user.title eq "Nurse"', known)
    rule = rules.save(None, RuleDraft(name="Nurses", condition=condition, values={"profile.title": "Nurse"}), "ada")
    rules.save(rule, RuleDraft(name="Nurses", condition=condition), "bob")
    rules.save(rule, RuleDraft(name="Carers", condition=condition), "bob")
    without = rows(f"business rule {rule.pk}")[1]
    assert back(roll.it_staff(), without)[1].status_code == 302
    rule.refresh_from_db()
    assert rule.name == "Nurses"
    assert not rule.entitlements.filter(ended=False).exists()


@pytest.mark.parametrize(
    "subject", ["business rule Nurses", "self-service product VPN", "directory CRM", "role Readers"]
)
def test_history_by_a_name_that_leads_nowhere_is_not_put_back(subject: str) -> None:
    evidence.changed(subject, {"name": "Nurses", "rights": []}, "x", "ada")
    answer = roll.root().get(f"{PAGE}{rows(subject)[0].seq}/put-back/")
    assert answer.status_code in {302, 404}


def rules_parse(line: str, known: Any) -> Any:
    from provisioning.rules.conditions import parse

    return parse(line, known)


def test_a_product_is_put_back() -> None:
    client, owner = roll.root(), roll.person("owner")
    Group.objects.create(name="VPN")
    client.post("/requests/product/add/", product_form(groups="VPN", text="From home.", days="30", most="5"))
    product = Product.objects.get()
    page = f"/requests/product/{product.pk}/change/"
    changed = {"step_kind": ["manager", "", "", ""], "step_who": [""] * 4, "field_label": [""], "field_kind": [""]}
    answer = client.post(page, product_form(name="Remote", **changed, field_choices=[""], field_required=[""]))
    assert answer.status_code == 302
    first, second = rows(f"self-service product {product.pk}")
    values = compared(client, first, second)
    assert {"Name", "Steps", "Fields", "Text", "Days", "Most", "Groups"} == set(values)
    asked, done = back(client, first)
    assert asked.context["found"].impacts == ["0 people have it. What it gives then, they get within a minute."]
    assert done.status_code == 302
    product.refresh_from_db()
    assert (product.name, product.text, product.days, product.most) == ("VPN", "From home.", 30, 5)
    assert [(step.kind, step.person) for step in product.steps.all()] == [("manager", None), ("person", owner)]
    assert product.fields[0]["choices"] == ["A", "B"]
    assert compared(client, first, rows(f"self-service product {product.pk}")[-1]) == {}
    owner.delete()
    client.post(page, product_form(name="Remote", **changed, field_choices=[""], field_required=[""]))
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "There is no user owner." in shown[-1]


def test_an_attribute_is_put_back_unless_values_are_in_the_way() -> None:
    apply("version: 1\nattributes:\n- {name: size, label: Size, type: choice, choices: [S, M]}\n", actor="ada")
    apply("version: 1\nattributes:\n- {name: size, label: Shoe size, type: choice, choices: [S, M, L]}\n", actor="bob")
    first = rows("attribute size")[0]
    roll.person("ann", custom_profile={"size": "L"})
    client = roll.root()
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "Users have a value that is not among the choices." in shown[-1]
    User.objects.filter(username="ann").update(custom_profile={})
    assert back(client, first)[1].status_code == 302
    definition = AttributeDefinition.objects.get()
    assert (definition.label, definition.choices) == ("Size", ["S", "M"])


def test_a_receiver_is_put_back_but_for_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nreceivers:\n- {{name: {}, url: 'https://{}.example.org/k3y', kinds: [{}]}}\n"
    apply(text.format("SIEM", "old", "user.created"), actor="ada")
    apply(text.format("SIEM", "new", "user.deleted"), actor="bob")
    held = Subscription.objects.get()
    first = rows(f"subscription {held.pk}")[0]
    asked, _ = back(roll.it_staff(), first)
    assert "k3y" not in asked.content.decode()
    assert any(
        "stays as it is now (https://new.example.org; then https://old" in one for one in asked.context["found"].kept
    )
    held.refresh_from_db()
    assert (held.kinds, held.url) == (["user.created"], "https://new.example.org/k3y")


def test_a_scim_application_is_put_back() -> None:
    client = roll.it_staff()
    client.post("/scim/client/add/", {"name": "Okta", "provider": ""})
    okta = Client.objects.get()
    before = rows(f"SCIM application {okta.pk}")[-1]
    tokens, days = okta.tokens.count(), okta.recycle_days
    apply("version: 1\nscim_applications:\n- {name: okta, recycle_days: 3, create_users: false}\n", actor="bob")
    okta.refresh_from_db()
    assert okta.recycle_days == 3
    _, done = back(client, before)
    assert done.status_code == 302
    okta.refresh_from_db()
    assert (okta.name, okta.recycle_days, okta.create_users) == ("Okta", days, True)
    assert okta.tokens.count() == tokens


def test_a_role_is_put_back_with_its_rights() -> None:
    client = roll.root()
    rights = [
        Permission.objects.get(codename=name, content_type__app_label="provisioning")
        for name in ("view_user", "view_group")
    ]
    client.post("/portal/role/add/", {"name": "Readers", "permissions": [one.pk for one in rights]})
    role = Role.objects.get(name="Readers")
    client.post(f"/portal/role/{role.pk}/change/", {"name": "Watchers", "permissions": [rights[0].pk]})
    first = rows(f"role {role.pk}")[0]
    asked, done = back(client, first)
    assert asked.context["found"].impacts == ["0 people have this role."]
    assert done.status_code == 302
    role.refresh_from_db()
    assert (role.name, set(role.permissions.all())) == ("Readers", set(rights))
    evidence.changed(f"role {role.pk}", {"name": "Old", "rights": ["provisioning.fly"]}, "x", "ada")
    shown = said(client.get(back(client, rows(f"role {role.pk}")[-1])[1]["Location"]))
    assert "There is no right provisioning.fly any more." in shown[-1]


def test_settings_are_put_back() -> None:
    client = roll.root()
    limits = {name: getattr(door_limits.stored(), name) for pair in door_limits.FIELDS.values() for name in pair}
    client.post("/guard/doorlimits/", {**limits, "max_off": 7})
    client.post("/guard/doorlimits/", {**limits, "max_off": 9})
    assert back(client, rows("limits of other doors")[0])[1].status_code == 302
    assert door_limits.stored().max_off == 7
    client.post("/contracts/primaryorder/", {"field": ["fte"], "direction": ["highest"]})
    client.post("/contracts/primaryorder/", {"field": ["hours"], "direction": ["lowest"]})
    assert back(client, rows("order of contracts")[0])[1].status_code == 302
    assert rows("order of contracts")[-1].payload["changes"]["order"][1] == [["fte", True]]
    evidence.changed("order of contracts", {"order": [["fte", True]], "follows": {"profile.title": None}}, "x", "ada")
    client.post("/contracts/primaryorder/", {"field": ["hours"], "direction": ["lowest"]})
    assert back(client, rows("order of contracts")[-2])[1].status_code == 302
    evidence.changed("order of contracts", {"order": [["contract.shoe", True]], "follows": {}}, "x", "ada")
    client.post("/contracts/primaryorder/", {"field": ["hours"], "direction": ["lowest"]})
    shown = said(client.get(back(client, rows("order of contracts")[-2])[1]["Location"]))
    assert "There is no contract.shoe any more." in shown[-1]


def test_who_has_no_second_factor_puts_back_no_version_that_asks_for_one() -> None:
    client = roll.root()
    root = User.objects.get(username="root")
    with_app(root)
    client.post("/signin/signinsettings/", {"second_factor": "on"})
    client.post("/signin/signinsettings/", {"self_service": "on"})
    first = rows("sign-in")[0]
    root.authenticator_set.all().delete()
    shown = said(client.get(back(client, first)[1]["Location"]))
    assert "Add a second factor of your own first" in shown[-1]
    with_app(root)
    assert back(client, first)[1].status_code == 302
    assert SignInSettings.objects.get().second_factor


@pytest.mark.parametrize("address", ["/directories/directory/{}/change/", "/directories/directory/{}/history/"])
def test_the_history_of_a_thing_is_the_same_from_everywhere(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    directory = crm(monkeypatch)
    wanted = f"{PAGE}?subject=directory+{directory.pk}"
    for client in (roll.it_staff(), roll.signed_in(roll.staff(AUDITOR))):
        answer = client.get(address.format(directory.pk))
        shown = answer["Location"] if answer.status_code == 302 else answer.content.decode()
        assert wanted in shown
    helpdesk = roll.helpdesk().get(address.format(directory.pk))
    assert helpdesk.status_code == 403 or wanted not in helpdesk.content.decode()


def test_each_page_of_a_thing_leads_to_its_history() -> None:
    client = roll.root()
    rule = rules.save(None, RuleDraft(name="Nurses"), "ada")
    roll.definition("size")
    size = AttributeDefinition.objects.get()
    pages = {
        f"/rules/businessrule/{rule.pk}/change/": f"business+rule+{rule.pk}",
        f"/provisioning/attributedefinition/{size.pk}/change/": "attribute+size",
        "/guard/doorlimits/": "limits+of+other+doors",
        "/signin/signinsettings/": "sign-in",
        "/contracts/primaryorder/": "order+of+contracts",
    }
    for page, subject in pages.items():
        assert f'href="{PAGE}?subject={subject}"' in client.get(page).content.decode(), page
    assert (
        client.get(f"/provisioning/attributedefinition/{size.pk}/history/")["Location"]
        == f"{PAGE}?subject=attribute+size"
    )
    user = User.objects.get(username="root")
    assert PAGE not in client.get(f"/provisioning/user/{user.pk}/history/")["Location"]


def test_states_are_told_again_from_changes_whatever_their_names_hold() -> None:
    steps: list[dict[str, Any]] = [
        {"values": {"profile.title": "A"}, "secret": evidence.masked("a"), "of": {"a.b": {"c": 1}}},
        {
            "values": {"profile.title": "B", "profile.city": "X"},
            "secret": evidence.masked("a"),
            "of": {"a.b": {"c": 2}},
        },
        {"values": {"profile.city": None}, "secret": evidence.masked("b"), "of": {"a.b": {"c": 2, "d": [1]}}},
    ]
    for step in steps:
        evidence.changed("thing 1", step, "x", "ada")
    told = versions.history(["thing 1"])
    seqs = [row.seq for row in told]
    found = versions.states(versions.history(["thing 1"]), seqs)
    for seq, step in zip(seqs, steps, strict=True):
        state = found[seq]
        assert {key: value for key, value in state["values"].items() if value} == {
            key: value for key, value in step["values"].items() if value
        }
        assert state["of"] == step["of"]
    assert found[seqs[0]]["secret"] == found[seqs[1]]["secret"] != found[seqs[2]]["secret"]
    evidence.changed("thing 1", None, "gone", "ada")
    evidence.changed("thing 1", {"name": "New"}, "again", "ada")
    newest = Evidence.objects.order_by("-seq").values_list("seq", flat=True)[0]
    assert versions.states(versions.history(["thing 1"]), [newest]) == {newest: {"name": "New"}}

"""The page "Changes of settings": who changed what, before and after, and for whose eyes."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from directories.models import Directory
from provisioning import directory_settings
from provisioning.admin.configuration.lines import changed_values
from provisioning.blueprints.apply import apply
from provisioning.models import AttributeDefinition, Group
from provisioning.roles import AUDITOR, HELPDESK, IT_STAFF
from provisioning.rules import services as rules
from provisioning.rules.services import RuleDraft
from reports import evidence
from reports.models import Evidence, KnownState
from tests.provisioning.admin.roll import signed_in, staff

pytestmark = pytest.mark.django_db
lasting_subjects = import_module("provisioning.requests.migrations.0002_lasting_subjects")
PAGE = "/reports/evidence/"


def crm() -> Directory:
    directory = Directory.objects.create(
        name="CRM", kind="postgresql", settings={"host": "old.example.org"}, secrets={"password": "hunter2"}
    )
    directory_settings.record(directory, "ada added the directory CRM.", "ada")
    directory.settings["host"], directory.secrets = "new.example.org", {"password": "hunter3"}
    directory.save()
    directory_settings.record(directory, "bob changed the settings of CRM.", "bob")
    return directory


def told(answer) -> list[str]:
    return [line["what"] for line in answer.context["lines"] if not line["what"].startswith("The rights of ")]


def test_an_auditor_reads_who_changed_what_before_and_after_and_no_secret() -> None:
    crm()
    client = signed_in(staff(AUDITOR))
    answer = client.get(PAGE, {"what": "directory"})
    assert told(answer) == ["bob changed the settings of CRM.", "ada added the directory CRM."]
    values = {one.name: (one.before, one.after) for one in answer.context["lines"][0]["values"]}
    assert values == {
        "Settings › host": (["old.example.org"], ["new.example.org"]),
        "Secrets › password": (["(secret)"], ["another secret"]),
    }
    assert "hunter" not in answer.content.decode()


@pytest.mark.heavy
def test_the_list_is_filtered_by_what_by_whom_when_and_to_one_thing() -> None:
    directory = crm()
    evidence.changed("rule Sales", {"published": True}, "ada published Sales.", "ada")
    client = signed_in(staff(AUDITOR))
    assert told(client.get(PAGE, {"what": "business rule"})) == ["ada published Sales."]
    assert told(client.get(PAGE, {"who": "bob"})) == ["bob changed the settings of CRM."]
    assert len(told(client.get(PAGE, {"subject": f"directory {directory.pk}"}))) == 2
    assert told(client.get(PAGE, {"end": "2020-01-01"})) == []
    assert len(told(client.get(PAGE, {"start": "2020-01-01"}))) == 3
    assert "Nothing was searched" in client.get(PAGE, {"what": "nonsense"}).content.decode()


@pytest.mark.heavy
def test_nobody_reads_of_what_they_may_not_see() -> None:
    crm()
    evidence.changed("role 1", {"rights": []}, "ada changed the role X.", "ada")
    for role in (HELPDESK, IT_STAFF):
        assert signed_in(staff(role)).get(PAGE).status_code == 403
    auditor = staff(AUDITOR)
    client = signed_in(auditor)
    assert told(client.get(PAGE, {"subject": "role 1"})) == ["ada changed the role X."]
    auditor.groups.get().permissions.remove(Permission.objects.get(codename="view_role"))
    assert len(told(client.get(PAGE))) == 2  # of the directory
    assert told(client.get(PAGE, {"subject": "role 1"})) == []


@pytest.mark.heavy
def test_a_page_asks_the_same_for_one_change_and_for_many() -> None:
    client = signed_in(staff(AUDITOR))
    numbers = []
    for size in (1, 60):
        for number in range(size):
            evidence.changed("rule Sales", {"days": number + size}, "ada changed Sales.", "ada")
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(PAGE, {"what": "business rule"})
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
    assert len(told(answer)) == 50
    assert len(told(client.get(PAGE + answer.context["older_url"]))) == 11


@pytest.mark.heavy
def test_attributes_are_kept_whichever_way_they_change(it_staff) -> None:
    apply("version: 1\nattributes:\n- {name: size, label: Size}\n", actor="deploy")
    definition = AttributeDefinition.objects.get()
    page = f"/provisioning/attributedefinition/{definition.pk}/change/"
    sent = {"label": "Grösse", "name": "size", "type": "text", "choices": "", "position": "0"}
    assert it_staff.post(page, sent).status_code == 302
    definition.refresh_from_db()
    assert it_staff.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 302
    lines = signed_in(staff(AUDITOR)).get(PAGE, {"what": "attribute"}).context["lines"]
    assert [line["what"].partition("staff ")[2] or line["what"] for line in lines] == [
        "deleted the custom profile attribute Grösse.",
        "changed the custom profile attribute Grösse.",
        "deploy added the custom profile attribute Size.",
    ]
    assert lines[2]["by"] == "deploy"
    assert {one.name: one.after for one in lines[1]["values"]} == {"Label": ["Grösse"]}


def test_of_a_list_only_what_came_and_went_is_shown() -> None:
    before = [{"attribute": "mail", "required": False}, {"attribute": "sn", "required": True}]
    after = [{"attribute": "sn", "required": True}, {"attribute": "cn", "required": False}]
    [value] = changed_values({"mapping": [before, after]})
    assert (value.name, value.before, value.after) == (
        "Mapping", ["attribute: mail, required: no"], ["attribute: cn, required: no"],
    )  # fmt: skip
    [moved] = changed_values({"order": [["a", "b"], ["b", "a"]]})
    assert (moved.before, moved.after) == (["a", "b"], ["b", "a"])


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("(secret)", "(secret)", [(["(secret)"], ["another secret"])]),  # as rows of the evidence have it
        ("(secret) 1", "(secret) 2", [(["(secret)"], ["another secret"])]),  # as states have it
        ("(secret) 1", "(secret) 1", []),
        (["https://a", "(secret)"], ["https://a", "(secret)"], [(["(secret)"], ["another secret"])]),
        (["https://a", "(secret) 1"], ["https://a", "(secret) 1"], []),
        (["https://a", "(secret) 1"], ["https://b", "(secret) 2"], [(["https://a"], ["https://b"])]),
        ("", "(secret) 2", [(["nothing"], ["(secret)"])]),
    ],
)
def test_another_secret_is_told_and_none_is_shown(before: object, after: object, shown: list[object]) -> None:
    assert [(one.before, one.after) for one in changed_values({"url": [before, after]})] == shown


def test_a_renamed_rule_keeps_its_history_also_from_when_it_was_known_by_name() -> None:
    rule = rules.save(None, RuleDraft(name="Nurses"), "ada")
    namesake = rules.save(None, RuleDraft(name="Nurses", by_request=True), "eve")
    Evidence.objects.all().delete()
    KnownState.objects.all().delete()
    evidence.changed("rule Nurses", {"published": False}, "ada added the rule Nurses.", "ada")  # as it was
    evidence.changed("product Nurses", {"offered": True}, "eve saved the product Nurses.", "eve")
    lasting_subjects.renamed(apps, None)
    rules.save(rule, RuleDraft(name="Carers"), "bob")
    client = signed_in(staff(AUDITOR))
    listed = client.get(PAGE, {"subject": f"business rule {rule.pk}"})
    assert told(listed) == ["bob changed the rule Carers.", "ada added the rule Nurses."]
    assert listed.context["lines"][0]["url"] == f"/rules/businessrule/{rule.pk}/change/"
    assert told(client.get(PAGE, {"subject": f"self-service product {namesake.pk}"})) == [
        "eve saved the product Nurses."
    ]
    assert told(client.get(PAGE, {"what": "business rule"})) == told(listed)


def test_whose_members_get_accounts_is_kept() -> None:
    directory, group = crm(), Group.objects.create(name="Staff")
    rules.choose_groups(directory.pk, [group.pk], "CRM", "ada")
    listed = signed_in(staff(AUDITOR)).get(PAGE, {"subject": f"accounts in directory {directory.pk}"})
    assert told(listed) == ["ada chose other groups whose members get accounts in CRM."]


def test_many_things_at_once_take_as_many_statements_as_two() -> None:
    numbers = []
    for size in (2, 40):
        for state in ({"a": 1}, {"a": 2}, None):
            with CaptureQueriesContext(connection) as queries:
                evidence.changed_many([(f"group {size}{one}", state, "x") for one in range(size)], "ada")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] <= 9
    assert list(evidence.faults()) == []


def test_what_a_row_is_found_by_cannot_be_altered_unseen() -> None:
    crm()
    Evidence.objects.filter(actor="bob").update(actor="eve")
    assert "was altered" in next(evidence.faults()).words

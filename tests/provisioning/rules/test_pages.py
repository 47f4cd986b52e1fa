"""The pages of rules: the list, the builder, the questions, and the overviews."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config import attention
from directories.models import AccountsFor, Directory, ProvisioningSettings
from provisioning.admin.rules import grid
from provisioning.models import Account, ImportRun, User
from provisioning.models.imports import RunStatus
from provisioning.notices import watch
from provisioning.notices.models import Notice
from provisioning.roles import HELPDESK
from provisioning.rules import fields
from provisioning.rules.conditions import from_json, render
from provisioning.rules.models import BusinessRule, Entitlement, Granted, ScopeGroup
from tests.provisioning.admin.conftest import client_of, it_staff
from tests.provisioning.contracts.conftest import give, hr, others, person
from tests.provisioning.rules.conftest import evaluate, group, members, rule

__all__ = ["client_of", "hr", "it_staff"]

pytestmark = pytest.mark.django_db(transaction=False)


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[:500]
    return " ".join(answer.content.decode().split())


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:rules_businessrule_{name}", args=args)


FORM = {
    "name": "Nurses",
    "category": "Care",
    "position": "10",
    "days_before": "7",
    "days_after": "0",
    "mode": "rows",
    "join": "all",
    "block": ["same", "none"],
    "line_block": ["0", "0", "1"],
    "line_field": ["contract.title", "contract.fte", "user.title"],
    "line_operator": ["co", "ge", "eq"],
    "line_value": ["Nurse", "0.5", "Boss; Chief"],
    "groups": "ward staff",
    "attribute": ["profile.cost_center", ""],
    "value": ["100", ""],
}


@pytest.mark.heavy
def test_a_rule_is_written_in_rows_and_read_as_one_line_and_in_words(it_staff: Client) -> None:
    group("Ward staff")
    ada = person("ada")
    give(ada, "1", "2020-01-01", title="Head nurse", fte="0.8")
    answer = it_staff.post(address("fragment"), FORM)
    text = text_of(answer)
    assert (
        "In the same contract (title of the contract contains Nurse and FTE of the contract is at least 0.5), "
        "and not title is Boss or Chief." in text
    )
    assert "It holds for <strong>1 person</strong> now" in text
    assert text_of(it_staff.get(address("add"))).count("rule-builder") > 0
    answer = it_staff.post(address("add"), FORM)
    assert answer.status_code == 302
    made = BusinessRule.objects.get()
    assert (made.name, made.published, made.days_before) == ("Nurses", False, 7)
    assert render(from_json(made.condition), fields.known()) == (
        'contract[title co "Nurse" and fte ge 0.5] and not (user.title eq "Boss" or user.title eq "Chief")'
    )
    assert [str(one) for one in Entitlement.objects.all()] == ["group Ward staff", "cost center = 100"]
    text = text_of(it_staff.get(address("change", made.pk)))
    assert 'value="Boss; Chief"' in text
    assert "All of these hold of the same contract" in text
    assert evaluate() is None, "a draft gives nothing"


@pytest.mark.heavy
def test_lines_are_added_and_removed_and_one_line_becomes_rows(it_staff: Client) -> None:
    added = text_of(it_staff.post(address("fragment"), {**FORM, "do": "line:0"}))
    assert added.count('name="line_field"') == 4
    dropped = text_of(it_staff.post(address("fragment"), {**FORM, "do": "drop:1.0"}))
    assert dropped.count('name="line_field"') == 2
    assert dropped.count('name="block"') == 1
    line = {"mode": "rows", "line": 'user.title eq "a" or user.department eq "b"', "do": "read"}
    assert "One of these holds" in text_of(it_staff.post(address("fragment"), line))
    deep = 'user.title eq "a" or (user.department eq "b" and not (user.title pr and user.department pr))'
    text = text_of(it_staff.post(address("fragment"), {**line, "line": deep}))
    assert "nested more deeply than rows can show" in text
    wrong = text_of(it_staff.post(address("fragment"), {**line, "line": "user.titel pr"}))
    assert "There is no field user.titel." in wrong


def test_what_is_wrong_is_said_and_what_was_typed_stays(it_staff: Client) -> None:
    form = {**FORM, "name": "", "days_after": "x", "groups": "Nobody", "line_value": ["Nurse", "much", ""]}
    text = text_of(it_staff.post(address("add"), form), 422)
    assert "Give the rule a name." in text
    assert "There is no group Nobody." in text
    assert "FTE of the contract is compared with a number, such as 0.8. “much” is none." in text
    assert "Write a number from 0 to 365 for days after." in text
    assert not BusinessRule.objects.exists()


@pytest.mark.heavy
def test_publishing_says_for_whom_and_plans_and_taking_back_asks(it_staff: Client) -> None:
    others(100)
    ward = group("Ward")
    one = rule("Nurses", 'user.title eq "Nurse"', ward, published=False)
    person("ada", title="Nurse")
    text = text_of(it_staff.get(address("decide", one.pk, "publish")))
    assert "It holds for <strong>1 person</strong> now, such as Ada (ada)." in text
    assert "Each of them gets: group Ward." in text
    text = text_of(it_staff.post(address("decide", one.pk, "publish"), follow=True))
    assert "Rules: Everybody: 1 updated, 1 membership added" in text
    assert members(ward) == {"ada"}
    text = text_of(it_staff.get(address("decide", one.pk, "unpublish")))
    assert "<strong>1 person has</strong> something by this rule now" in text
    it_staff.post(address("decide", one.pk, "unpublish"), {})
    assert BusinessRule.objects.get().published
    it_staff.post(address("decide", one.pk, "unpublish"), {"how": "keep"})
    assert (members(ward), Granted.objects.count()) == ({"ada"}, 0)
    assert evaluate() is None
    it_staff.post(address("decide", one.pk, "publish"), {"look": "1"})
    waits = ImportRun.objects.latest("pk")
    assert (waits.status, members(ward)) == (RunStatus.PLANNED, {"ada"})


@pytest.mark.heavy
def test_removing_revokes_first_and_the_rule_goes_when_nothing_of_it_is_left(it_staff: Client) -> None:
    others(100)
    ward = group("Ward")
    one = rule("Nurses", 'user.title eq "Nurse"', ward)
    person("ada", title="Nurse")
    evaluate()
    answer = it_staff.get(address("delete", one.pk))
    assert answer.headers["Location"] == address("decide", one.pk, "remove")
    it_staff.post(address("decide", one.pk, "remove"), {"how": "revoke"})
    assert (members(ward), BusinessRule.objects.count()) == (set(), 0)


@pytest.mark.heavy
def test_an_account_that_is_kept_when_its_rule_goes_stays(
    it_staff: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    others(100)
    crm = Directory.objects.create(name="CRM", kind="memory")
    ProvisioningSettings.objects.create(directory=crm, create_users=True, accounts_for=AccountsFor.RULES)
    one = rule("Nurses", 'user.title eq "Nurse"', crm)
    ada = person("ada", title="Nurse")
    evaluate()
    assert Account.objects.get().user == ada
    it_staff.post(address("decide", one.pk, "remove"), {"how": "keep"})
    assert BusinessRule.objects.count() == 0
    assert Account.objects.get().in_scope
    assert evaluate() is None


@pytest.mark.heavy
def test_what_a_published_rule_gives_no_more_is_taken_away(it_staff: Client) -> None:
    others(100)
    ward, badge = group("Ward"), group("Badge")
    one = rule("Nurses", 'user.title eq "Nurse"', ward, badge)
    person("ada", title="Nurse")
    evaluate()
    form = {"name": "Nurses", "position": "1", "days_before": "0", "days_after": "0", "groups": "Badge"}
    form |= {"block": "all", "line_block": "0", "line_field": "user.title", "line_operator": "eq"}
    form["line_value"] = "nurse"
    assert it_staff.post(address("change", one.pk), form).status_code == 302
    evaluate()
    assert (members(ward), members(badge)) == (set(), {"ada"})


@pytest.mark.heavy
def test_the_overviews(it_staff: Client) -> None:
    ward = group("Ward")
    early = rule("Early", 'user.title eq "Nurse"', ("profile.cost_center", "1"), ward, position=1)
    rule("Late", 'user.title eq "Nurse"', ("profile.cost_center", "2"), position=2)
    rule("Idle", 'user.title eq "Nobody"', ward)
    ada, eve = person("ada", title="Nurse"), person("eve")
    evaluate()
    text = text_of(it_staff.get(address("findings")))
    assert "is first in order, so 1 wins." in text
    assert "says 2, which 1 person does not get" in text
    assert text.index("Published rules by which nobody") < text.index(">Idle<") < text.index(str(eve))
    text = text_of(it_staff.get(address("matrix")))
    assert "cost center = 1" in text
    text = text_of(it_staff.get(address("people"), {"rule": early.pk}))
    assert text.count(str(ada)) == 2
    text = text_of(it_staff.get(reverse("admin:provisioning_user_rules", args=[ada.pk])))
    assert text.count("Early") == 2
    assert "another rule goes first" in text
    text = text_of(it_staff.get(address("changelist")))
    assert "Evaluate now" in text
    assert "cost center = 1, group Ward" in text
    assert "Nobody gains or loses anything by it now." in text_of(it_staff.post(address("evaluate"), follow=True))


@pytest.mark.heavy
def test_a_rule_that_cannot_be_used_looks_wrong_everywhere(it_staff: Client) -> None:
    text = text_of(it_staff.get(address("findings")))
    assert "No rule is published yet, so there is nothing to look at." in text
    assert "Evaluate now" not in text_of(it_staff.get(address("changelist")))
    former, ward = group("Former"), group("Ward")
    one = rule("Members", 'user.groups eq "Former"', ward)
    rule("Draft", "user.title pr", ward, published=False)
    former.delete()
    text = text_of(it_staff.get(address("changelist")))
    assert '1 rule is published. <strong class="rc-wrong">1 cannot be used:</strong>' in text
    assert text.index("Cannot be used") < text.rindex("Draft")
    assert '<strong class="rc-wrong">Cannot be used</strong>' in text_of(it_staff.get(address("matrix")))
    text = text_of(it_staff.get(address("change", one.pk)))
    assert '<strong class="rc-wrong">Cannot be used</strong>' in text
    assert "What it gave stays, and it gives no more." in text
    text = text_of(it_staff.get(address("decide", one.pk, "unpublish")))
    assert "Nobody has anything by this rule now." in text
    assert "What is to become of it?" not in text
    it_staff.post(address("decide", one.pk, "unpublish"), {"how": "revoke"})
    assert not BusinessRule.objects.filter(published=True).exists()


@pytest.mark.heavy
def test_a_rule_that_stops_working_is_a_notice_and_counted_in_the_sidebar(it_staff: Client) -> None:
    former, ward = group("Former"), group("Ward")
    one = rule("Members", 'user.groups eq "Former"', ward)
    watch.watch()
    assert not Notice.objects.filter(cause="rule_stopped").exists()
    former.delete()
    watch.watch()
    (notice,) = Notice.objects.filter(cause="rule_stopped", closed_at=None)
    assert notice.title == "The rule Members cannot be used any more"
    assert notice.path == f"/rules/businessrule/{one.pk}/change/"
    request = RequestFactory().get("/")
    badge = attention.rules_badge(request)
    assert badge is not None
    assert (badge.text, badge.variant) == ("1", "danger")
    text = text_of(it_staff.get(address("findings")))
    assert text.count(">Members<") == 1, "it is listed once"
    BusinessRule.objects.update(condition={"all": []})
    watch.watch()
    assert not Notice.objects.filter(cause="rule_stopped", closed_at=None).exists()
    assert attention.rules_badge(RequestFactory().get("/")) is None


@pytest.mark.heavy
def test_people_stand_against_what_they_have_filtered_paged_and_exported(
    it_staff: Client, client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "PAGE", 2)
    others(100)
    ward, badge = group("Ward"), group("=Badge")
    rule("Nurses", 'user.title eq "Nurse"', ward, badge, position=1)
    rule("Everybody in care", 'user.department eq "Care"', ward, ("profile.cost_center", "7"), position=2)
    ada = person("ada", title="Nurse", department="Care")
    for name in ("bob", "cia"):
        person(name, title="Nurse")
    person("dan", department="Care")
    evaluate()
    first = text_of(it_staff.get(address("grid")))
    head = first[first.index("<thead>") : first.index("</thead>")]
    assert [head.count(f">{name}<") for name in ("group Ward", "group =Badge", "cost center = 7")] == [1, 1, 1]
    assert first.index(str(ada)) < first.index("Everybody in care</a>")
    assert "dan" not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = text_of(it_staff.get(address("grid") + following[1].replace("&amp;", "&")))
    assert "cia" in second
    assert "dan" in second
    assert 'rel="next"' not in second
    care = text_of(it_staff.get(address("grid"), {"department": "care", "q": "D"}))
    assert "dan" in care
    assert str(ada) not in care
    one = text_of(it_staff.get(address("grid"), {"rule": "everybody in care", "q": "ada"}))
    assert "group =Badge" not in one[one.index("<thead>") : one.index("</thead>")]
    lines = b"".join(it_staff.get(address("grid_export"), {"rule": "Nurses"}).streaming_content).decode()  # type: ignore[attr-defined]
    assert lines.count("Nurses") == 6
    assert "ada,Ada,Care,group Ward,Nurses,," in lines
    assert client_of(HELPDESK).get(address("grid_export")).status_code == 403


@pytest.mark.heavy
def test_the_grid_takes_the_same_queries_whatever_the_number_of_people(it_staff: Client) -> None:
    ward = group("Ward")
    rule("Nurses", "user.username pr", ward)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert it_staff.get(address("grid")).status_code == 200
        return len(queries)

    others(3)
    evaluate()
    few = asked()
    User.objects.bulk_create(User(username=f"more{place:04}") for place in range(60))
    evaluate()
    assert asked() == few


@pytest.mark.heavy
def test_groups_whose_members_get_accounts_are_chosen(it_staff: Client) -> None:
    crm = Directory.objects.create(name="CRM", kind="memory")
    ProvisioningSettings.objects.create(directory=crm, create_users=True, accounts_for=AccountsFor.GROUPS)
    sellers = group("Sellers")
    person("ada")
    text = text_of(it_staff.get(address("accounts")))
    assert "Groups whose members get an account" in text
    assert "No group is chosen, so nobody gets one." in text
    it_staff.post(address("accounts"), {"directory": crm.pk, "groups": "Unknown"})
    assert not ScopeGroup.objects.exists()
    it_staff.post(address("accounts"), {"directory": crm.pk, "groups": "sellers"})
    assert ScopeGroup.objects.get().group == sellers

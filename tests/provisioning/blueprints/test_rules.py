"""Business rules in blueprints: exported, applied to another portal, published and taken back."""

import pytest

from directories.described.document import DocumentError
from directories.models import Directory
from provisioning.blueprints import undo
from provisioning.blueprints.apply import apply
from provisioning.blueprints.export import export
from provisioning.models import AppliedBlueprint
from provisioning.rules.models import BusinessRule, Evaluation
from tests.provisioning.contracts.conftest import others, person
from tests.provisioning.rules.conftest import evaluate, group, members, rule

pytestmark = pytest.mark.django_db
ONE = """version: 1
groups:
  - name: Ward
directories:
  - name: CRM
    kind: memory
    settings: {name: blueprint}
rules:
  - name: Nurses
    category: Care
    order: 10
    condition: user.title eq "Nurse"  or user.title eq "Lead"
    days_before: 7
    accounts: [crm]
    groups: [ward]
    values: {profile.cost_center: 100}
    published: true
"""


def changes(text: str) -> list[str]:
    return [str(one) for one in apply(text, actor="tests").differences]


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        apply(text, actor="tests")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.heavy
def test_rules_are_applied_once_and_exported_as_they_are() -> None:
    assert [words for words in changes(ONE) if "rule" in words] == ["+ rule Nurses"]
    (one,) = BusinessRule.objects.all()
    assert (one.category, one.position, one.days_before, one.published) == ("Care", 10, 7, True)
    assert [str(each) for each in one.entitlements.all()] == ["account in CRM", "group Ward", "cost center = 100"]
    assert Evaluation.objects.get().due, "what follows is evaluated"
    assert changes(ONE) == []
    text = export()
    assert 'condition: user.title eq "Nurse" or user.title eq "Lead"' in text
    BusinessRule.objects.all().delete()
    assert [words for words in changes(text) if "rule" in words] == ["+ rule Nurses"]
    assert export() == text


@pytest.mark.heavy
def test_what_is_left_out_stays_and_taking_back_takes_away() -> None:
    others(100)
    ward = group("Ward")
    one = rule("Nurses", 'user.title eq "Nurse"', ward, days_after=3)
    person("ada", title="Nurse")
    evaluate()
    assert changes("version: 1\nrules:\n  - name: nurses\n    category: Care\n")
    one.refresh_from_db()
    assert (one.category, one.days_after, one.published) == ("Care", 3, True)
    assert changes("version: 1\nrules:\n  - name: nurses\n    published: false\n")
    evaluate()
    assert members(ward) == set()
    undo.undo(AppliedBlueprint.objects.latest("pk").pk, actor="tests")
    assert BusinessRule.objects.get().published, "an undo publishes it again"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("condition: user.titel pr", "There is no field user.titel."),
        ('condition: user.groups eq "Nowhere"', "There is no group “Nowhere”."),
        ("accounts: [Nowhere]", "There is no directory named Nowhere."),
        ("groups: [Nowhere]", "There is no group named Nowhere."),
        ("values: {profile.username: x}", "There is no attribute profile.username"),
        ("days_before: 400", "365"),
        ("gives: []", "There is no key 'gives' here."),
    ],
)
def test_what_cannot_be_says_why_and_nothing_is_changed(wrong: str, words: str) -> None:
    (found,) = problems(f"version: 1\nrules:\n  - name: Nurses\n    {wrong}\n")
    assert words in found
    assert not BusinessRule.objects.exists()


def test_a_rule_that_cannot_be_used_stays_as_it_is_and_is_not_published() -> None:
    former, crm = group("Former"), Directory.objects.create(name="CRM", kind="memory")
    rule("Members", 'user.groups eq "Former"', crm, published=False)
    former.delete()
    assert changes("version: 1\nrules:\n  - name: Members\n    category: Old\n")
    (found,) = problems("version: 1\nrules:\n  - name: Members\n    published: true\n")
    assert "The condition cannot be used" in found

"""Receivers of events in blueprints: applied once, exported without a secret, and no secret goes anywhere else."""

import base64

import pytest

from directories.described.document import DocumentError
from provisioning.blueprints import undo
from provisioning.blueprints.apply import apply
from provisioning.blueprints.export import export
from provisioning.events.models import Subscription
from provisioning.models import AppliedBlueprint

pytestmark = pytest.mark.django_db
ADDRESS = "https://hooks.example.com/services/k3y-in-the-path"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, or").decode()
ONE = """version: 1
receivers:
  - name: Audit
    url: env:TEST_ADDRESS
    kinds: [user.created, user.deleted]
    filter: user.department eq "Sales"
    fields: [profile.username]
    token: env:TEST_TOKEN
"""


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ADDRESS", ADDRESS), ("TOKEN", "t0ken"), ("SECRET", SECRET)):
        monkeypatch.setenv(f"TEST_{name}", value)
        monkeypatch.setenv(f"ROLLCALL_AUDIT_{name}", value)


def changes(text: str) -> list[str]:
    return [str(one) for one in apply(text, actor="tests").differences]


def problems(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        apply(text, actor="tests")
    return " ".join(str(problem) for problem in caught.value.problems)


def audit(more: str) -> str:
    return f"version: 1\nreceivers:\n  - name: Audit\n    {more}\n"


def test_a_receiver_is_applied_once_and_exported_without_what_is_secret() -> None:
    assert changes(ONE) == ["+ receiver Audit"]
    held = Subscription.objects.get()
    assert (held.url, held.kinds, held.fields) == (ADDRESS, ["user.created", "user.deleted"], ["profile.username"])
    assert held.secrets["token"] == "t0ken"
    assert held.secrets["secret"].startswith("whsec_"), "the portal makes one"
    assert changes(ONE) == []
    text = export()
    assert not [word for word in (ADDRESS, "k3y", "t0ken", held.secrets["secret"]) if word in text]
    assert "url: env:ROLLCALL_AUDIT_ADDRESS" in text
    Subscription.objects.all().delete()
    assert changes(text) == ["+ receiver Audit"]
    assert Subscription.objects.get().secrets == {"secret": SECRET, "token": "t0ken"}
    assert export() == text


def test_what_is_left_out_stays_and_a_new_secret_leaves_the_one_before_valid() -> None:
    changes(ONE)
    before = Subscription.objects.get().secrets["secret"]
    assert changes(audit("secret: env:TEST_SECRET")) == ["~ receiver Audit: secret: (secret) -> (secret)"]
    held = Subscription.objects.get()
    assert held.previous_until is not None
    previous = {before: held.previous_until.isoformat()}
    assert held.secrets == {"secret": SECRET, "previous": previous, "token": "t0ken"}
    assert changes(audit("enabled: false")) == ["~ receiver Audit: enabled: true -> false"]
    held.refresh_from_db()
    assert (held.enabled, held.url, held.filter) == (False, ADDRESS, 'user.department eq "Sales"')
    undo.undo(AppliedBlueprint.objects.latest("pk").pk, actor="tests")
    held.refresh_from_db()
    assert held.enabled


def test_an_address_that_is_a_host_alone_is_written_in_clear() -> None:
    changes("version: 1\nreceivers:\n  - {name: Plain, url: https://events.example.com, kinds: [user.created]}\n")
    assert "url: https://events.example.com" in export()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("url: https://elsewhere.example.com/", "The address leads to another host."),
        ("url: nowhere", "Type a whole address"),
        ("url: env:NOT_THERE", "NOT_THERE is not set"),
        ("kinds: [user.renamed]", "user.created"),
        ("kinds: []", "Say which events are sent."),
        ("envelope: set\n    kinds: [import.failed]", "Security event tokens tell of"),
        ("filter: user.colour pr", "user.colour"),
        ("fields: [profile.password]", "There is no attribute profile.password"),
        ("secret: whsec_c2hvcnQ=", "This is a secret."),
        ("secret: env:TEST_TOKEN", "A secret is whsec_"),
        ("token: t0ken", "This is a secret."),
        ("receives: all", "There is no key 'receives' here."),
    ],
)
def test_what_cannot_be_says_why_and_nothing_is_changed(wrong: str, words: str) -> None:
    changes(ONE)
    before = Subscription.objects.values().get()
    assert words in problems(audit(wrong))
    assert Subscription.objects.values().get() == before


def test_a_receiver_that_is_not_there_has_to_have_an_address() -> None:
    assert "Say where events are sent." in problems(audit("enabled: false"))

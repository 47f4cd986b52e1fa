"""The plan: what an account needs, without a database."""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from directories.connectors.base import Capability, RemoteAccount
from provisioning.outbound.accounts.plan import (
    Plan,
    Situation,
    Step,
    UserStatus,
    after_looking,
    assumed,
    without_looking,
)
from provisioning.outbound.compare import differences, same

EVERYTHING = frozenset(Capability)
TEMPLATES = EVERYTHING - {Capability.DISABLE, Capability.ENABLE}
ANNA = {"FIRSTNAME": "Anna", "EMAIL": "anna@example.org"}


@dataclass(frozen=True)
class Switches:
    create_users: bool = True
    update_users: bool = True
    deactivate_users: bool = True
    delete_users: bool = True
    on_deactivate: str = "disable"
    on_delete: str = "delete"


def situation(status: UserStatus = UserStatus.WANTED, state: str = "pending", **changes: object) -> Situation:
    values: dict[str, object] = {
        "directory": "APPSDB",
        "status": status,
        "state": state,
        "switches": Switches(),
        "capabilities": EVERYTHING,
        "desired": ANNA,
        "known": {},
        "digest": "wanted",
        "pushed_digest": "",
    }
    return Situation(**{**values, **changes})  # type: ignore[arg-type]


def remote(enabled: bool | None = None, **attributes: object) -> RemoteAccount:
    return RemoteAccount("anna", "anna", {**ANNA, **attributes}, enabled)  # type: ignore[arg-type]


def decide(now: Situation, found: RemoteAccount | None) -> Plan:
    return without_looking(now) or after_looking(now, found)


W, DE, DEL = UserStatus.WANTED, UserStatus.DEACTIVATED, UserStatus.DELETED
EARLY = UserStatus.EARLY
BY_UPDATE = {"capabilities": TEMPLATES, "carries_state": True, "desired": {**ANNA, "ACTIVE": False}}
CASES = [
    # what is asked, what the directory holds, steps, state afterwards
    ("new", situation(), None, (Step.CREATE,), "active"),
    ("new, there already and equal", situation(), remote(), (Step.LINK,), "active"),
    ("new, there already and different", situation(), remote(EMAIL="x"), (Step.LINK, Step.UPDATE), "active"),
    ("new, there but disabled", situation(), remote(False), (Step.LINK, Step.ENABLE), "active"),
    ("new, creating is off", situation(switches=Switches(create_users=False)), None, (), "absent"),
    (
        "new, creating is off, there",
        situation(switches=Switches(create_users=False)),
        remote(EMAIL="x"),
        (Step.LINK, Step.UPDATE),
        "active",
    ),
    ("new, no query", situation(capabilities=frozenset()), None, (), "absent"),
    ("changed", situation(W, "active", known=ANNA), remote(EMAIL="x"), (Step.UPDATE,), "active"),
    ("unknown, but equal", situation(W, "active"), remote(), (), "active"),
    ("vanished", situation(W, "active"), None, (Step.CREATE,), "active"),
    ("back", situation(W, "disabled"), remote(False), (Step.ENABLE,), "active"),
    ("back, silent directory", situation(W, "disabled"), remote(), (Step.ENABLE,), "active"),
    ("back and changed", situation(W, "disabled"), remote(EMAIL="x"), (Step.ENABLE, Step.UPDATE), "active"),
    ("back, no query", situation(W, "disabled", capabilities=TEMPLATES), remote(), (), "disabled"),
    (
        "back, by update",
        situation(W, "disabled", capabilities=TEMPLATES, carries_state=True),
        remote(EMAIL="x"),
        (Step.ENABLE,),
        "active",
    ),
    ("back after it was deleted", situation(W, "absent"), None, (Step.CREATE,), "active"),
    ("disabled by the directory's own admin", situation(W, "active"), remote(False), (), "active"),
    ("deactivated", situation(DE, "active"), remote(True), (Step.DISABLE,), "disabled"),
    ("early", situation(EARLY), None, (Step.CREATE, Step.DISABLE), "disabled"),
    ("early, by what it is made with", situation(EARLY, **BY_UPDATE), None, (Step.CREATE,), "disabled"),
    ("early, there already", situation(EARLY), remote(True), (Step.LINK, Step.DISABLE), "disabled"),
    ("early, there, silent directory", situation(EARLY), remote(), (Step.LINK, Step.DISABLE), "disabled"),
    ("early, there and disabled", situation(EARLY), remote(False, EMAIL="x"), (Step.LINK, Step.UPDATE), "disabled"),
    ("early, back", situation(EARLY, "disabled"), remote(), (), "disabled"),
    ("early, enabled by somebody", situation(EARLY, "disabled"), remote(True), (Step.DISABLE,), "disabled"),
    ("early, put off", situation(EARLY, "active"), remote(True), (Step.DISABLE,), "disabled"),
    (
        "early, put off, by update",
        situation(EARLY, "active", **BY_UPDATE),
        remote(ACTIVE=True),
        (Step.DISABLE,),
        "disabled",
    ),
    ("early, cannot be disabled", situation(EARLY, capabilities=TEMPLATES), None, (), "pending"),
    ("early, creating is off", situation(EARLY, switches=Switches(create_users=False)), None, (), "pending"),
    ("deactivated, disabled already", situation(DE, "active"), remote(False), (), "disabled"),
    ("deactivated, gone", situation(DE, "active"), None, (Step.DISABLE,), "absent"),
    ("deactivated before it was created", situation(DE), None, (), "absent"),
    (
        "deactivated, created by a worker that died",
        situation(DE),
        remote(True),
        (Step.DISABLE,),
        "disabled",
    ),
    ("deactivated, no query", situation(DE, "active", capabilities=TEMPLATES), remote(), (), "active"),
    (
        "deactivated, by update",
        situation(DE, "active", capabilities=TEMPLATES, carries_state=True, desired={**ANNA, "ACTIVE": False}),
        remote(ACTIVE=True),
        (Step.DISABLE,),
        "disabled",
    ),
    (
        "deactivated, delete chosen",
        situation(DE, "active", switches=Switches(on_deactivate="delete")),
        remote(),
        (Step.DELETE,),
        "absent",
    ),
    (
        "deactivated, deleted later",
        situation(DE, "active", switches=Switches(on_deactivate="delete"), delete_due=False),
        remote(True),
        (Step.DISABLE,),
        "disabled",
    ),
    (
        "deleted, deleted later, no query",
        situation(DEL, "active", delete_due=False, capabilities=TEMPLATES),
        remote(),
        (),
        "active",
    ),
    ("deactivated, left", situation(DE, "active", switches=Switches(on_deactivate="leave")), remote(), (), "active"),
    ("deactivated, off", situation(DE, "active", switches=Switches(deactivate_users=False)), remote(), (), "active"),
    ("deleted", situation(DEL, "active"), remote(), (Step.DELETE,), "absent"),
    ("deleted, gone already", situation(DEL, "active"), None, (Step.DELETE,), "absent"),
    ("deleted twice", situation(DEL, "absent"), None, (), "absent"),
    ("deleted before it was created", situation(DEL), None, (), "absent"),
    (
        "deleted, disable",
        situation(DEL, "active", switches=Switches(on_delete="disable")),
        remote(),
        (Step.DISABLE,),
        "disabled",
    ),
    ("deleted, no query", situation(DEL, "active", capabilities=frozenset()), remote(), (), "active"),
    ("deleted, off", situation(DEL, "active", switches=Switches(delete_users=False)), remote(), (), "active"),
]


@pytest.mark.parametrize(("now", "found", "steps", "state"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_decision(now: Situation, found: RemoteAccount | None, steps: tuple[Step, ...], state: str) -> None:
    plan = decide(now, found)
    assert plan.steps == steps
    assert plan.state == state
    assert plan.steps or plan.reason  # doing nothing is always explained


def test_nothing_is_done_with_every_switch_off() -> None:
    off = Switches(False, False, False, False)
    for status in UserStatus:
        for state in ("pending", "active", "disabled", "absent"):
            for found in (None, remote(EMAIL="x"), remote(False), remote(True)):
                plan = decide(situation(status, state, switches=off), found)
                assert set(plan.steps) <= {Step.LINK}
                assert not plan.settled or state == "absent" or plan.reason


@pytest.mark.parametrize(
    ("now", "looks"),
    [
        (situation(W, "active", pushed_digest="wanted"), False),
        (situation(W, "active", pushed_digest="other"), True),
        (situation(W, "active", pushed_digest="other", switches=Switches(update_users=False)), False),
        (situation(DE, "disabled", pushed_digest="wanted"), False),
        (situation(DE, "disabled", pushed_digest="other"), True),
        (situation(DEL, "absent"), False),
        (situation(W, "disabled", pushed_digest="wanted"), True),
    ],
)
def test_only_what_is_unknown_is_looked_up(now: Situation, looks: bool) -> None:
    assert (without_looking(now) is None) == looks


def test_only_what_somebody_must_configure_is_blocked() -> None:
    assert decide(situation(capabilities=frozenset()), None).blocked
    assert decide(situation(DE, "active", capabilities=TEMPLATES), remote()).blocked
    assert not decide(situation(DE, "active", switches=Switches(deactivate_users=False)), remote()).blocked
    assert not decide(situation(switches=Switches(create_users=False)), None).blocked


def test_a_second_run_after_a_crash_only_does_what_is_missing() -> None:
    held: RemoteAccount | None = None
    assert decide(situation(), held).steps == (Step.CREATE,)
    held = remote()  # created, and the worker died before it could say so
    assert Step.CREATE not in decide(situation(), held).steps
    assert decide(situation(DEL, "active"), None).state == "absent"


def test_a_preview_assumes_what_is_known() -> None:
    assert assumed(situation()).steps == (Step.CREATE,)
    assert assumed(situation(W, "active", known={**ANNA, "EMAIL": "old"})).changes == {
        "EMAIL": ("old", "anna@example.org")
    }


def test_a_preview_shows_a_move_alone() -> None:
    moving = situation(W, "active", known=ANNA, pushed_digest="before", container="ou=new")
    assert assumed(moving).changes == {"container": (None, "ou=new")}
    assert assumed(replace(moving, pushed_digest="wanted")).steps == ()
    assert assumed(replace(moving, switches=Switches(update_users=False))).steps == ()
    assert assumed(replace(moving, container="")).steps == ()
    assert assumed(replace(moving, placeless="before")).steps == ()  # an import saw it, and not where it stands


def test_a_leaver_who_is_disabled_but_elsewhere_is_moved() -> None:
    leaving = situation(DE, "active", container="ou=gone", container_of=lambda held: held.place.partition(",")[2])
    there = replace(remote(False), place="cn=anna,ou=gone")
    assert after_looking(leaving, there).steps == ()
    assert after_looking(leaving, replace(there, place="cn=anna,ou=people")).steps == (Step.DISABLE,)


@pytest.mark.parametrize(
    ("held", "wanted", "equal"),
    [
        (None, "", True),
        ("", None, True),
        (0, "", False),
        (0, False, True),
        (1, True, True),
        ("t", True, True),
        ("inactive", True, False),
        (Decimal("5.0"), 5, True),
        ("5", 5, True),
        ("five", 5, False),
        (dt.date(2026, 1, 2), "2026-01-02", True),
        (dt.datetime(2026, 1, 2), "2026-01-02", True),
        (dt.datetime(2026, 1, 2, 3), "2026-01-02", False),
        ("Anna", "anna", False),
    ],
)
def test_values_that_mean_the_same(held: object, wanted: object, equal: bool) -> None:
    assert same(held, wanted) is equal  # type: ignore[arg-type]


def test_differences_compare_names_without_case_and_fall_back_on_what_was_pushed() -> None:
    assert differences({"Mail": "new"}, {"MAIL": "old"}, {}) == ({"Mail": ("old", "new")}, True)
    assert differences({"Mail": "new"}, {}, {"mail": "new"}) == ({}, False)
    assert differences({"Mail": "new"}, {"MAIL": "new"}, {"Mail": "old"}) == ({}, False)


def test_an_attribute_that_cannot_be_seen_is_written_to_be_sure() -> None:
    assert differences({"Mail": "new"}, {}, {}) == ({"Mail": (None, "new")}, True)
    assert differences({"Mail": None}, {}, {}) == ({}, True)

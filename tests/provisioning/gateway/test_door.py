"""The door for gateways: who is let in, and what a machine can do there, whatever it sends."""

import datetime as dt
import json
import threading
import time
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone

from directories.connectors.gateway.calls import Answers, Call, dump_call, load_answers, load_call
from directories.gateway import messages
from directories.gateway.keys import proof_of
from provisioning.gateway import door, enrolment, mailbox
from provisioning.gateway.models import AnswerPart, CallState, EnrolmentCode, Gateway, GatewayCall, Machine
from reports.models import Event
from tests.fixtures.gateways import HERE, Caller

pytestmark = pytest.mark.django_db


def put(office: Gateway, method: str = "count", *arguments: Any, name: str = HERE.name, urgent: bool = False) -> int:
    call = Call(method, arguments, urgent=urgent)
    blob = messages.pack(dump_call(call))
    return mailbox.put(office.pk, name, blob, writes=call.known.writes, streams=call.known.streams, urgent=urgent)


def state(number: int) -> str:
    return GatewayCall.objects.values_list("state", flat=True).get(pk=number)


# --- Being let in ----------------------------------------------------------------------------------------------------


def test_a_code_lets_one_machine_in_and_proves_the_portal(office: Gateway, client: Client) -> None:
    code = enrolment.new_code(office, "admin")
    caller = Caller.__new__(Caller)
    caller.client, caller.private = client, messages.new_key()
    caller.public = messages.public_text(messages.private_key(caller.private))
    told = caller.enrol(code).json()
    assert told["gateway"] == HERE.gateway
    assert told["proof"] == proof_of(code, caller.public, told["portal_key"], str(told["machine"]))
    assert told["proof"] != proof_of(f"{code}x", caller.public, told["portal_key"], str(told["machine"]))
    assert caller.enrol(code).status_code == 403
    assert not EnrolmentCode.objects.filter(digest__contains=code).exists()
    assert "was enrolled for the gateway Head office" in Event.objects.latest("pk").message


def test_codes_that_are_old_replaced_or_unknown_let_nobody_in(office: Gateway, client: Client) -> None:
    first = enrolment.new_code(office, "admin")
    second = enrolment.new_code(office, "admin")
    EnrolmentCode.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    for code in (first, second, "rollcall_gateway_guess", "", "x" * 300):
        wanted = {"code": code, "public_key": "QUFB" * 11, "name": "box", "version": "1"}
        answer = client.post("/api/v1/gateway/enrol", data=json.dumps(wanted), content_type="application/json")
        assert answer.status_code in (400, 403), code
    assert not Machine.objects.exists()


@pytest.mark.heavy
def test_a_machine_that_nobody_knows_any_more_keeps_no_other_one_out(caller: Caller, office: Gateway) -> None:
    caller.machine.delete()
    refused = [caller.post(caller.body({})).status_code for _ in range(22)]
    assert (refused[0], refused[-1]) == (401, 429)
    other = Caller.__new__(Caller)
    other.client, other.public = caller.client, messages.public_text(messages.private_key(messages.new_key()))
    assert other.enrol(enrolment.new_code(office, "admin")).status_code == 201


@pytest.mark.heavy
def test_guessing_codes_is_counted_by_network(office: Gateway, client: Client) -> None:
    wanted = {"code": "guess", "public_key": messages.public_text(messages.private_key(messages.new_key()))}
    body = json.dumps({**wanted, "name": "box", "version": "1"})
    answers = [
        client.post("/api/v1/gateway/enrol", data=body, content_type="application/json").status_code for _ in range(22)
    ]
    assert answers[:20] == [403] * 20
    assert answers[20:] == [429, 429]


def test_a_message_is_answered_with_the_portals_own_signature(caller: Caller) -> None:
    answer = caller.ask()
    assert answer.head["calls"] == []
    machine = Machine.objects.get()
    assert (machine.version, machine.latency, list(machine.about)) == ("1", 1.5, [HERE.name])
    assert not machine.silent


def test_what_was_changed_on_its_way_is_refused(caller: Caller) -> None:
    body = caller.body({"take": 1})
    signature = messages.sign(messages.private_key(caller.private), messages.TO_PORTAL, body)
    assert caller.post(body.replace(b'"take":1', b'"take":9'), signature).status_code == 401
    other = messages.private_key(messages.new_key())
    assert caller.post(body, messages.sign(other, messages.TO_PORTAL, body)).status_code == 401
    mirrored = messages.sign(messages.private_key(caller.private), messages.TO_GATEWAY, body)
    assert caller.post(body, mirrored).status_code == 401
    assert caller.post(body, "no base64 !").status_code == 401
    assert caller.client.post("/api/v1/gateway/exchange", data=body, content_type="x/y").status_code == 401
    assert caller.client.get("/api/v1/gateway/exchange").status_code == 405


def test_a_replayed_or_older_message_does_nothing(caller: Caller, office: Gateway) -> None:
    body = caller.body({"take": 1, "digest": "d", "version": "1", "latency": 0})
    assert caller.post(body).status_code == 200
    put(office)
    again = messages.unpacked(caller.post(body).content)
    assert again.head["refused"] == "replayed"
    assert state(GatewayCall.objects.get().pk) == CallState.WAITING
    assert caller.say({}, number=1).head["refused"] == "replayed"
    assert caller.say({}, number=again.head["last"] + 1).head.get("refused") is None
    assert caller.say({}, channel=2, number=1).head.get("refused") is None  # numbers count by channel


@pytest.mark.parametrize("seconds", [-130, 130])
def test_a_message_of_another_time_is_refused(caller: Caller, seconds: int) -> None:
    answer = caller.say({"take": 1}, at=int((time.time() + seconds) * 1000))
    assert answer.head["refused"] == "late"


def test_a_withdrawn_machine_is_believed_no_more_at_once(caller: Caller, office: Gateway) -> None:
    number = put(office, "create", *_creation())
    assert [told[0] for told in caller.ask().head["calls"]] == [number]
    enrolment.withdraw(caller.machine, "admin")
    assert state(number) == CallState.LOST
    refused = caller.answer(number, 0, Answers([None], last=True))
    assert refused.head["refused"] == "withdrawn"
    assert not AnswerPart.objects.exists()
    assert "was withdrawn from the gateway" in Event.objects.order_by("-pk")[0].message


def test_what_a_machine_had_answered_is_not_believed_once_it_is_withdrawn(caller: Caller, office: Gateway) -> None:
    written, read = put(office, "create", *_creation()), put(office, "accounts", 10)
    caller.ask()
    caller.answer(written, 0, Answers(["x"], last=True))
    caller.answer(read, 0, Answers([1]))
    Machine.objects.update(withdrawn_at=timezone.now())  # as a message of that very moment finds it
    assert mailbox.part(written, 0) is mailbox.part(read, 0) is None
    Machine.objects.update(withdrawn_at=None)
    enrolment.withdraw(caller.machine, "admin")
    assert not AnswerPart.objects.exists()
    assert [mailbox.keep_waiting(number) for number in (written, read)] == [CallState.LOST] * 2


@pytest.mark.parametrize(
    "head",
    [
        {"machine": 0},
        {"channel": 48},
        {"channel": -1},
        {"number": 2**63},
        {"number": "1"},
        {"at": None},
        {"take": "many"},
        {"parts": [[1, 0]]},
        {"parts": [[2**63 - 1, 0, True]]},
        {"parts": "x"},
        {"working": [1] * 300},
        {"working": ["1"]},
        {"wait": "long", "take": 1},
        {"take": 1, "digest": "d", "version": "v" * 40, "latency": 1},
        {"take": 1, "digest": "d", "version": "1", "latency": -1},
    ],
)
def test_a_message_of_another_shape_does_nothing(caller: Caller, head: dict[str, Any]) -> None:
    blobs = [b""] * len(head["parts"]) if isinstance(head.get("parts"), list) else []
    answer = caller.say({**head, **({"digest": "d", "version": "1", "latency": 1} if "wait" in head else {})}, blobs)
    assert answer.head["refused"] == "malformed"


def test_bytes_that_are_no_message_do_nothing(caller: Caller) -> None:
    for body in (b"", b"\0\0\0\2{}", b"\xff\xff\xff\xff{}", b'\0\0\0\x0e{"sizes":[99]}', b"\0\0\0\4null", b"x" * 100):
        answer = caller.post(body)
        assert answer.status_code in (200, 401)
        if answer.status_code == 200:
            assert messages.unpacked(answer.content).head["refused"] == "malformed"


def test_a_body_that_is_too_large_is_not_read(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioning.api.gateways import Exchange

    monkeypatch.setattr(Exchange, "largest", 50)
    assert caller.post(caller.body({"take": 1})).status_code == 413


# --- What a machine can do ------------------------------------------------------------------------------------------


def _creation() -> tuple[Any, ...]:
    from directories.connectors.base import Entry

    return Entry("ann", attributes={"first": "Ann"}), "secret-of-ann"


def test_a_call_is_given_once_answered_once_and_gone(caller: Caller, office: Gateway) -> None:
    number = put(office, "create", *_creation())
    assert b"secret-of-ann" not in bytes(GatewayCall.objects.get().body)
    answer = caller.ask()
    assert answer.head["calls"] == [[number, HERE.name]]
    call = load_call(messages.unpack(answer.blobs[0]))
    assert (call.method, call.arguments[0].key, call.arguments[1]) == ("create", "ann", "secret-of-ann")
    assert caller.ask().head["calls"] == []
    assert caller.answer(number, 0, Answers(["x"], last=True)).head["gone"] == []
    assert caller.answer(number, 0, Answers(["x"], last=True)).head["gone"] == []  # the same again is as good
    assert b"x" not in bytes(AnswerPart.objects.get().body)[:1]
    blob = mailbox.part(number, 0)
    assert blob is not None
    assert load_answers(messages.unpack(blob)).items == ["x"]
    mailbox.forget(number)
    assert caller.answer(number, 0, Answers(["y"], last=True)).head["gone"] == [number]
    assert not GatewayCall.objects.exists()
    assert not AnswerPart.objects.exists()


def test_calls_for_leavers_overtake_those_that_wait(caller: Caller, office: Gateway) -> None:
    usual = [put(office) for _ in range(3)]
    leavers = [put(office, urgent=True) for _ in range(2)]
    assert [number for number, _ in caller.ask(take=3).head["calls"]] == [*leavers, usual[0]]
    assert [number for number, _ in caller.ask().head["calls"]] == usual[1:]


def test_a_machine_gets_only_the_calls_of_its_own_directories(caller: Caller, office: Gateway, client: Client) -> None:
    put(office, name="another")
    elsewhere = Gateway.objects.create(name="Branch")
    put(elsewhere)
    assert caller.ask().head["calls"] == []
    other = Caller(client, elsewhere)
    assert len(other.ask().head["calls"]) == 1


def test_calls_of_another_machine_cannot_be_answered_kept_or_read(
    caller: Caller, office: Gateway, client: Client
) -> None:
    number = put(office)
    assert len(caller.ask().head["calls"]) == 1
    liar = Caller(client, office)
    assert liar.ask(fresh=True).head["calls"] == []
    assert liar.answer(number, 0, Answers([5], last=True)).head["gone"] == [number]
    assert liar.say({"working": [number, 999_999]}).head["gone"] == [number, 999_999]
    assert state(number) == CallState.TAKEN
    assert caller.answer(number, 0, Answers([7], last=True)).head["gone"] == []
    blob = mailbox.part(number, 0)
    assert blob is not None
    assert load_answers(messages.unpack(blob)).items == [7]


@pytest.mark.heavy
def test_parts_come_in_order_and_no_further_ahead_than_they_are_used(caller: Caller, office: Gateway) -> None:
    number = put(office, "accounts", 10)
    caller.ask()
    assert caller.answer(number, 1, Answers([1])).head["gone"] == [number]  # the second before the first
    for part in range(mailbox.WINDOW):
        answer = caller.answer(number, part, Answers([part]))
        assert answer.head["gone"] == []
    assert answer.head["room"] == []
    flood = [caller.answer(number, mailbox.WINDOW + 1 + more, Answers([0])).head["gone"] for more in range(3)]
    assert flood == [[number]] * 3
    assert AnswerPart.objects.count() == mailbox.WINDOW
    mailbox.use(number, 0)
    assert caller.say({"room": [number]}).head["room"] == [number]


def test_a_stream_that_no_thread_can_wait_for_asks_again_later(
    caller: Caller, office: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = put(office, "accounts", 10)
    caller.ask()
    for part in range(mailbox.WINDOW):
        caller.answer(number, part, Answers([part]))
    none_left = threading.BoundedSemaphore(1)
    none_left.acquire()
    monkeypatch.setattr(door, "_waiting", none_left)
    answer = caller.say({"room": [number], "working": [number], "wait": 4})
    assert (answer.head["room"], answer.head["later"]) == ([], door.LATER)
    mailbox.use(number, 0)
    assert "later" not in caller.say({"room": [number], "working": [number], "wait": 4}).head


def test_more_than_one_part_cannot_answer_what_has_one_answer(caller: Caller, office: Gateway) -> None:
    number = put(office)
    caller.ask()
    assert caller.answer(number, 0, Answers([1], last=False)).head["gone"] == [number]
    assert not AnswerPart.objects.exists()


def test_a_machine_that_begins_anew_has_lost_what_it_had(caller: Caller, office: Gateway) -> None:
    written, read = put(office, "create", *_creation()), put(office)
    assert len(caller.ask().head["calls"]) == 2
    caller.ask(fresh=True, take=0)
    assert (state(written), state(read)) == (CallState.LOST, CallState.LOST)
    assert mailbox.keep_waiting(read) == CallState.WAITING  # reading it again harms nobody
    assert mailbox.keep_waiting(written) == CallState.LOST  # nobody knows what became of it
    assert caller.ask().head["calls"] == [[read, HERE.name]]


def test_another_machine_reads_what_a_silent_one_had(caller: Caller, office: Gateway, client: Client) -> None:
    written, read = put(office, "create", *_creation()), put(office)
    caller.ask()
    GatewayCall.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    mailbox.keep_waiting(written)
    mailbox.keep_waiting(read)
    other = Caller(client, office)
    assert other.ask(fresh=True).head["calls"] == [[read, HERE.name]]
    assert caller.answer(read, 0, Answers([1], last=True)).head["gone"] == [read]
    assert other.answer(read, 0, Answers([2], last=True)).head["gone"] == []


def test_nobody_is_given_what_nobody_waits_for(caller: Caller, office: Gateway) -> None:
    number = put(office)
    GatewayCall.objects.update(heard_at=timezone.now() - dt.timedelta(minutes=2))
    assert caller.ask().head["calls"] == []
    GatewayCall.objects.update(heard_at=timezone.now() - dt.timedelta(minutes=20))
    mailbox.sweep()
    assert not GatewayCall.objects.filter(pk=number).exists()


@pytest.mark.heavy
def test_lies_about_directories_are_refused(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for about in ([], {"x": []}, {"x": {"patience": 1e9}}, {"x": {"lacking": {"create": 5}}}, {"x": {"label": None}}):
        answer = caller.say(
            {"take": 1, "digest": "e", "version": "1", "latency": 1}, [messages.pack(orjson.dumps(about))]
        )
        assert answer.head["refused"] == "malformed", about
    monkeypatch.setattr(door, "LARGEST_ABOUT", 1000)
    long = messages.pack(orjson.dumps({"x": {"label": "y" * 1000}}))
    monkeypatch.setattr(door, "load", None)  # what is too long is not even read
    assert caller.say({"take": 1, "digest": "e"}, [long]).head["refused"] == "malformed"
    bomb = messages.pack(b"[" + b" " * (messages.LARGEST_BLOB + 1) + b"]")
    answer = caller.say({"take": 1, "digest": "e", "version": "1", "latency": 1}, [bomb])
    assert answer.head["refused"] == "malformed"
    assert list(Machine.objects.get().about) == [HERE.name]

"""Letting machines in, and throwing them out."""

import base64
import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from directories.connectors.gateway.codec import Malformed
from directories.gateway import messages
from directories.gateway.keys import proof_of
from provisioning.gateway import mailbox
from provisioning.gateway.models import EnrolmentCode, Gateway, Machine
from reports import evidence, journal
from reports.models import Direction, Operation, Result

VALID = dt.timedelta(hours=1)
PREFIX = "rollcall_gateway_"  # lets people and secret scanners tell what it is


class CodeRefused(Exception):
    """The code is not known, was used or is too old; nobody is told which."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a machine is told: its number, the portal's public key, and the proof that the portal knows the code."""

    machine: Machine
    portal_key: str
    proof: str


def new_code(gateway: Gateway, actor: str) -> str:
    """Return a code in clear, as nobody can any more; those of before that were not used count no longer."""
    code = PREFIX + base64.b32encode(secrets.token_bytes(25)).decode().lower()
    with transaction.atomic():
        gateway.codes.filter(used_at=None).delete()
        gateway.codes.create(digest=_digest(code), created_by=actor, expires_at=timezone.now() + VALID)
        record(gateway, f"{actor} made a code to enrol a machine for the gateway {gateway.name}.", actor)
    return code


def enrol(code: str, public_key: str, name: str, version: str) -> Enrolled:
    """Let a machine in; raise CodeRefused, or Malformed for a key that is none or that another machine has."""
    messages.public_key(public_key)
    if Machine.objects.filter(public_key=public_key).exists():
        raise Malformed
    own = messages.new_key()
    with transaction.atomic():
        now = timezone.now()
        unused = EnrolmentCode.objects.filter(digest=_digest(code), used_at=None, expires_at__gt=now)
        found = unused.select_related("gateway").first()
        if found is None or not unused.update(used_at=now):
            raise CodeRefused
        machine = Machine.objects.create(
            gateway=found.gateway, name=name, public_key=public_key, portal_key=own, version=version
        )
        _note(machine, found.created_by, "was enrolled for")
    portal_key = messages.public_text(messages.private_key(own))
    return Enrolled(machine, portal_key, proof_of(code, public_key, portal_key, str(machine.pk)))


def withdraw(machine: Machine, actor: str) -> None:
    """Believe a machine no more, from this moment on; what it is doing is taken for lost."""
    with transaction.atomic():
        now = timezone.now()
        if Machine.objects.filter(pk=machine.pk, withdrawn_at=None).update(withdrawn_at=now, withdrawn_by=actor):
            _note(machine, actor, "was withdrawn from")
    mailbox.disbelieve(machine)


def _note(machine: Machine, actor: str, what: str) -> None:
    record(machine.gateway, f"The machine {machine.name} {what} the gateway {machine.gateway.name}.", actor)


def record(gateway: Gateway, words: str, actor: str, *, gone: bool = False) -> None:
    """Write a line of the report about a gateway, and how it is set up now into the evidence."""
    journal.record(
        journal.Line(
            identifier="",
            application=gateway.name,
            direction=Direction.PORTAL,
            operation=Operation.SETTINGS,
            result=Result.SUCCESS,
            message=words,
            actor=actor,
        )
    )
    dates = ("name", "enrolled_at", "withdrawn_at", "withdrawn_by")
    machines = {str(one.pop("pk")): one for one in gateway.machines.order_by("pk").values("pk", *dates)}
    state = {"name": gateway.name, "description": gateway.description, "machines": machines}
    evidence.changed(f"gateway {gateway.pk}", None if gone else state, words, actor)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()

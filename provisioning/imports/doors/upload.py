"""An uploaded users file as a plan: before and after of every line, and passwords for directories, encrypted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from directories.encryption import encrypt
from provisioning.imports.doors.people import about
from provisioning.imports.doors.runs import plan
from provisioning.imports.users.plan import MANAGER, USERNAME, Planned, department_of
from provisioning.imports.users.state import ACTIVE
from provisioning.models import ImportRun, User
from provisioning.models.imports import Action, Door
from provisioning.profile.person import person_of

PAGE = 1000
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of a file: the user as it is to be, what they were (None: nobody), and what the file gives besides.

    ``manager`` is the user name of a manager whom the same file adds, ``password`` one for the directories.
    """

    user: User
    before: Values | None
    manager: str = ""
    password: str = ""


def values_of(user: User) -> dict[str, Any]:
    """Return what a user is, as plans write it: by "kind.name", blank as None."""
    person = person_of(user)
    kinds = {"profile": person.profile, "custom_profile": person.custom_profile, "custom": person.custom}
    found = {f"{kind}.{name}": value for kind, held in kinds.items() for name, value in held.items()}
    return {**found, ACTIVE: user.is_active}


def upload(subject: str, actor: str, lines: Sequence[FileLine]) -> ImportRun:
    """Plan what a file says; the run is to be applied, or waits."""
    pages = ([_planned(line) for line in lines[start : start + PAGE]] for start in range(0, len(lines), PAGE))
    return plan(Door.UPLOAD, subject, actor, pages)


def _planned(line: FileLine) -> Planned:
    values = values_of(line.user)
    if line.manager:
        values[MANAGER] = line.manager
    if line.before is None:
        after = {name: value for name, value in values.items() if value is not None and (name, value) != (ACTIVE, True)}
        after.pop(USERNAME, None)
        planned = Planned(Action.CREATE, line.user.username, after=after, department=department_of(after, {}))
    else:
        held = line.before
        after = {name: values.get(name) for name in {*held, *values} if values.get(name) != held.get(name)}
        before = {name: held.get(name) for name in after}
        planned = about(line.user, Action.UPDATE if after else Action.LINK, before=before, after=after)
    if line.password:
        planned.row["send"] = encrypt(line.password)
    return planned

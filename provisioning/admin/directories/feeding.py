"""What people hand to a source themselves: a file that they upload, and the tokens with which it pushes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from directories.config import DirectoryConfig, load
from directories.connectors.base import ConnectorConfig, ConnectorError, RemoteAccount, RemoteDepartment
from directories.connectors.files import uploads
from directories.connectors.files.connector import Files
from directories.connectors.files.tables import format_of
from directories.connectors.push import Push
from directories.models import Directory, PushToken
from provisioning import push_tokens, services
from reports.journal import Line, record
from reports.models import Direction, Operation, Result

CHANGE, IMPORT = "directories.change_directory", "provisioning.add_importrun"
SHOWN = 10  # people of an uploaded file
PROBLEMS = 20
VALUES = 6  # of each of them
LASTS = {"30": "30 days", "90": "90 days", "365": "A year", "": "No end"}
PEOPLE, DEPARTMENTS = "file", "departments_file"


# --- A file ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class FileContent:
    """What an uploaded file holds: how many, the first of them, and what cannot be used."""

    number: int = 0
    contracts: int = 0
    wrong: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    people: list[RemoteAccount] = field(default_factory=list)
    departments: list[RemoteDepartment] = field(default_factory=list)

    def add(self, one: RemoteAccount | RemoteDepartment, name: str, problems: Iterable[str]) -> None:
        """Count one, and keep it where it is among the first."""
        self.number += 1
        found = [words for words in problems if words]
        self.wrong += bool(found)
        if found and len(self.problems) < PROBLEMS:
            self.problems.append((name, found[0]))
        listed: list[Any] = self.people if isinstance(one, RemoteAccount) else self.departments
        if not found and len(listed) < SHOWN:
            listed.append(one)

    @property
    def rows(self) -> list[tuple[RemoteAccount, str]]:
        """The first people, each with their values in a line."""
        return [(one, _values(one.attributes)) for one in self.people]


def upload(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Take a file, show what is in it, and on request put it in its place and plan its import."""
    model_admin.require(request, CHANGE, IMPORT)
    directory = get_object_or_404(Directory, pk=object_id, kind=Files.kind)
    config = load(directory.pk)
    what = request.POST.get("what", PEOPLE)
    what = what if what in _offered(config) else PEOPLE
    context: dict[str, Any] = {"what": what, "offered": _offered(config), "pattern": _pattern(config, what)}
    try:
        if request.method == "POST" and request.POST.get("waiting"):
            return _taken(request, directory, config, what)
        if request.method == "POST" and (file := request.FILES.get("file")):
            name = str(file.name)
            target = uploads.target_of(_pattern(config, what), name, _format(config))
            waiting = uploads.keep(file.chunks(), Files(config.connector).largest)
            kind = format_of(name, _format(config))
            content = _read(config, what, uploads.waiting(waiting), kind)
            context |= {"waiting": waiting, "name": name, "target": target, "content": content}
        elif request.method == "POST":
            context["error"] = "Choose a file."
    except ConnectorError as error:
        context["error"] = error.message
    context |= {"title": f"Upload a file for {directory.name}", "directory": directory}
    return _page(model_admin, request, "upload", context)


def _taken(request: HttpRequest, directory: Directory, config: DirectoryConfig, what: str) -> HttpResponse:
    """Put a file that was looked at in its place, and plan its import."""
    target = uploads.target_of(_pattern(config, what), request.POST.get("name", ""), _format(config))
    uploads.put(request.POST["waiting"], target)
    actor = request.user.get_username()
    words = f"{actor} uploaded {target} for {directory.name}."
    record(Line("", directory.name, Direction.PORTAL, Operation.SETTINGS, Result.SUCCESS, words, actor=actor))
    messages.success(request, f"{target} is in its place.")
    try:
        run = services.start_import(directory, preview=True, actor=actor)
    except services.ImportRefused as refused:
        messages.warning(request, refused.message)
        return HttpResponseRedirect(reverse("admin:directories_directory_change", args=[directory.pk]))
    return HttpResponseRedirect(reverse("admin:provisioning_importrun_change", args=[run.pk]))


def _read(config: DirectoryConfig, what: str, file: str, kind: str) -> FileContent:
    """Read an uploaded file from beginning to end, as an import would; raise ConnectorError."""
    settings = {**config.connector.settings, what: file, "format": kind}
    found = FileContent()
    with Files(ConnectorConfig(settings, directory=config.id)) as source:
        if what == DEPARTMENTS:
            for one in map(source.department, source.department_records()):
                found.add(one, one.name or one.ref, [one.problem])
            return found
        for person in map(source.account, source.people()):
            given = person.contracts or ()
            found.contracts += len(given)
            found.add(person, person.key or person.ref, [person.problem, *(one.problem for one in given)])
    return found


def _offered(config: DirectoryConfig) -> dict[str, str]:
    departments = {DEPARTMENTS: "Departments"} if _pattern(config, DEPARTMENTS) else {}
    return {PEOPLE: "People", **departments}


def _pattern(config: DirectoryConfig, what: str) -> str:
    return str(config.connector.settings.get(what) or "").strip()


def _format(config: DirectoryConfig) -> str:
    return str(config.connector.settings.get("format") or "")


def _values(attributes: Any) -> str:
    shown = [f"{name}: {value}" for name, value in attributes.items() if value not in (None, "")]
    return ", ".join(shown[:VALUES]) + (f" and {len(shown) - VALUES} more" if len(shown) > VALUES else "")


# --- Tokens ----------------------------------------------------------------------------------------------------------


def tokens(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """List the tokens of a source that pushes; make one, which is shown once, or withdraw one."""
    model_admin.require(request, CHANGE)
    directory = get_object_or_404(Directory, pk=object_id, kind=Push.kind)
    actor = request.user.get_username()
    context: dict[str, Any] = {}
    if request.method == "POST" and request.POST.get("do") == "withdraw":
        number = request.POST.get("token", "")
        if not (number.isdecimal() and len(number) < 19 and push_tokens.withdraw(directory, int(number), actor)):
            raise Http404("There is no such token.")
        messages.success(request, "The token is withdrawn: requests with it are refused at once.")
        return HttpResponseRedirect(request.path)
    if request.method == "POST":
        days = request.POST.get("days", "")
        label = request.POST.get("label", "").strip()[:100]
        context["secret"] = push_tokens.make(directory, label, int(days) if days in LASTS and days else None, actor)
    rows = PushToken.objects.filter(directory=directory).order_by("-pk")[:100]
    context |= {
        "rows": [(one, push_tokens.ended(one)) for one in rows],
        "lasts": LASTS,
        "address": request.build_absolute_uri(reverse("api-push-records", kwargs={"name": directory.name})),
    }
    context |= {"title": f"Tokens of {directory.name}", "directory": directory}
    return _page(model_admin, request, "tokens", context)


def _page(model_admin: Any, request: HttpRequest, name: str, found: dict[str, Any]) -> HttpResponse:
    context = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, **found}
    return render(request, f"admin/directories/directory/{name}.html", context)

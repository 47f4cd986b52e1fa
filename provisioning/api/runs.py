"""``/api/v1/runs``: imports and other plans: started, looked at, approved, cancelled and undone, as in the admin.

What is asked for goes on in the background, so each answer is 202 with the address to ask at.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from directories.models import Directory
from provisioning import services
from provisioning.admin.imports import rights
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import fields_of
from provisioning.api.groups import PRIVILEGED
from provisioning.api.resources import ApiList, ApiResource, ApiSingle, NotPossible, repeatable
from provisioning.imports import decisions, elevation
from provisioning.models import ImportRun, PlannedChange
from provisioning.tokens import families
from provisioning.tokens.models import ApiToken

START, SEE = "provisioning.add_importrun", "provisioning.view_importrun"
COUNTS = (
    *("expected", "seen", "unchanged", "planned", "applied", "created", "updated", "deactivated", "deleted"),
    *("restored", "left_alone", "blocked", "errors", "held", "refused", "changed_since", "departments_changed"),
    *("groups_seen", "groups_changed", "memberships_added", "memberships_removed"),
)
ABOUT = ("directory", "door", "subject", "undoes", "status", "preview", "incremental", "trigger", "actor")
MOMENTS = ("created_at", "started_at", "apply_started_at", "finished_at")
ELEVATES = f"This plan puts people into a privileged group. {PRIVILEGED}"
MISSING = "This needs another right: {names}."


class RunSerializer(serializers.ModelSerializer[ImportRun]):
    """A run as it is sent; ``plan_hash`` says which plan it is that somebody approves."""

    class Meta:
        model = ImportRun
        fields = ("id", *ABOUT, "message", "plan_hash", *COUNTS, *MOMENTS)
        read_only_fields = fields


class PlannedChangeSerializer(serializers.ModelSerializer[PlannedChange]):
    """One thing that a run means to do, with what is before and after."""

    class Meta:
        model = PlannedChange
        fields = (
            *("id", "action", "key", "user_id", "account_id", "before", "after", "message"),
            *("department", "cause", "held", "verdict"),
        )
        read_only_fields = fields


class StartSerializer(serializers.Serializer[Any]):
    """What is to be imported; a preview is a plan that somebody may approve."""

    directory = serializers.PrimaryKeyRelatedField(queryset=Directory.objects.all())
    preview = serializers.BooleanField(default=True)


class ApproveSerializer(serializers.Serializer[Any]):
    """Which plan is approved: the very one that was looked at."""

    plan_hash = serializers.CharField(max_length=64)
    number = serializers.IntegerField(
        required=False, min_value=0, help_text="How many people or memberships lose something by it, if any do."
    )


class UndoSerializer(serializers.Serializer[Any]):
    """Whether people whom the run created are deleted; else they are deactivated."""

    delete_created = serializers.BooleanField(default=False)


class OfRuns:
    """What everything about runs shares."""

    model: ClassVar[Any] = ImportRun
    family = families.RUNS
    serializer_class: ClassVar[Any] = RunSerializer


@extend_schema(tags=["runs"])
class ApiRuns(OfRuns, ApiList):
    """Every run there was."""

    fields = fields_of(ImportRun, ("id", *ABOUT, *MOMENTS))
    newest_first = True

    @schema.listing("list_runs", RunSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List runs, the newest first."""
        return super().get(request, **within)

    @schema.acting("start_run", RunSerializer, body=StartSerializer, status=202)
    @repeatable
    def post(self, request: Request) -> Response:
        """Start an import of a directory, or a preview of one."""
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        run = services.start_import(
            body.validated_data["directory"], preview=body.validated_data["preview"], actor=actor_of(request)
        )
        return _accepted(request, run)


@extend_schema(tags=["runs"])
class ApiRun(OfRuns, ApiSingle):
    """One run."""

    @schema.reading("get_run", RunSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a run: how far it is, or how it ended."""
        return super().get(request, pk)


@extend_schema(tags=["runs"])
class ApiRunChanges(OfRuns, ApiList):
    """The plan of a run."""

    serializer_class: ClassVar[Any] = PlannedChangeSerializer
    rights: ClassVar[Mapping[str, str]] = {"GET": SEE, "HEAD": SEE}
    fields = fields_of(
        PlannedChange, ("id", "action", "key", "user_id", "account_id", "department", "cause", "held", "verdict")
    )

    def rows(self) -> "QuerySet[PlannedChange]":
        """Return the rows of the plan."""
        pk = self.kwargs["pk"]
        if not ImportRun.objects.filter(pk=pk).exists():
            raise NotFound("There is no such import.")
        return PlannedChange.objects.filter(run=pk)

    @schema.listing("list_run_changes", PlannedChangeSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List what a run means to do to people, or did, in its order."""
        return super().get(request, **within)


class RunAction(OfRuns, ApiResource):
    """Something that is done to a run, by whoever may see runs and start them."""

    rights: ClassVar[Mapping[str, str]] = {"POST": START}

    def run(self, request: Request, pk: int) -> ImportRun:
        """Return the run; raise NotFound."""
        _must_have(request, {SEE})
        found = ImportRun.objects.select_related("directory").filter(pk=pk).first()
        if found is None:
            raise NotFound("There is no such import.")
        return found


@extend_schema(tags=["runs"])
class ApproveRun(RunAction):
    """Applies a plan."""

    @schema.acting("approve_run", RunSerializer, body=ApproveSerializer, status=202)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Apply the plan of a run that waits, or of a preview; no token approves one that elevates somebody."""
        run = self.run(request, pk)
        _must_have(request, rights.to_apply(run))
        if isinstance(request.auth, ApiToken) and elevation.elevates(run):
            raise NotPossible(ELEVATES)
        body = ApproveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        decisions.must_type(run, str(body.validated_data.get("number", "")))
        services.approve_import(run, actor_of(request), plan_hash=body.validated_data["plan_hash"])
        return _accepted(request, run)


@extend_schema(tags=["runs"])
class CancelRun(RunAction):
    """Ends a run."""

    @schema.acting("cancel_run", RunSerializer, status=202)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Cancel a run, at once or at its next page."""
        run = self.run(request, pk)
        services.cancel_import(run, actor_of(request))
        return _accepted(request, run)


@extend_schema(tags=["runs"])
class UndoRun(RunAction):
    """Takes back what a run did."""

    @schema.acting("undo_run", RunSerializer, body=UndoSerializer, status=202)
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Plan the inverse of a run that has ended: another run, which waits to be approved."""
        run = self.run(request, pk)
        body = UndoSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        delete = body.validated_data["delete_created"]
        _must_have(request, rights.to_undo(run, delete_created=delete))
        return _accepted(request, services.undo(run, actor_of(request), delete_created=delete))


def _must_have(request: Request, names: set[str]) -> None:
    if missing := sorted(name for name in names if not request.user.has_perm(name)):
        raise PermissionDenied(MISSING.format(names=", ".join(missing)))


def _accepted(request: Request, run: ImportRun) -> Response:
    """Answer with the run and its address (RFC 9110 section 15.3.3; RFC 7240 section 4.1)."""
    run.refresh_from_db()
    headers = {"Location": reverse("api-run", args=[run.pk], request=request)}
    if "respond-async" in request.headers.get("Prefer", ""):
        headers["Preference-Applied"] = "respond-async"
    return Response(RunSerializer(run).data, status=202, headers=headers)

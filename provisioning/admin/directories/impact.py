"""What a save of the directory page would do, shown before it is saved; and the same for what is saved already."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render

from directories.connectors.base import ConnectorError
from directories.forms.draft import DirectoryDraft
from directories.models import Directory
from provisioning import services
from provisioning.admin import questions
from provisioning.admin.questions import Question

FOLDER = "admin/directories/directory"


def question(draft: DirectoryDraft, data: QueryDict) -> Question | None:
    """Return what is to be confirmed before a valid draft is saved; None when it may be saved now."""
    config = draft.config()
    if config is None or config.id is None:
        return None
    impact = services.impact_of_change(services.stored_configuration(config.id), config)
    if impact is None:
        return None
    return questions.ask(impact, impact.objections(draft.provisioning_before), data)


def recompute(model_admin: Any, request: HttpRequest, object_id: int) -> HttpResponse:
    """Show what pushing everything to a directory would do now. Nothing is changed, and no directory is asked."""
    model_admin.require(request, "directories.view_directory")
    directory = get_object_or_404(Directory, pk=object_id)
    context: dict[str, Any] = {"directory": directory}
    try:
        context["impact"] = services.impact_of_everything(directory.pk)
    except ConnectorError as error:
        context["error"] = error.message
    return render(request, f"{FOLDER}/recomputed.html", context)

"""What a save of the directory page would do, shown before it is saved; and the same for what is saved already."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render

from directories.connectors.base import ConnectorError
from directories.forms.draft import DirectoryDraft
from directories.models import Directory
from provisioning import services

FOLDER = "admin/directories/directory"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person confirms before a save. ``number`` is to be typed where limits are passed, None where not.

    ``token`` stands for what was shown: whoever confirms something else is asked again. ``wrong``: another number was
    typed.
    """

    impact: services.Impact
    limits: list[str]
    number: int | None
    token: str
    wrong: bool = False


def question(draft: DirectoryDraft, data: QueryDict) -> Question | None:
    """Return what is to be confirmed before a valid draft is saved; None when it may be saved now."""
    config = draft.config()
    if config is None or config.id is None:
        return None
    impact = services.impact_of_change(services.stored_configuration(config.id), config)
    if impact is None or impact.is_small:
        return None
    limits = [objection.words for objection in impact.objections(draft.provisioning_before)]
    number = impact.reached if limits else None
    told = repr((impact.sentence, impact.imports, limits))
    token = hashlib.sha256(told.encode()).hexdigest()[:16]
    confirmed = data.get("confirmed") == token
    typed = data.get("confirmed_number", "").replace(",", "").strip()
    if confirmed and (number is None or typed == str(number)):
        return None
    return Question(impact, limits, number, token, wrong=confirmed)


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

"""What is not there any more, for pages that Django's admin makes."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest


class GoneIsNotFound(admin.ModelAdmin):  # type: ignore[type-arg]
    """Answers a wrong id like every other page does; Django would lead to Start, with a message about the id."""

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        raise Http404(f"There is no such {opts.verbose_name}.")

"""Import and export of users on the list: CSV and Excel, with a preview of what would change."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from import_export.admin import ImportExportMixin
from import_export.results import Result, RowResult
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from provisioning import reach, services
from provisioning.admin.uploads import UploadStorage
from provisioning.admin.users.actions import say_result
from provisioning.models import User
from provisioning.spreadsheets.columns import FileProblem
from provisioning.spreadsheets.export import MOST_IN_WORKBOOK, csv_lines, workbook
from provisioning.spreadsheets.formats import FORMATS, MOST_BYTES, CsvFile, XlsxFile
from provisioning.spreadsheets.resource import UserResource

SHOWN = 200


class UploadForm(ImportForm):  # type: ignore[misc]
    """A file and its format."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].label = "File"
        self.fields["import_file"].widget.attrs["accept"] = ".csv,.xlsx"

    def clean_import_file(self) -> Any:
        """Refuse what is too large to read on a page."""
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            raise ValidationError(f"The file is larger than {MOST_BYTES // 2**20} MB. Split it, and import the parts.")
        return file


class DownloadForm(ExportForm):  # type: ignore[misc]
    """The format of the export; CSV unless somebody chooses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("0", "CSV: any number of users"), ("1", f"Excel: up to {MOST_IN_WORKBOOK:,} users")]
        self.fields["format"].choices = choices
        self.fields["format"].widget.choices = choices


class UserFiles(ImportExportMixin, admin.ModelAdmin):  # type: ignore[misc, type-arg]
    """Import, export, and the two export actions."""

    resource_classes = (UserResource,)
    import_form_class = UploadForm
    export_form_class = DownloadForm
    import_template_name = "provisioning/user/import.html"
    export_template_name = "provisioning/user/export.html"
    tmp_storage_class = UploadStorage
    skip_admin_log = True  # the provisioning report tells it, user by user
    formats = import_formats = export_formats = FORMATS

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Ask for the rights to add and to change users: a file does both."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Let everyone export who may see the list."""
        return self.has_view_permission(request)

    # --- import ------------------------------------------------------------------------------------------------------

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Show the form, or what the file would do."""
        response = super().import_action(request, **kwargs)
        context = getattr(response, "context_data", None)
        if context is not None:
            context["title"] = "Import users from a file"
            if isinstance(result := context.get("result"), Result):
                context["outcome"] = outcome(result)
        return response  # type: ignore[no-any-return]

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        """Say what is wrong with the file, in words."""
        known = isinstance(e, FileProblem)
        form.add_error("import_file", str(e) if known else "The file cannot be read. Is it really CSV or XLSX?")

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Apply the file that was previewed; all of it or nothing."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:provisioning_user_import"))
        if not self.has_import_permission(request):
            raise PermissionDenied
        if request.method == "POST" and not request.POST.get("format", "").isdecimal():
            return back
        try:
            return super().process_import(request, **kwargs)  # type: ignore[no-any-return]
        except (FileNotFoundError, IndexError):
            messages.error(request, "That file was imported already, or has waited for too long. Choose it again.")
        except IntegrityError:
            messages.error(request, "Nothing was imported: somebody changed the same users meanwhile. Try again.")
        return back

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Say what was done."""
        if result.has_errors() or result.has_validation_errors():
            messages.error(request, "Nothing was imported: the users have changed since the preview. Look again.")
            return HttpResponseRedirect(reverse("admin:provisioning_user_import"))
        found = outcome(result)
        done = (
            f"Imported: {found['added']:,} added, {found['changed']:,} changed, {found['same']:,} unchanged. "
            "Directories follow in the background."
        )
        planned = getattr(result, "planned", None)
        if planned is None:
            messages.success(request, done)
        else:
            say_result(request, services.applied(planned), done)
        return HttpResponseRedirect(reverse("admin:provisioning_user_changelist"))

    # --- export ------------------------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the export of a selection to everyone who may see the list."""
        actions = super().get_actions(request)
        for name, words in (("export_csv", "Export selected users as CSV"), ("export_xlsx", "… as Excel")):
            actions[name] = (getattr(type(self), name), name, words)
        return actions

    def export_csv(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        """Export the selection."""
        return self._do_file_export(CsvFile(), request, queryset)

    def export_xlsx(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        """Export the selection; None goes back to the list with the message."""
        try:
            return self._do_file_export(XlsxFile(), request, queryset)
        except FileProblem as problem:
            messages.error(request, str(problem))
            return None

    def _do_file_export(
        self, file_format: CsvFile, request: HttpRequest, queryset: QuerySet[User], export_form: Any = None
    ) -> FileResponse | StreamingHttpResponse:
        """Stream the file instead of building it in memory; the caller shows a ValueError."""
        name = f"users-{timezone.localdate().isoformat()}.{file_format.get_extension()}"
        hidden = reach.hidden(request.user)
        if isinstance(file_format, XlsxFile):
            return FileResponse(workbook(queryset, hidden), as_attachment=True, filename=name)
        response = StreamingHttpResponse(csv_lines(queryset, hidden), content_type=file_format.get_content_type())
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def outcome(result: Result) -> dict[str, Any]:
    """Return what a result says, for the page: counts, the first differences and the first problems."""
    problems = [
        {"line": row.number + 1, "username": row.values[0], "words": row.error_dict} for row in result.invalid_rows
    ]
    crashed = [{"line": row.number + 1, "username": "", "words": {}} for row in result.error_rows]
    changes = [row for row in result.rows if row.is_new() or row.is_update()]
    return {
        "file_problems": [str(e.error) for e in result.base_errors if isinstance(e.error, FileProblem)],
        "problems": [*problems, *crashed][:SHOWN],
        "problem_count": len(problems) + len(crashed),
        "rows": changes[:SHOWN],
        "hidden": max(0, len(changes) - SHOWN),
        "added": result.totals[RowResult.IMPORT_TYPE_NEW],
        "changed": result.totals[RowResult.IMPORT_TYPE_UPDATE],
        "same": result.totals[RowResult.IMPORT_TYPE_SKIP],
    }

"""What readiness needs to know of a draft."""

import datetime as dt

from directories import query_templates
from directories.forms.draft import DirectoryDraft
from directories.forms.templates import parsed
from directories.mapping import AttributeRule
from directories.models import TemplateOperation
from directories.readiness import DirectorySetup

OUTBOUND = (TemplateOperation.CREATE, TemplateOperation.UPDATE)


def situation_of(draft: DirectoryDraft, next_import_at: dt.datetime | None) -> DirectorySetup:
    """Return the draft as ``readiness.assess`` looks at it."""
    statements = draft.templates.statements
    config = draft.config()
    rules: tuple[AttributeRule, ...] = config.rules if config else ()
    return DirectorySetup(
        enabled=draft.directory.enabled,
        features=draft.features.unsaved(),
        lacking=draft.lacking,
        rules=rules,
        has_check=not draft.templated or TemplateOperation.CHECK.value in statements,
        reads=draft.reads if draft.templated else None,
        writes=_writes(draft),
        portal_names=_portal_names(draft),
        next_import_at=next_import_at,
        kept_by_server=draft.connector.kept_by_server,
    )


def _writes(draft: DirectoryDraft) -> dict[str, list[str]]:
    if not draft.templated:
        return {}
    statements = draft.templates.statements
    found = {}
    for operation in OUTBOUND:
        templates = parsed(statements.get(operation.value, []), draft.directory.kind, operation)
        found[operation.label] = list(dict.fromkeys(name for template in templates for name in template.names))
    return found


def _portal_names(draft: DirectoryDraft) -> set[str]:
    """Return the names that a placeholder may have without a mapping."""
    return {attribute.name for attribute in draft.catalogue.values()} | {query_templates.PASSWORD}

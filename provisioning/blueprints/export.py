"""What the portal has, as a blueprint."""

from pydantic import SecretStr

from directories.attributes import Kind, Type
from directories.described.document import dump
from directories.described.references import Placeholders
from directories.encryption import is_lost
from directories.models import Directory, MappingDirection, ProvisioningSettings
from provisioning.blueprints import sections, state
from provisioning.blueprints.schema import VERSION
from provisioning.blueprints.state import BlueprintItem
from provisioning.models import AttributeDefinition, Group

_HEADER = "# A blueprint of Rollcall. Apply it with: manage.py blueprint apply FILE\n"
_SECRETS = "# Secrets are not in it. Set these variables, or write file:/path instead, before it is applied:\n"
_LEFT_OUT = {
    "type": Type.TEXT.value,
    "choices": [],
    "required": False,
    "position": 0,
    "description": "",
    "kind": Kind.PROFILE.value,
    "direction": MappingDirection.BOTH.value,
    "expression": "",
    "directories": [],
}


def export() -> str:
    """Return the blueprint of everything; a reference in place of each secret."""
    placeholders = Placeholders()
    attributes = sorted(map(state.of_attribute, AttributeDefinition.objects.all()), key=_by_position)
    ours = Group.objects.filter(owner=None, pushed_by="").prefetch_related("directories")
    groups = sorted(map(state.of_group, ours), key=_by_name)
    directories = sorted(map(_described, state.with_parts()), key=_by_name)
    document = {
        "version": VERSION,
        "attributes": [_short(attribute) for attribute in attributes],
        "groups": [_short(group) for group in groups],
        "directories": [_directory(directory, placeholders) for directory in directories],
    } | {section.name: section.export(placeholders) for section in sections.registered()}
    body = dump({name: part for name, part in document.items() if part != []})
    names = "".join(f"#   {name}\n" for name in placeholders.names)
    return _HEADER + (_SECRETS + names if names else "") + body


def for_gateway(directory: Directory) -> str:
    """Return a directory as the file of a gateway has it, with references in place of its secrets."""
    if is_lost(directory, state.SECRETS):
        directory.secrets = {}
    described = state.of_directory(directory, list(directory.query_templates.all()), [], ProvisioningSettings())
    name, placeholders = directory.name, Placeholders()
    features = ProvisioningSettings.objects.filter(directory=directory)
    part = {
        "kind": described["kind"],
        "settings": {key: value for key, value in described["settings"].items() if value is not None},
        "secrets": {key: placeholders.reference(name, key) for key in described["secrets"]},
        "templates": described["templates"],
        "give_passwords": features.filter(import_passwords=True).exists(),
    }
    return dump({"directories": {name: {key: value for key, value in part.items() if value}}})


def _described(directory: Directory) -> BlueprintItem:
    provisioning = getattr(directory, "provisioning", None) or ProvisioningSettings()
    templates, mappings = list(directory.query_templates.all()), list(directory.attribute_mappings.all())
    return state.of_directory(directory, templates, mappings, provisioning)


def _directory(described: BlueprintItem, placeholders: Placeholders) -> BlueprintItem:
    name = described["name"]
    provisioning = {key: value for key, value in described["provisioning"].items() if value is not None}
    if isinstance(provisioning.get(state.FIXED_PASSWORD), SecretStr):
        provisioning[state.FIXED_PASSWORD] = placeholders.reference(name, "initial password")
    return described | {
        "secrets": {key: placeholders.reference(name, key) for key in described["secrets"]},
        "mapping": [_short(row) for row in described["mapping"]],
        "provisioning": provisioning,
    }


def _short(item: BlueprintItem) -> BlueprintItem:
    """Leave out what is as it would be anyway."""
    return {key: value for key, value in item.items() if key not in _LEFT_OUT or value != _LEFT_OUT[key]}


def _by_name(item: BlueprintItem) -> tuple[str, str]:
    return item["name"].casefold(), item["name"]


def _by_position(item: BlueprintItem) -> tuple[int, str]:
    return item["position"], item["name"]

"""How SCIM applications are put back."""

from typing import Any

from provisioning.admin.configuration.put_back import Restorer, register
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused
from scim.models import Client
from scim.upkeep import blueprint

TOKENS = "Tokens stay as they are now: what was revoked stays so."


def item(number: str, then: dict[str, Any], kept: list[str]) -> BlueprintItem:
    """Return an application as it was, but for its tokens."""
    client = Client.objects.filter(pk=number).first()
    if client is None:
        raise PartRefused("It was deleted. Add it anew.")
    now = blueprint.describe(client)
    if then["tokens"]:
        kept.append(TOKENS)
    rows = {
        name: [
            {key: row[key] for key in ("scim_path", "portal_attribute", "kind", "direction", "expression", "required")}
            for row in then["mapping"]
            if row["resource"] == resource and row["portal_attribute"]
        ]
        for name, resource in blueprint.MAPPINGS.items()
    }
    plain = {name: then.get(name, now[name]) for name in (*blueprint.WORDS, *blueprint.SWITCHES)}
    return {"id": client.pk, "name": then["name"], **plain, **rows}


register("SCIM application ", Restorer(item, blueprint.write))

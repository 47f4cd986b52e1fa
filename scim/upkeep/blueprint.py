"""SCIM applications in blueprints: settings, features, mapping, and tokens by reference, as directories have theirs."""

from typing import Annotated, Any

from django.db.models import Q
from pydantic import AfterValidator, Field, SecretStr, create_model

from directories.attributes import Kind
from directories.described.references import Placeholders
from directories.described.schema import LEFT_OUT, Name, SecretReference, Strict, Text
from directories.mapping import AttributeRule, Catalogue, problems_of
from directories.models import MappingDirection
from provisioning.blueprints.schema import ExpressionText
from provisioning.blueprints.sections import Section
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart, stored
from provisioning.guard import door_limits
from provisioning.profile.person import catalogue
from reports import evidence
from scim.access import tokens
from scim.authentication import digests
from scim.forms.features import LABELS
from scim.forms.mappings import ALWAYS
from scim.models import Client, ClientMapping, Match, Provider, Reach, Resource, TokenKind
from scim.resources import group_rules, mapping
from scim.resources.rules import parse
from scim.upkeep import clients, impact

NAME = "scim_applications"
SHORTEST = 20  # characters of a token that somebody else made: nobody shall guess it
SWITCHES = ("enabled", "allow_bearer", "allow_basic", "allow_oauth", *LABELS)
MAPPINGS = {"mapping": Resource.USER, "group_mapping": Resource.GROUP}
WORDS = ("provider", "reach", "match", "recycle_days")


def _scim_path(path: str) -> str:
    if parse(path) is None:
        raise ValueError("This is not the path of a SCIM attribute.")
    return path


class MappingSchema(Strict):
    """One row of the attribute mapping, of users or of groups."""

    scim_path: Annotated[Name, AfterValidator(_scim_path)]
    portal_attribute: Annotated[Text, Field(max_length=128)]
    kind: Kind = Kind.PROFILE
    direction: MappingDirection = MappingDirection.BOTH
    expression: ExpressionText = ""
    required: bool = False


class _Client(Strict):
    what = "setting"
    name: Annotated[Text, Field(max_length=100)]
    provider: Provider = LEFT_OUT
    reach: Reach = LEFT_OUT
    match: Match = LEFT_OUT
    recycle_days: Annotated[int, Field(ge=0, le=3650)] = LEFT_OUT
    tokens: dict[str, SecretReference] = LEFT_OUT
    mapping: list[MappingSchema] = LEFT_OUT
    group_mapping: list[MappingSchema] = LEFT_OUT


# An application. What is left out stays as it is; a mapping that is written is complete.
_SWITCHES: dict[str, Any] = dict.fromkeys(SWITCHES, (bool, LEFT_OUT))
ClientSchema = create_model("ClientSchema", __base__=_Client, **_SWITCHES)


def describe(client: Client) -> BlueprintItem:
    """Describe an application whole; a token is known by its label."""
    kept = client.tokens.filter(kind=TokenKind.BEARER, revoked_at__isnull=True, secret__isnull=False)
    rows = client.mappings.exclude(portal_attribute="")
    return {
        "name": client.name,
        **{name: getattr(client, name) for name in (*WORDS, *SWITCHES)},
        "tokens": {token.label or f"Token {token.pk}": SecretStr(str(token.secret)) for token in kept},
        **{name: [_row(row) for row in rows if row.resource == resource] for name, resource in MAPPINGS.items()},
    }


def write(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Create or change an application; tokens that the blueprint does not name stay valid."""
    client = stored(Client.objects.all(), wanted, Q(name__iexact=wanted["name"]))
    before = describe(client) if client else None
    after = {**(before or _fresh(wanted["name"])), **wanted}
    after["tokens"] = {**(before["tokens"] if before else {}), **wanted.get("tokens", {})}
    _check(after)
    changed = [name for name in after if before is None or before[name] != after[name]]
    if not changed:
        return WrittenPart("SCIM application", before, after)
    held = impact.stored(client) if client else None
    client = client or Client(slug=clients.free_slug(wanted["name"]))
    _write(client, before, after, actor)
    what = f"added {client}" if before is None else f"changed {client}: {', '.join(changed)}"
    tokens.record(client, f"{actor} {what} {'by putting back' if evidence.is_put_back() else 'by a blueprint'}.", actor)
    found = impact.of_change(held, impact.stored(client)) if held else None
    over = found.objections(door_limits.limits()) if found else []
    return WrittenPart("SCIM application", before, after, None, found, [objection.words for objection in over])


def export(placeholders: Placeholders) -> list[BlueprintItem]:
    """Return every application, with references in place of tokens."""
    found = []
    for client in Client.objects.order_by("name"):
        described = describe(client)
        held = {label: placeholders.reference(client.name, f"token {label}") for label in described["tokens"]}
        short = {name: [*map(_short, described[name])] for name in MAPPINGS}
        found.append(described | {"tokens": held, **short})
    return found


SECTION = Section(NAME, ClientSchema, write, export, "scim.change_client")


def _fresh(name: str) -> BlueprintItem:
    client = Client(name=name, provider=clients.guess(name))
    plain = {field: getattr(client, field) for field in (*WORDS, *SWITCHES)}
    defaults = mapping.defaults()
    rows = {key: [_row(row) for row in defaults if row.resource == resource] for key, resource in MAPPINGS.items()}
    return {"name": name, **plain, "tokens": {}, **rows}


def _row(row: ClientMapping) -> BlueprintItem:
    return {
        "scim_path": row.scim_path,
        "portal_attribute": row.portal_attribute,
        "kind": str(row.kind),
        "direction": str(row.direction),
        "expression": row.expression,
        "required": row.required,
    }


def _short(row: BlueprintItem) -> BlueprintItem:
    usual = {"kind": Kind.PROFILE.value, "direction": MappingDirection.BOTH.value, "expression": "", "required": False}
    return {name: value for name, value in row.items() if name not in usual or value != usual[name]}


def _check(after: BlueprintItem) -> None:
    if not any(after[way] for way in ("allow_bearer", "allow_basic", "allow_oauth")):
        raise PartRefused("Leave one way to sign in on, or switch the application off.", "allow_bearer")
    inward = [row for row in after["mapping"] if row["direction"] != MappingDirection.OUT]
    if ALWAYS not in [(row["kind"], row["portal_attribute"]) for row in inward]:
        raise PartRefused("A row must bring the user name into the portal.", "mapping")
    for label, secret in after["tokens"].items():
        if len(secret.get_secret_value()) < SHORTEST or len(label) > 100:
            raise PartRefused(f"A token has at least {SHORTEST} characters, and its name at most 100.", "tokens", label)
    _check_rows("mapping", after["mapping"], catalogue())
    _check_rows("group_mapping", after["group_mapping"], group_rules.CATALOGUE)
    for index, row in enumerate(after["group_mapping"]):
        if problem := group_rules.problem(row["scim_path"], row["portal_attribute"], row["direction"]):
            raise PartRefused(problem, "group_mapping", index)


def _check_rows(where: str, rows: list[BlueprintItem], known: Catalogue) -> None:
    for index, row in enumerate(rows):
        parts = {name: value for name, value in row.items() if name not in ("scim_path", "required", "kind")}
        rule = AttributeRule(row["scim_path"], kind=Kind(row["kind"]), **parts)
        for problem in problems_of([rule], known):
            raise PartRefused(problem, where, index)


def _write(client: Client, before: BlueprintItem | None, after: BlueprintItem, actor: str) -> None:
    for name in ("name", *WORDS, *SWITCHES):
        setattr(client, name, after[name])
    client.save()
    if before is None:
        clients.set_default_mapping(client)
    for name, resource in MAPPINGS.items():
        if before is None or before[name] != after[name]:
            client.mappings.filter(resource=resource).delete()
            ClientMapping.objects.bulk_create(
                ClientMapping(client=client, resource=resource, position=position, **row)
                for position, row in enumerate(after[name])
            )
    held = before["tokens"] if before else {}
    for label, secret in after["tokens"].items():
        if held.get(label) == secret:
            continue
        if (
            taken := client.tokens.model.objects.filter(digest__in=digests(secret.get_secret_value()))
            .select_related("client")
            .first()
        ):
            raise PartRefused(f"This token is one of {taken.client} already, or was revoked.", "tokens", label)
        for token in client.tokens.filter(label=label, revoked_at__isnull=True):
            tokens.revoke(token, actor)
        tokens.keep(client, secret.get_secret_value(), actor, label)

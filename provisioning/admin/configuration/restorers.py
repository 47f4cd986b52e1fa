"""How directories, attributes, rules, products, receivers of events and settings are put back."""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict

from directories.connectors import connector_class
from directories.forms.connection import leads_elsewhere
from directories.models import WEEKDAYS, Directory, ProvisioningSettings
from provisioning import second_person
from provisioning.admin.configuration.put_back import Restorer, register
from provisioning.admin.contracts.settings import Arrangement, arrangement, save_arrangement
from provisioning.admin.requests import form
from provisioning.admin.rules import builder
from provisioning.blueprints import receivers, rules, state, writing
from provisioning.blueprints.state import BlueprintItem
from provisioning.blueprints.writing import PartRefused, WrittenPart
from provisioning.events.models import Subscription
from provisioning.events.subscriptions import shown_address
from provisioning.guard import door_limits
from provisioning.models import AttributeDefinition
from provisioning.notices import leavers
from provisioning.notices.models import ManagerMails
from provisioning.requests import catalogue, products
from provisioning.requests.models import Product
from provisioning.rules import fields
from provisioning.rules.conditions import from_json, parse, problems
from provisioning.rules.preview import count
from reports.versions import State

GONE = "It was deleted. Add it anew."
ELSEWHERE = (
    "Its connection led elsewhere then, and stored secrets are not sent there by themselves. Change the connection on "
    "its page, where they are typed again; after that the rest can be put back."
)
OTHER_KIND = "It was of the kind {then} then and is {now} now. Move it back first, or change it on its page."
DEFAULT = "Which directory is the default one stays as it is."
TOKENS = "Tokens stay as they are now: what was withdrawn stays so."
ADDRESS = "The address stays as it is now ({now}; then {then}): the rest of it may be a key and is not kept."
PICTURE = "The picture stays as it is now."


def number_of(text: str) -> int:
    """Return the number of a thing; history of before there were numbers goes by names, which lead nowhere now."""
    if not text.isdecimal():
        raise PartRefused(GONE)
    return int(text)


# --- directories -----------------------------------------------------------------------------------------------------


def directory_item(number: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return a directory as it was, but for its secrets, its tokens and that it is the default one."""
    directory = Directory.objects.filter(pk=number_of(number)).first()
    if directory is None:
        raise PartRefused(GONE)
    now = state.load_directory(directory)
    if then["kind"] != now["kind"]:
        raise PartRefused(OTHER_KIND.format(then=then["kind"], now=now["kind"]))
    settings = state.settings_of(now["kind"], then["settings"])
    secret = now["secrets"] or now["provisioning"][state.FIXED_PASSWORD]
    if secret and leads_elsewhere(connector_class(now["kind"]), now["settings"], settings):
        raise PartRefused(ELSEWHERE)
    if then.get("default", now["default"]) != now["default"]:
        kept.append(DEFAULT)
    if then.get(state.TOKENS) != state.for_evidence(directory).get(state.TOKENS):
        kept.append(TOKENS)
    provisioning = dict(now["provisioning"])
    provisioning |= {
        name: value
        for name, value in then["provisioning"].items()
        if name in provisioning and name != state.FIXED_PASSWORD
    }
    _check_columns(provisioning)
    return {
        "id": directory.pk,
        "name": then["name"],
        "kind": now["kind"],
        "description": then["description"],
        "enabled": then["enabled"],
        "settings": settings,
        "templates": {operation: list(lines) for operation, lines in then["templates"].items() if lines},
        "mapping": [dict(row) for row in then["mapping"]],
        "provisioning": provisioning,
    }


def _check_columns(provisioning: BlueprintItem) -> None:
    """Refuse settings that the columns do not take any more."""
    weekday = provisioning["schedule_weekday"]
    number = None if weekday is None else [day.lower() for day in WEEKDAYS].index(weekday)
    plain = {**provisioning, "schedule_weekday": number, state.FIXED_PASSWORD: ""}
    try:
        ProvisioningSettings(**plain).clean_fields(exclude=["directory", state.FIXED_PASSWORD])
    except ValidationError as error:
        words = "; ".join(f"{name.replace('_', ' ')}: {' '.join(said)}" for name, said in error.message_dict.items())
        raise PartRefused(f"Features: {words}") from None


# --- attributes and receivers ----------------------------------------------------------------------------------------


def attribute_item(name: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return an attribute as it was."""
    definition = AttributeDefinition.objects.filter(name=name).first()
    if definition is None:
        raise PartRefused(GONE)
    return {key: then.get(key, value) for key, value in state.of_attribute(definition).items()}


def receiver_item(number: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return a receiver of events as it was, but for its address and secrets."""
    held = Subscription.objects.filter(pk=number_of(number)).first()
    if held is None:
        raise PartRefused(GONE)
    now = shown_address(held.url)
    if then["url"][0] != now:
        kept.append(ADDRESS.format(now=now, then=then["url"][0]))
    return {"id": held.pk, "name": then["name"], **{name: then[name] for name in receivers.PLAIN}}


# --- rules and products ----------------------------------------------------------------------------------------------


def rule_item(number: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return a rule as it was."""
    names = ("name", "category", *rules.NUMBERS, "condition", "published", "accounts", "groups")
    return {
        "id": number_of(number),
        **{name: then[name] for name in names},
        "values": state.without_nulls(then["values"]),
    }


def people_of_rule(before: BlueprintItem, after: BlueprintItem) -> Iterator[str]:
    """Say for how many people it holds, and held."""
    known, numbers = fields.known(), []
    for item in (before, after):
        try:
            node = (
                from_json(item["condition"]) if isinstance(item["condition"], dict) else parse(item["condition"], known)
            )
        except (KeyError, ValueError):
            return
        if problems(node, known):
            return
        window = (item["days_before"], item["days_after"])
        numbers.append(count(node, window, known, examples=0).number if item["published"] else 0)
    yield "It holds for {:,} people now, and would for {:,}. The guard looks at what that takes away.".format(*numbers)


def product_item(number: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return a product as it was, but for its picture."""
    product = Product.objects.select_related("rule", "owner").filter(pk=number_of(number), rule__retired=False).first()
    if product is None:
        raise PartRefused(GONE)
    now = products.described(product)
    item = {name: then[name] for name in now if name != "picture"} | {"values": state.without_nulls(then["values"])}
    if then.get("picture") != now["picture"]:
        kept.append(PICTURE)
    return {"id": product.pk, **item}


def write_product(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Write a product by its form, which knows what is wrong with it."""
    product = Product.objects.select_related("rule", "owner").get(pk=wanted.pop("id"))
    before, known = products.described(product), fields.known()
    after = {**before, **wanted}
    if before == after:
        return WrittenPart("product", before, after)
    condition = after["condition"]
    try:
        node = from_json(condition) if isinstance(condition, dict) else parse(condition, known)
    except ValueError as error:
        raise PartRefused(str(error), "condition") from None
    if wrong := problems(node, known):
        raise PartRefused(" ".join(wrong), "condition")
    draft, errors = form.draft(_as_sent(after), product, builder.rows_of(node, known), known)
    gone = sorted(set(after["accounts"]) - set(Directory.objects.values_list("name", flat=True)))
    errors += [f"There is no directory named {name}." for name in gone]
    if errors:
        raise PartRefused(" ".join(errors))
    products.save(product, draft, actor)
    product.refresh_from_db()
    return WrittenPart("product", before, products.described(product))


def _as_sent(item: BlueprintItem) -> HttpRequest:
    """Return a product as its page would send it."""
    request, data = HttpRequest(), QueryDict(mutable=True)
    plain = ("name", "category", "text", "risk", "owner", "department", "audience")
    data.update({name: item[name] for name in plain})
    data.update({"position": str(item["order"])} | {name: str(item[name] or "") for name in ("days", "most")})
    data.update({name: "on" for name in form.BOXES if item[name]})
    data.update({name: "\n".join(item[name]) for name in ("seen_by", "groups")})
    numbers = Directory.objects.filter(name__in=item["accounts"]).values_list("pk", flat=True)
    data.setlist("directories", [str(pk) for pk in numbers])
    data.setlist("attribute", list(item["values"]))
    data.setlist("value", [str(value) for value in item["values"].values()])
    for step in item["steps"]:
        who = step["person"] or step["group"] or step["condition"]
        for name, value in {
            "kind": step["kind"],
            "who": who,
            "remind": step["remind"],
            "raise": step["escalate"],
        }.items():
            data.appendlist(f"step_{name}", str(value))
    for one in item["fields"]:
        required = "yes" if one.get("required") else ""
        sent = {"label": one["label"], "kind": one["kind"], "choices": "; ".join(one.get("choices", ()))}
        for name, value in {**sent, "required": required}.items():
            data.appendlist(f"field_{name}", value)
    request.POST = data
    return request


def people_of_product(before: BlueprintItem, after: BlueprintItem) -> Iterator[str]:
    """Say who has it: what it gives changes for them."""
    product = Product.objects.get(rule__name=after["name"])
    number = catalogue.given([product]).get(product.pk, 0)
    has = "person has" if number == 1 else "people have"
    yield f"{number:,} {has} it. What it gives then, they get within a minute."


# --- settings --------------------------------------------------------------------------------------------------------


def limits_item(_: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return the guard limits as they were."""
    return {"name": "", **{name: then[name] for pair in door_limits.FIELDS.values() for name in pair}}


def write_limits(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Write the guard limits; what a second person has to agree to is refused."""
    now = door_limits.stored()
    names = [name for pair in door_limits.FIELDS.values() for name in pair]
    before, after = {name: getattr(now, name) for name in names}, {name: wanted[name] for name in names}
    if before == after:
        return WrittenPart("settings", before, after)
    for name, value in after.items():
        setattr(now, name, value)
    if second_person.loosened_doors(door_limits.stored(), now):
        raise PartRefused("Four eyes are asked for here: ask for this on the page Guard limits, where another agrees.")
    door_limits.save(now, actor)
    return WrittenPart("settings", before, after)


def order_item(_: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return the order of contracts, and what follows the primary one, as it was."""
    return {"name": "", "order": then["order"], "follows": state.without_nulls(then["follows"])}


def write_order(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Write the order of contracts; what is no field any more is refused."""
    before, after = arrangement().described(), {"order": wanted["order"], "follows": wanted["follows"]}
    if before != after:
        held = Arrangement([(str(name), bool(descending)) for name, descending in after["order"]], after["follows"])
        if gone := held.unknown():
            raise PartRefused(f"There is no {', '.join(gone)} any more. Arrange the order on its page.")
        save_arrangement(held, actor)
    return WrittenPart("settings", before, after)


def mails_item(_: str, then: State, kept: list[str]) -> BlueprintItem:
    """Return whether managers were told."""
    return {"name": "", "on": then["on"]}


def write_mails(wanted: BlueprintItem, actor: str) -> WrittenPart:
    """Switch the mails to managers."""
    held = ManagerMails.objects.filter(pk=ManagerMails.ONE, on=True).exists()
    if held != wanted["on"]:
        leavers.switch(actor, on=wanted["on"])
    return WrittenPart("settings", {"on": held}, {"on": wanted["on"]})


register("directory ", Restorer(directory_item, writing.write_directory))
register("attribute ", Restorer(attribute_item, writing.write_attribute))
register("subscription ", Restorer(receiver_item, receivers.write))
register("business rule ", Restorer(rule_item, rules.write, people_of_rule))
register("self-service product ", Restorer(product_item, write_product, people_of_product))
register("limits of other doors", Restorer(limits_item, write_limits))
register("order of contracts", Restorer(order_item, write_order))
register("manager mails", Restorer(mails_item, write_mails))

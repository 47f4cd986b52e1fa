"""What a gateway says of one of its directories, so that the portal knows it without its settings.

It is the part of the protocol that is no call: what the directory can do and how it wants to be treated. A gateway
makes it of its connector; the portal believes no more of it than that its parts have the right types.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from directories.connectors.base import Capability, Connector, ConnectorError, Entry
from directories.connectors.gateway.codec import Malformed, codec

LONGEST_PATIENCE = 4000.0  # seconds that a gateway may ask for: the time-outs of a database, at most 3,900, fit in
NEVER_SAID = (
    "No machine of this gateway has said yet what the directory can do. Start the gateway, and test the connection."
)


@dataclass(frozen=True, slots=True)
class Description:
    """One directory of a gateway. ``lacking`` is why a capability is missing; the rest is as in ``Connector``.

    ``containers``: whether ``wanted_container`` may say something. ``reads_as`` stands for everything in the gateway's
    file that decides what an import sees, without telling any of it.
    """

    kind: str = ""
    label: str = ""
    lacking: Mapping[str, str] = field(default_factory=dict)
    patience: float = 30.0
    attributes_word: str = "attributes"
    key_source: str = ""
    look_up_hint: str = Connector.look_up_hint
    delete_hint: str = Connector.delete_hint
    deletion_is_final: str = ""
    update_names: Sequence[str] = ()
    kept_by_server: Sequence[str] = ()
    manager_names: Sequence[str] = ()
    clear_passwords: bool = False
    nested_groups: bool = False
    describes_groups: bool = True
    members_at_once: int = Connector.members_at_once
    required: Sequence[str] = ()
    creates_with_password: bool = True
    keeps_deleted: bool = False
    containers: bool = False
    adopts: bool = False
    cautions: Sequence[str] = ()
    trials: Sequence[str] = ()
    reads_as: str = ""

    def lacks(self, capability: Capability) -> str:
        """Return why it cannot do that, "" when it can."""
        return self.lacking.get(capability.value, "")


UNKNOWN = Description(lacking={capability.value: NEVER_SAID for capability in Capability})


def describe(connector: Connector, *, lacking: Mapping[Capability, str], reads_as: str) -> Description:
    """Return the description of an open directory; nothing in it is a setting or a secret."""
    names: Sequence[str] = ()
    with suppress(ConnectorError):
        names = sorted(connector.update_names)
    return Description(
        kind=connector.kind,
        label=connector.label,
        lacking={capability.value: words for capability, words in lacking.items() if words},
        patience=min(connector.patience, LONGEST_PATIENCE),
        attributes_word=connector.attributes_word,
        key_source=connector.key_source,
        look_up_hint=connector.look_up_hint,
        delete_hint=connector.delete_hint,
        deletion_is_final=connector.deletion_is_final,
        update_names=names,
        kept_by_server=sorted(connector.kept_by_server),
        manager_names=sorted(connector.manager_names),
        clear_passwords=connector.clear_passwords,
        nested_groups=connector.nested_groups,
        describes_groups=connector.describes_groups,
        members_at_once=connector.members_at_once,
        required=list(connector.required(connector.config.settings)),
        creates_with_password=connector.creates_with_password,
        keeps_deleted=connector.keeps_deleted,
        containers=_has_containers(connector),
        adopts=type(connector).adopt is not Connector.adopt,
        cautions=list(connector.cautions(connector.config.settings)),
        trials=list(connector.trials(connector.config)),
        reads_as=reads_as,
    )


def _has_containers(connector: Connector) -> bool:
    """Return whether accounts may have to stand somewhere: a template that asks for a person's values says so."""
    nobody = Entry("nobody")
    try:
        return bool(connector.wanted_container(nobody) or connector.wanted_container(nobody, leaving=True))
    except ConnectorError:
        return True


def dump_description(description: Description) -> dict[str, Any]:
    """Return it as JSON."""
    return {name: codec(hint).encode(getattr(description, name)) for name, hint in get_type_hints(Description).items()}


def load_description(data: Any) -> Description:
    """Return the description; raise Malformed. What a newer or older gateway says otherwise has its default."""
    if type(data) is not dict:
        raise Malformed
    hints = get_type_hints(Description)
    found = {name: codec(hints[name]).decode(value) for name, value in data.items() if name in hints}
    description = Description(**found)
    if not 0 < description.patience <= LONGEST_PATIENCE:
        raise Malformed
    if not 0 < description.members_at_once <= Connector.members_at_once:
        raise Malformed
    return description

"""What rules ask of people, read a page at a time: a fixed number of queries, whatever their number.

"In the group" asks for memberships that people decided: those that rules alone gave do not count, so that no rule hangs
on what another one gives.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioning.contracts import tree
from provisioning.contracts.days import Term
from provisioning.contracts.derive import basis, contracts_of, zone_of
from provisioning.contracts.models import Contract
from provisioning.models import Membership, User
from provisioning.rules import fields
from provisioning.rules.conditions import CONTRACT, GROUPS, Facts, FieldKind, comparable
from provisioning.rules.matching import PersonFacts
from provisioning.rules.models import EntitlementKind, Granted


@dataclass(frozen=True, slots=True)
class RuledPerson:
    """One person: as stored, with their contracts, and as rules see them."""

    user: User
    contracts: Sequence[Contract]
    facts: PersonFacts


class People:
    """Reads people for rules that ask for certain fields; ``groups`` are those that they name, None for any."""

    def __init__(self, kinds: Mapping[str, FieldKind], groups: Collection[int] | None) -> None:
        self.known = basis()
        self.kinds, self.groups = kinds, groups
        attributes = fields.attributes_by_name()
        parents = self.known.parents
        branches = {pk: frozenset(tree.upwards(pk, parents)) for pk in parents}
        self.of_user, self.of_contract = [], []
        for key, kind in kinds.items():
            if key.startswith(f"{CONTRACT}."):
                self.of_contract.append((key, kind, fields.reader_of_contract(key, branches)))
            elif key != GROUPS:
                self.of_user.append((key, kind, fields.reader_of_user(key, attributes)))

    def read(self, users: Sequence[User]) -> list[RuledPerson]:
        """Return people in the order of the users: three queries, and two more where rules ask for groups."""
        ids = [user.pk for user in users]
        contracts = contracts_of(ids)
        groups = self._groups(ids) if GROUPS in self.kinds else {}
        return [self._person(user, contracts.get(user.pk, []), groups.get(user.pk, frozenset())) for user in users]

    def _person(self, user: User, held: Sequence[tuple[Contract, str]], groups: frozenset[int]) -> RuledPerson:
        values: dict[str, Any] = {key: comparable(read(user), kind) for key, kind, read in self.of_user}
        values[GROUPS] = groups
        contracts = [contract for contract, _ in held]
        facts: list[Facts] = [
            {key: comparable(read(contract), kind) for key, kind, read in self.of_contract} for contract in contracts
        ]
        terms = [
            Term(contract.starts, contract.ends, zone_of(user, contract, source, self.known).name)
            for contract, source in held
        ]
        return RuledPerson(user, contracts, PersonFacts(user.pk, user.is_active, values, facts, terms))

    def _groups(self, ids: Sequence[int]) -> dict[int, frozenset[int]]:
        rows = Membership.objects.filter(user__in=ids)
        if self.groups is not None:
            rows = rows.filter(group__in=self.groups)
        given = Granted.objects.filter(user__in=ids, entitlement__kind=EntitlementKind.GROUP, before={})
        by_rules = set(given.values_list("user_id", "entitlement__group_id"))
        found: dict[int, set[int]] = defaultdict(set)
        for user, group in rows.values_list("user_id", "group_id"):
            if (user, group) not in by_rules:
                found[user].add(group)
        return {user: frozenset(held) for user, held in found.items()}

"""``/api/v1/contracts``: those of sources are read, and those that the portal keeps are written as on their page."""

from typing import Any, ClassVar

from django.db import transaction
from django.forms import modelform_factory
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from provisioning import services
from provisioning.admin.contracts.admin import ContractForm
from provisioning.api import schema
from provisioning.api.access import actor_of
from provisioning.api.filters import fields_of
from provisioning.api.resources import ApiList, ApiSingle, repeatable
from provisioning.contracts import services as contracts
from provisioning.contracts.models import Contract
from provisioning.tokens import families

WRITTEN = (
    *("user", "external_id", "starts", "ends", "type", "fte", "hours", "percentage", "sequence", "employer"),
    *("department", "title", "team", "location", "cost_centre", "division", "manager"),
)
FIELDS = ("id", "account", *WRITTEN, "manager_ref", "custom")
OF_SOURCE = "This contract comes from a source, which decides what is in it. Change it there."
WHOSE = "Whose a contract is cannot be changed. Add another one."


class ContractSerializer(serializers.ModelSerializer[Contract]):
    """A contract as it is sent, and what may be sent of one that the portal keeps."""

    class Meta:
        model = Contract
        fields = FIELDS
        read_only_fields = ("id", "account", "manager_ref", "custom")
        validators: ClassVar[list[Any]] = []
        extra_kwargs: ClassVar[dict[str, Any]] = {"user": {"allow_null": False, "required": True}}


class OfContracts:
    """What the list and the single contract share."""

    model: ClassVar[Any] = Contract
    family = families.CONTRACTS
    serializer_class: ClassVar[Any] = ContractSerializer


@extend_schema(tags=["contracts"])
class ApiContracts(OfContracts, ApiList):
    """All contracts."""

    fields = fields_of(Contract, FIELDS)

    @schema.listing("list_contracts", ContractSerializer)
    def get(self, request: Request, **within: Any) -> Response:
        """List contracts, in the order of their ids."""
        return super().get(request, **within)

    @schema.writing("create_contract", ContractSerializer, status=201)
    @repeatable
    def post(self, request: Request) -> Response:
        """Add a contract that the portal keeps; what follows from it comes at once."""
        with transaction.atomic():
            made = _save(request, Contract(), partial=False)
        return self.answer(made, 201, Location=request.build_absolute_uri(f"{request.path}/{made.pk}"))


@extend_schema(tags=["contracts"])
class ApiContract(OfContracts, ApiSingle):
    """One contract."""

    @schema.reading("get_contract", ContractSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Show a contract."""
        return super().get(request, pk)

    @schema.writing("update_contract", ContractSerializer)
    @repeatable
    def patch(self, request: Request, pk: int) -> Response:
        """Change what is sent of a contract that the portal keeps, and leave the rest (RFC 7396)."""
        with transaction.atomic():
            _save(request, _ours(self.locked(request, pk)), partial=True)
        return self.answer(self.find(pk))

    @schema.deleting("delete_contract")
    @repeatable
    def delete(self, request: Request, pk: int) -> Response:
        """Delete a contract that the portal keeps: it counts as one that ended."""
        with transaction.atomic():
            _follow(contracts.delete_contracts([_ours(self.locked(request, pk))], actor_of(request)), request)
        return Response(status=204)


def _ours(contract: Contract) -> Contract:
    """Return the contract; raise PermissionDenied for one of a source."""
    if contract.account_id is not None:
        raise PermissionDenied(OF_SOURCE)
    return contract


def _save(request: Request, contract: Contract, *, partial: bool) -> Contract:
    """Save a contract with what was sent of it, as the admin's form reads it; raise ValidationError."""
    body = ContractSerializer(data=request.data, partial=partial)
    body.is_valid(raise_exception=True)
    given = dict(body.validated_data)
    if contract.pk and given.pop("user", contract.user) != contract.user:
        raise ValidationError({"user": [WHOSE]})
    names = WRITTEN[1:] if contract.pk else WRITTEN
    form_of = modelform_factory(Contract, form=ContractForm, fields=names)
    empty = form_of(instance=contract)
    data = {name: field.prepare_value(empty.get_initial_for_field(field, name)) for name, field in empty.fields.items()}
    form = form_of({**data, **{name: getattr(value, "pk", value) for name, value in given.items()}}, instance=contract)
    if not form.is_valid():
        raise ValidationError({name: [str(error) for error in errors] for name, errors in form.errors.items()})
    saved = form.save(commit=False)
    _follow(contracts.save_contract(saved, actor_of(request)), request)
    return saved


def _follow(people: set[int], request: Request) -> None:
    """After the transaction, let what follows from the contracts of these people come."""
    actor = actor_of(request)
    transaction.on_commit(lambda: services.settle_contracts(actor, only=people), robust=True)

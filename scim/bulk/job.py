"""Carries the operations of a bulk request out, one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from scim.bulk import references
from scim.bulk.operations import RESPONSE, BulkOperation, OperationResult, read, refused, response
from scim.bulk.order import circles
from scim.errors import ScimError

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
Send = Callable[[BulkOperation], OperationResult]


class Job:
    """A bulk request. Each operation is a whole of its own: it happens or it does not, whatever the others do.

    ``send`` carries one out, in a transaction.
    """

    def __init__(self, body: Any, send: Send) -> None:
        self._operations, self._fail_on_errors = read(body)
        self._send = send
        self._answers: dict[int, OperationResult] = {}
        self._created: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """Return the BulkResponse, in the order of the request; it ends early after ``failOnErrors`` failures."""
        errors = 0
        for circle in circles(self._operations):
            if self._fail_on_errors is not None and errors >= self._fail_on_errors:
                break
            answers = self._alone(circle[0]) if len(circle) == 1 else self._together(circle)
            self._answers |= answers
            errors += sum(answer.failed for answer in answers.values())
        done = [response(self._operations[index], self._answers[index]) for index in sorted(self._answers)]
        return {"schemas": [RESPONSE], "Operations": done}

    def _alone(self, index: int) -> dict[int, OperationResult]:
        operation = self._operations[index]
        if operation.error:
            return {index: refused(operation.error)}
        if operation.creates and operation.bulk_id in references.references(operation):
            return self._together([index])
        return {index: self._do(operation)}

    def _together(self, circle: Sequence[int]) -> dict[int, OperationResult]:
        """Create without the references to each other, then add those; roll everything back when one fails."""
        names = {self._operations[index].bulk_id for index in circle}
        answers: dict[int, OperationResult] = {}
        later: dict[int, list[dict[str, Any]]] = {}
        index = circle[0]
        try:
            with transaction.atomic():
                for index in circle:
                    bare, later[index] = references.without(self._operations[index], names)
                    answers[index] = _sure(self._do(bare))
                for index in circle:
                    answers[index] = self._complete(self._operations[index], answers[index], later[index])
        except _Failed as failure:
            for name in names:
                self._created.pop(name, None)
            others = refused(ScimError(409, "An operation that this one refers to in a circle failed."))
            return {each: failure.answer if each == index else others for each in circle}
        return answers

    def _complete(
        self, operation: BulkOperation, made: OperationResult, later: list[dict[str, Any]]
    ) -> OperationResult:
        if not later:
            return made
        path = f"{operation.path.rstrip('/')}/{made.id}"
        answer = _sure(self._do(BulkOperation("PATCH", path, {"schemas": [PATCH], "Operations": later})))
        return OperationResult(made.status, made.location, answer.version or made.version, made.body, made.id)

    def _do(self, operation: BulkOperation) -> OperationResult:
        try:
            answer = self._send(references.resolved(operation, self._created))
        except ScimError as error:
            return refused(error)
        if operation.creates and not answer.failed:
            self._created[operation.bulk_id] = answer.id
        return answer


class _Failed(Exception):
    """Takes a circle's transaction back."""

    def __init__(self, answer: OperationResult) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _sure(answer: OperationResult) -> OperationResult:
    if answer.failed:
        raise _Failed(answer)
    return answer

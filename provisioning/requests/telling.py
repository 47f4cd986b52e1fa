"""The report's lines of requests."""

from provisioning.requests.models import ProductRequest
from provisioning.rules.models import Holding
from reports.journal import Line
from reports.models import Direction, Operation, Result


def line_of_holding(held: Holding, words: str, actor: str = "") -> Line:
    """Return a line about what somebody was given, when it ends."""
    return Line(
        identifier=held.user.username,
        application="",
        direction=Direction.PORTAL,
        operation=Operation.UPDATE,
        result=Result.SUCCESS,
        message=f"{held.rule.name} for {held.user}: {words}",
        actor=actor,
        user_id=held.user_id,
    )


def line(request: ProductRequest, words: str, actor: str = "", *, waits: bool = False, failed: bool = False) -> Line:
    """Return a line about the person that a request is for."""
    result = Result.FAILED if failed else Result.WAITING if waits else Result.SUCCESS
    person = request.person
    return Line(
        identifier=person.username if person else request.person_name,
        application="",
        direction=Direction.PORTAL,
        operation=Operation.UPDATE,
        result=result,
        message=words,
        actor=actor,
        user_id=request.person_id,
    )

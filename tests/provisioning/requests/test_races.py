"""What two people do at the same moment, on a database with real commits."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from provisioning.models import User
from provisioning.requests import services
from provisioning.requests.models import ApproverKind, ProductRequest, RequestState
from provisioning.requests.products import StepDraft
from provisioning.requests.services import AskRefused
from provisioning.rules.models import Holding
from reports.models import Event
from tests.provisioning.requests.conftest import ask, group, person, product, step_of

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*done: Callable[[], object]) -> list[str]:
    """Do things at the same moment, and return why each was refused, "" where it was not."""
    start = threading.Barrier(len(done))
    said = [""] * len(done)

    def run(place: int) -> None:
        start.wait()
        try:
            done[place]()
        except AskRefused as error:
            said[place] = str(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def decide(request: ProductRequest, user: User, *, approve: bool) -> Callable[[], object]:
    step = step_of(request).pk
    return lambda: services.decide(step, user, approve=approve, reason="No.")


@pytest.mark.heavy
def test_of_two_approvers_at_once_one_decides_and_a_number_is_not_passed() -> None:
    from provisioning import services as portal

    guards = group("Guards")
    one, two = person("one"), person("two")
    portal.add_members(guards, [one.pk, two.pk], "admin")
    ada, ben = person("ada"), person("ben")
    steps = [StepDraft(ApproverKind.GROUP, group=guards.pk)]
    request = ask(product("VPN", steps=steps), ada)
    said = at_once(decide(request, one, approve=True), decide(request, two, approve=False))
    assert sorted(bool(words) for words in said) == [False, True]
    assert any("decided already" in words for words in said)
    request.refresh_from_db()
    decided = step_of(request)
    assert (request.state == RequestState.GRANTED) == (decided.decided_by == one) == Holding.objects.exists()
    assert Event.objects.filter(message__regex="(approved|refused) step 1").count() == 1
    Holding.objects.all().delete()

    last = product("Licence", steps=steps, most=1)
    first, second = ask(last, ada), ask(last, ben)
    said = at_once(decide(first, one, approve=True), decide(second, two, approve=True))
    assert sorted(bool(words) for words in said) == [False, True]
    assert any("All 1 of Licence are given out" in words for words in said)
    assert Holding.objects.filter(rule=last.pk).count() == 1

    wanted = product("Once", steps=steps)
    made: list[int] = []
    asked = [lambda: made.append(len(services.ask(wanted, [ada], ada).made)) for _ in range(2)]
    at_once(*asked)
    assert sorted(made) == [0, 1]

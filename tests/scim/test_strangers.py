"""Wrong tokens: counted over all processes, told, and never in the way of a right one."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client as Browser

from config.signin import limits
from config.signin.limits import TryLimit
from reports.models import Event
from scim.access import strangers
from tests.scim.conftest import Scim

pytestmark = pytest.mark.django_db
ADDRESS = "127.0.0.1"


@pytest.fixture(autouse=True)
def three_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TOKENS", TryLimit(most=3, window=dt.timedelta(minutes=5)))


def another_process() -> None:
    """Forget what only this process knows."""
    strangers._paused.clear()


def wrong(scim: Scim) -> Any:
    return scim.get("/Users", Authorization="Bearer wrong")


def test_too_many_wrong_tokens(scim: Scim, django_assert_num_queries: Any) -> None:
    own = Scim(scim.client, "wrong", "/scim/okta/v2")
    statuses = [wrong(scim).status, own.get("/Users").status]
    another_process()
    statuses += [wrong(scim).status, wrong(scim).status]
    assert statuses == [401, 401, 401, 429]
    another_process()
    answer = wrong(scim)
    assert (answer.status, answer.json["status"]) == (429, "429")
    assert answer.json["detail"] == "Too many tokens that are not known. Try again in 5 minutes."
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    with django_assert_num_queries(1):  # the look-up of the token
        assert wrong(scim).status == 429
    assert scim.get("/Users").status == 200, "a right token opens the door whatever was counted"


def test_wrong_tokens_are_told_once_a_window(scim: Scim) -> None:
    Scim(scim.client, "wrong-secret-7", "/scim/okta/v2").get("/Users")
    for _ in range(4):
        wrong(scim)
    told = list(Event.objects.order_by("id").values_list("message", "application", "operation", "result"))
    assert told == [
        (f"3 times: wrong token of a SCIM application from {ADDRESS}.", "Okta", "sign_in", "failed"),
        (f"Too many: no token of a SCIM application from {ADDRESS} for 5 minutes.", "", "sign_in", "failed"),
    ]


def test_a_request_without_a_token_is_no_wrong_one(scim: Scim) -> None:
    for _ in range(5):
        assert scim.get("/Users", Authorization="").status == 401
    assert not Event.objects.exists()


def test_wrong_client_secrets_count_with_the_tokens(scim: Scim) -> None:
    type(scim.client).objects.update(allow_oauth=True)
    sent = {"grant_type": "client_credentials", "client_id": scim.client.slug}
    wrong(scim)
    answers = [Browser().post("/scim/token", sent | {"client_secret": f"wrong-{n}"}) for n in range(3)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert all(answer.status_code in {400, 401} for answer in answers[:-1])
    assert answers[-1].json()["error"] == "invalid_client"
    assert int(answers[-1]["Retry-After"]) > 0
    assert Browser().post("/scim/token", sent | {"client_secret": scim.token}).status_code == 200


def test_the_live_log_has_the_client_s_own_address(scim: Scim, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    scim.get("/Users", X_Forwarded_For="10.9.9.9, 203.0.113.9")
    assert scim.client.requests.get().address == "203.0.113.9"

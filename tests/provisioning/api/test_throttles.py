"""The limits of the API hold over all web processes: two real ones count together, and lose no request."""

import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from config.signin import counting
from config.signin.models import Tries
from provisioning.api.access import PerToken
from provisioning.roles import IT_STAFF
from provisioning.tokens.models import ApiToken
from tests import servers
from tests.fixtures.portal import Portal
from tests.provisioning.admin import roll
from tests.provisioning.api.conftest import personal

LEFT = 7


@pytest.mark.heavy
def test_two_web_processes_count_the_requests_of_a_token_together(portal: Portal) -> None:
    secret = personal(roll.staff(IT_STAFF, "ida")).secret
    portal.web()
    addresses = [portal.url]
    portal.port = servers.free_port()
    portal.url = f"http://127.0.0.1:{portal.port}"
    portal.web()
    addresses.append(portal.url)

    def ask(number: int) -> tuple[str, int, int]:
        address = addresses[number % 2]
        request = urllib.request.Request(f"{address}/api/v1/users", headers={"Authorization": f"Bearer {secret}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return address, int(answer.status), 0
        except urllib.error.HTTPError as error:
            return address, error.code, int(error.headers.get("Retry-After", 0))

    assert {ask(number)[1] for number in range(2)} == {200}
    most, _ = PerToken().parse_rate(PerToken().get_rate())
    assert most is not None
    key = counting.key("requests", f"throttle_api-token_token {ApiToken.objects.get().pk}")
    assert Tries.objects.filter(key=key, number=2).update(number=most - LEFT, since=timezone.now()) == 1
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(24)))
    assert Counter(status for _, status, _ in found) == {200: LEFT, 429: 24 - LEFT}
    refused = [(address, left) for address, status, left in found if status == 429]
    assert {address for address, _ in refused} == set(addresses)
    assert all(0 < left <= 60 for _, left in refused)

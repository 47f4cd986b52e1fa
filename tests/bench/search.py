"""The search box at any number of people: how long the texts take to write, and how long each kind of search takes.

Searches go through the page that the box asks, over PostgreSQL, as IT staff's. Steps run in processes of their own:
``python -m tests.bench.search STEP ...``.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator

import django

from tests.bench.steps import measured, percentile, run_step

ROUNDS = 20
FILL = """
WITH names AS (
    SELECT ARRAY['Mary','Anna','Zoë','Väinö','José','Liam','Noah','Emma','Mia','Sofía','Łukasz','Peter','Jürgen','Olga',
                 'Yuki','Chen','Aisha','Omar','Fatma','Ivan','Marta','Paul','Laura','Nils','Ingrid'] AS first,
           ARRAY['Smith','Müller','Brown','García','Novák','Jensen','Rossi','Silva','Kim','Øberg','Weber','Aaltonen',
                 'Dubois','Horváth','Kowalski','Lang','Berg','Stone','Fischer','Sato'] AS last
), people AS (
    SELECT n, first[1 + n %% 25] AS first, last[1 + n / 25 %% 20] || CASE WHEN n %% 3 = 0 THEN ''
        ELSE '-' || substr(md5((n %% 40000)::text), 1, 5) END AS last FROM generate_series(1, %(count)s) AS n, names
)
INSERT INTO provisioning_user (password, is_superuser, is_staff, is_active, provisioned, username, username_key,
    email, email_key, first_name, first_name_key, last_name, last_name_key, display_name, phone, mobile, title,
    department, division, organization, cost_center, employee_number, employee_type, street_address, locality,
    region, postal_code, country, locale, time_zone, custom_profile, custom_attributes, scim_id, created_at,
    updated_at)
SELECT '!', false, false, true, true, 'u' || n || lower(left(first, 2)), 'u' || n || lower(left(first, 2)),
    n || '.' || lower(last) || '@example.org', n || '.' || lower(last) || '@example.org', first, lower(first), last,
    lower(last), first || ' ' || last, '+49 30 ' || 1000000 + n, '', '', 'Department ' || n %% 300, '', '', '',
    'E' || n, '', '', '', '', '', '', '', '', '{}', '{}', gen_random_uuid(), now(),
    now() - n %% 1000 * interval '1 second'
FROM people
"""
SEARCHES = {
    "a user name": ["u{n}", "U{n}an"],
    "an e-mail address": ["{n}.smith@example.org", "{n}.bro"],
    "an employee number": ["E{n}", "e{n}"],
    "a telephone number, in four spellings": ["+49 30 {phone}", "030/{phone}", "0049 (0)30 {phone}", "{phone}"],
    "a full name": ["mary smith", "zoe muller", "Jürgen Dubois", "vaino berg"],
    "a name that many have": ["smith", "anna", "muller"],
    "the middle of a name": ["owals", "alton", "ischer"],
    "beginnings of two words": ["ma br", "an sm", "lu ko"],
    "one or two letters": ["a", "an", "z"],
    "a common and a rare word": ["anna {n}", "smith u{n}"],
    "nobody": ["qqqzzz", "mary qqqzzz"],
    "a page": ["guard limits", "directories"],
}


def measured_in(variables: dict[str, str], count: int) -> Iterator[tuple[str, ...]]:
    """Fill the portal, write the texts, and search."""

    def step(*words: str) -> dict[str, float]:
        return run_step(variables, "tests.bench.search", *words)

    step("fill", str(count))
    found = step("write")
    figures = f"{found['seconds']:.0f} s, {count / found['seconds']:,.0f} people/s, the index made at the end"
    yield (f"The texts of {count:,} people", figures, "", f"{found['memory']:.0f} MiB")
    found = step("change", str(max(1, count // 100)))
    figures = f"{found['rows'] / found['seconds']:,.0f} people/s"
    yield ("The texts of the 1 % who changed", figures, "", f"{found['memory']:.0f} MiB")
    for name in SEARCHES:
        found = step("search", name, str(count))
        figures = f"median {found['median']:.0f} ms, slowest {found['slowest']:.0f} ms; to reach: 100 ms"
        yield (f"Search by {name}", figures, "", "")
    for name in ("a name that many have", "one or two letters", "a full name"):
        found = step("listed", name, str(count))
        figures = f"median {found['median']:.0f} ms, slowest {found['slowest']:.0f} ms"
        yield (f"The users list, searched by {name}", figures, "", "")


def fill(count: str) -> dict[str, float]:
    """Write people, and who searches."""
    from django.db import connection

    from provisioning.models import User

    with connection.cursor() as cursor:
        cursor.execute(FILL, {"count": int(count)})
        cursor.execute("VACUUM ANALYZE provisioning_user")
    User.objects.create_superuser("searcher")
    return {}


def write() -> dict[str, float]:
    """Write the texts of everybody, and make the index."""
    from django.db import connection

    result: dict[str, float] = {}
    with measured(result):
        _refresh()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE search_usertext")
    return result


def change(count: str) -> dict[str, float]:
    """Give some another name, and write their texts."""
    from django.utils import timezone

    from provisioning.models import User

    last = User.objects.order_by("-pk").values_list("pk", flat=True)[int(count)]
    rows = User.objects.filter(pk__gt=last).update(last_name="Changed", updated_at=timezone.now())
    result: dict[str, float] = {}
    with measured(result):
        _refresh()
    return {**result, "rows": rows}


def _refresh() -> None:
    from provisioning.search import index

    index.LONGEST = float("inf")
    index.refresh()


def search(name: str, count: str) -> dict[str, float]:
    """Search in one way, many times."""
    return _asked("/search/", name, count)


def listed(name: str, count: str) -> dict[str, float]:
    """Search the users list."""
    return _asked("/provisioning/user/", name, count)


def _asked(page: str, name: str, count: str) -> dict[str, float]:
    from django.test import Client

    from provisioning.models import User

    client = Client(headers={"X-Requested-With": "fetch"}, SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="searcher"))
    client.get(page, {"q": "warm"})
    times = []
    for place in range(ROUNDS):
        number = 1 + (place * 7919 + 12345) % int(count)
        phone = 1000000 + number
        for text in SEARCHES[name]:
            begun = time.perf_counter()
            answer = client.get(page, {"q": text.format(n=number, phone=phone)})
            times.append((time.perf_counter() - begun) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{text}: {answer.status_code}")
    return {"median": statistics.median(times), "slowest": max(times), "most": percentile(sorted(times), 95)}


if __name__ == "__main__":
    django.setup()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))

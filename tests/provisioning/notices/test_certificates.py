"""Certificates that expire are told of 30, 7 and 1 day before; a server is asked once a day, and by no page."""

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from directories.models import Directory
from provisioning.notices import certificates, watch
from provisioning.notices.models import Certificates, Notice
from tests.fixtures.ldap import LdapDirectory, save_ldap_directory

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def authority(until: dt.timedelta) -> str:
    """Return an authority's certificate in PEM form that is valid for so long."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example CA")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now - 90 * DAY).not_valid_after(now + until)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def told() -> list[str]:
    """Look at the causes, and return what is open."""
    watch.watch()
    return list(Notice.objects.filter(closed_at=None).order_by("title").values_list("title", flat=True))


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["ldap_directory", "ad_directory"])
def test_the_certificate_of_a_real_server_is_seen(request: pytest.FixtureRequest, kind: str) -> None:
    unit: LdapDirectory = request.getfixturevalue(kind)
    directory = save_ldap_directory(unit)
    certificates.look_at_due()
    seen = Certificates.objects.get(directory=directory)
    assert seen.server_until is not None or directory.settings.get("encryption") == "none"


@pytest.mark.heavy
def test_each_stage_is_a_notice_of_its_own_and_a_new_certificate_ends_it() -> None:
    directory = Directory.objects.create(name="CRM", kind="memory")
    now = timezone.now()
    row = Certificates.objects.create(directory=directory, server_until=now + 31 * DAY)
    assert told() == []
    subjects = []
    for days in (30, 29, 7, 6, 1, 0.5, -1):
        Certificates.objects.update(server_until=now + days * DAY)
        (title,) = told()
        subjects.append(Notice.objects.get(closed_at=None).subject.rpartition(" ")[2])
    assert subjects == ["30", "30", "7", "7", "1", "1", "0"]
    assert title == f"The certificate of CRM's server expired on {timezone.localtime(now - DAY):%Y-%m-%d}"
    assert Notice.objects.get(closed_at=None).path == f"/directories/directory/{directory.pk}/change/"
    row.server_until = now + 300 * DAY
    row.save()
    assert told() == []


def test_the_first_authority_of_a_bundle_that_ends_counts() -> None:
    bundle = authority(900 * DAY) + authority(20 * DAY)
    Directory.objects.create(name="CRM", kind="memory", settings={"ca": bundle})
    Directory.objects.create(name="Off", kind="memory", settings={"ca": bundle}, enabled=False)
    Directory.objects.create(name="Nonsense", kind="memory", settings={"ca": "-----BEGIN CERTIFICATE-----"})
    certificates.look_at_due()
    (title,) = told()
    assert title.startswith("A certificate authority that CRM is trusted by expires on ")


def test_it_is_looked_at_once_a_day_and_the_last_one_seen_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from directories.connectors.memory import Memory

    Directory.objects.create(name="CRM", kind="memory")
    ends: list[Any] = [timezone.now() + 5 * DAY, None]
    monkeypatch.setattr(Memory, "certificate_until", lambda _: ends.pop(0))
    certificates.look_at_due()
    certificates.look_at_due()
    assert len(ends) == 1
    Certificates.objects.update(looked_at=timezone.now() - DAY)
    certificates.look_at_due()
    assert not ends
    assert len(told()) == 1


@pytest.mark.heavy
def test_no_page_asks_a_server(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory.objects.create(name="CRM", kind="memory")
    Certificates.objects.create(directory=directory, server_until=timezone.now() + DAY / 2)
    watch.watch()
    monkeypatch.setattr(certificates, "look", lambda _: pytest.fail("a page asked"))
    assert b"The certificate of CRM" in admin_client.get("/notices/notice/").content
    with CaptureQueriesContext(connection) as few:
        list(certificates.CERTIFICATES.find())
    for number in range(20):
        more = Directory.objects.create(name=f"D{number}", kind="memory")
        Certificates.objects.create(directory=more, server_until=timezone.now())
    with CaptureQueriesContext(connection) as many:
        assert len(list(certificates.CERTIFICATES.find())) == 21
    assert len(few) == len(many)

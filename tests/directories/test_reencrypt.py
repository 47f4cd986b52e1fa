"""Rotation of the encryption keys."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser

from directories import config
from directories.connectors.base import ConnectorError
from directories.encryption import SecretLost, clear, is_lost
from directories.models import Directory, ProvisioningSettings
from scim.authentication import digest, issue
from scim.models import Client, Token
from tests.provisioning.admin.pages import form_values

TABLE = {"host": "db", "user": "rollcall", "database": "APPSDB", "user_table": "users", "username_column": "name"}
OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))


def _run(**options: Any) -> str:
    out = StringIO()
    call_command("reencrypt", stdout=out, stderr=out, **options)
    return out.getvalue()


def _tokens() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM directories_directory ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def old_secrets(db: None, settings: Any) -> list[Directory]:
    settings.ENCRYPTION_KEYS = [OLD]
    made = [Directory.objects.create(name=f"D{n}", kind="sqlite", secrets={"password": f"ä{n}"}) for n in range(7)]
    ProvisioningSettings.objects.create(directory=made[0], fixed_password="fixed#")
    ProvisioningSettings.objects.create(directory=made[1], fixed_password=None)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    return made


def test_every_secret_comes_under_the_first_key(old_secrets: list[Directory], settings: Any) -> None:
    touched = old_secrets[0].updated_at
    with pytest.raises(CommandError, match="older keys"):
        _run(check=True)
    assert "directories, secrets: 7 re-encrypted" in _run(batch_size=3)
    settings.ENCRYPTION_KEYS = [NEW]
    assert [each.secrets["password"] for each in Directory.objects.order_by("pk")] == [f"ä{n}" for n in range(7)]
    assert ProvisioningSettings.objects.get(directory=old_secrets[0]).fixed_password == "fixed#"
    assert ProvisioningSettings.objects.get(directory=old_secrets[1]).fixed_password is None
    assert Directory.objects.get(pk=old_secrets[0].pk).updated_at == touched
    _run(check=True)


def test_a_second_run_writes_nothing(old_secrets: list[Directory]) -> None:
    _run()
    before = _tokens()
    assert "secrets: 0 re-encrypted" in _run()
    assert _tokens() == before


def test_it_goes_on_where_it_was_stopped(old_secrets: list[Directory], monkeypatch: pytest.MonkeyPatch) -> None:
    from directories.management.commands import reencrypt

    rotate, calls = reencrypt.rotate, []

    def stopped(token: str) -> str | None:
        calls.append(token)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return rotate(token)

    monkeypatch.setattr(reencrypt, "rotate", stopped)
    with pytest.raises(KeyboardInterrupt):
        _run(batch_size=2)
    monkeypatch.undo()
    assert "directories, secrets: 3 re-encrypted" in _run()


def test_a_secret_that_no_key_opens_is_named_and_the_others_are_done(
    old_secrets: list[Directory], settings: Any, capsys: Any
) -> None:
    settings.ENCRYPTION_KEYS = [FOREIGN]
    Directory.objects.filter(pk=old_secrets[3].pk).update(secrets={"password": "lost"})
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    err = StringIO()
    with pytest.raises(CommandError, match="1 secrets"):
        call_command("reencrypt", stdout=StringIO(), stderr=err)
    assert f"directory {old_secrets[3].pk}, secrets" in err.getvalue()
    settings.ENCRYPTION_KEYS = [NEW]
    others = Directory.objects.exclude(pk=old_secrets[3].pk)
    assert len([each.secrets for each in others]) == 6


def test_a_secret_saved_meanwhile_is_kept(old_secrets: list[Directory], monkeypatch: pytest.MonkeyPatch) -> None:
    from directories.management.commands import reencrypt

    rotate = reencrypt.rotate

    def someone_saves(token: str) -> str | None:
        Directory.objects.filter(pk=old_secrets[0].pk).update(secrets={"password": "newest"})
        return rotate(token)

    monkeypatch.setattr(reencrypt, "rotate", someone_saves)
    _run()
    assert Directory.objects.get(pk=old_secrets[0].pk).secrets == {"password": "newest"}


# --- Lost keys -------------------------------------------------------------------------------------------------------


@pytest.fixture
def lost(old_secrets: list[Directory], settings: Any) -> Directory:
    """A directory whose secrets no key opens any more."""
    settings.ENCRYPTION_KEYS = [NEW]
    return Directory.objects.select_related("provisioning").get(pk=old_secrets[0].pk)


def test_a_secret_is_decrypted_when_somebody_reads_it(lost: Directory) -> None:
    assert (lost.name, is_lost(lost, "secrets"), is_lost(lost.provisioning, "fixed_password")) == ("D0", True, True)
    with pytest.raises(SecretLost, match="ENCRYPTION_KEYS"):
        _ = lost.secrets
    with pytest.raises(ConnectorError, match="ENCRYPTION_KEYS"):
        config.load(lost.pk)


def test_what_no_key_opens_is_saved_as_it_was(lost: Directory) -> None:
    before = _tokens()
    lost.description = "Payroll"
    lost.save()
    Directory.objects.bulk_update([lost], ["name"])
    assert _tokens() == before


def test_a_secret_that_was_read_and_changed_is_saved(old_secrets: list[Directory]) -> None:
    directory = Directory.objects.get(pk=old_secrets[0].pk)
    directory.secrets["password"] = "another"
    directory.save()
    assert Directory.objects.get(pk=directory.pk).secrets == {"password": "another"}
    deferred = Directory.objects.defer("secrets").get(pk=directory.pk)
    assert deferred.secrets == {"password": "another"}
    assert clear(Directory.objects.values_list("secrets", flat=True).get(pk=directory.pk)) == {"password": "another"}


def test_a_token_that_no_key_opens_does_not_keep_the_others_from_following(db: None, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = [FOREIGN]
    application = Client.objects.create(name="Okta", slug="okta")
    Token.objects.create(client=application, digest="lost", secret="lost")
    settings.ENCRYPTION_KEYS = [OLD]
    kept, secret = issue(application)
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="1 secrets"):
        _run()
    kept.refresh_from_db(fields=["digest"])
    assert kept.digest == digest(secret)


@pytest.mark.heavy
def test_a_directory_whose_password_is_lost_takes_another(lost: Directory, admin_client: Browser) -> None:
    Directory.objects.filter(pk=lost.pk).update(kind="postgresql", settings=TABLE)
    page = f"/directories/directory/{lost.pk}/change/"
    values = form_values(admin_client.get(page)) | {"name": ["Payroll"]}
    before = _tokens()
    admin_client.post(page, values)
    assert Directory.objects.get(pk=lost.pk).name == "Payroll"
    assert _tokens() == before
    values = form_values(admin_client.get(page)) | {"connection-password": ["n3w"]}
    admin_client.post(page, values)
    found = Directory.objects.select_related("provisioning").get(pk=lost.pk)
    assert found.secrets == {"password": "n3w"}
    assert is_lost(found.provisioning, "fixed_password")


def test_copying_a_directory_whose_password_is_lost_says_what_to_do(lost: Directory, admin_client: Browser) -> None:
    admin_client.raise_request_exception = False
    response = admin_client.post(f"/directories/directory/{lost.pk}/clone/")
    assert response.status_code == 500
    assert "back into ENCRYPTION_KEYS" in response.content.decode()

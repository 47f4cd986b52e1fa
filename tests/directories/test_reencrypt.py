"""Rotation of the encryption keys."""

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from directories.models import Directory, ProvisioningSettings

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

"""The secrets of the portal: ``config.env`` refuses those that are missing or weak, here is what it cannot know."""

import stat
from collections.abc import Iterator

from config import env
from config.doctor.mistakes import Mistake, red, yellow
from directories.encryption import SecretLost, encrypted_fields, rotate, tokens

SAMPLE = 500  # of a field's values: as many of the oldest and of the newest


def env_file() -> Iterator[Mistake]:
    """The file of settings is its owner's, or its owner's and a group's to read."""
    if not env.env_file.is_file():
        return
    mode = env.env_file.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        yield red(
            f"Others on this machine can read or change the portal's secrets in {env.env_file}.",
            f"Run: chmod 600 {env.env_file}",
        )


def stored_secrets() -> Iterator[Mistake]:
    """What is stored can be decrypted, and needs no key but the first one."""
    lost, older = set[str](), False
    for model, name in encrypted_fields():
        rows = tokens(model, name)
        for some in (rows, rows.reverse()):
            for token in some.values_list("token", flat=True)[:SAMPLE]:
                try:
                    older |= rotate(token) is not None
                except SecretLost:
                    lost.add(str(model._meta.verbose_name_plural))
    if lost:
        yield red(
            f"Stored secrets cannot be decrypted with ENCRYPTION_KEYS ({', '.join(sorted(lost))}).",
            "Put the key that they were written with back into ENCRYPTION_KEYS, after the others. "
            "If it is lost, enter those secrets anew; manage.py reencrypt --check names them.",
        )
    if older:
        yield yellow("Some stored secrets still need an older key.", "Run: manage.py reencrypt")

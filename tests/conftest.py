"""The fixtures of every test; each module of ``tests/fixtures`` says what it offers."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from hypothesis import settings as properties

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.directories",
    "tests.fixtures.ldap",
    "tests.fixtures.browser",
    "tests.fixtures.portal",
]

# How long an example takes is no property of what is tested: the machine may be busy with other tests.
properties.register_profile("rollcall", properties.default, deadline=None)
properties.load_profile("rollcall")


def _restore_roles(sender: AppConfig, **_: object) -> None:
    from django.apps import apps

    from provisioning.roles import grant

    if sender.label == "portal":  # the last of the apps, so once
        grant(apps)


# A transactional test ends with a flush, which also takes what migrations wrote. Django calls this after each flush,
# for each app.
post_migrate.connect(_restore_roles, weak=False, dispatch_uid="roles of the tests")

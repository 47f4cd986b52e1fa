"""A SCIM application, which names managers by ids and people by names of its own, is compared."""

from collections.abc import Callable

import pytest

from directories import config
from directories.gateway.work import ConnectorWork
from directories.models import AttributeMapping, Directory
from provisioning.models import User
from tests.fixtures.gateways import HERE, Loopback, gateway_of
from tests.fixtures.scim_server import ScimServer
from tests.provisioning.reconciliation.conftest import delivered, found, reconciled
from tests.provisioning.test_scim_applications import MANAGER, make_user, save_application

pytestmark = pytest.mark.django_db


@pytest.mark.heavy
@pytest.mark.parametrize("behind_gateway", [False, True])
def test_a_manager_is_in_step_whatever_the_application_calls_them(
    scim_server: ScimServer, carried: Callable[[ConnectorWork], Loopback], *, behind_gateway: bool
) -> None:
    directory = save_application(scim_server)
    if behind_gateway:
        carried(gateway_of("scim", config.load(directory.pk).connector))
        settings = {"gateway": HERE.gateway, "name": HERE.name}
        Directory.objects.filter(pk=directory.pk).update(kind="gateway", settings=settings, secrets={})
        directory.refresh_from_db()
    AttributeMapping.objects.create(directory=directory, directory_attribute=MANAGER, portal_attribute="manager")
    AttributeMapping.objects.create(directory=directory, directory_attribute="userName", portal_attribute="email")
    boss, other = make_user("boss"), make_user("other")
    anna = make_user("anna", manager=boss)
    delivered(directory)
    assert reconciled(directory).message == "3 of 3 accounts in step."
    User.objects.filter(pk=anna.pk).update(manager=other)
    assert found(reconciled(directory)) == {"anna@example.org": "different"}

"""The connector contract over every kind of directory that there is."""

from pathlib import Path

import pytest

from directories.connectors import connector_class, registry
from directories.connectors.base import Capability, ConnectorConfig
from tests.directories.connectors.contract import ConnectorContract, Subject
from tests.directories.connectors.subjects import kinds, subject_of


class TestEveryKind(ConnectorContract):
    @pytest.fixture(params=kinds())
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
        return subject_of(request.param, tmp_path, request)


@pytest.mark.parametrize("kind", registry())
@pytest.mark.parametrize("blank", ["missing", None, "", "default"])
def test_blank_settings_are_no_fault(kind: str, blank: str | None) -> None:
    """The page of a new directory asks for what it could do before anybody has filled in a box."""
    connector = connector_class(kind)
    settings = {
        field.name: field.default if blank == "default" else blank for field in connector.fields if blank != "missing"
    }
    config = ConnectorConfig(settings)
    with connector(config) as opened:
        assert opened.capabilities == connector.offered(config) <= connector.implemented()
        assert opened.patience > 0
    for capability in set(Capability) - connector.offered(config):
        assert connector.lacking(capability, config).endswith(".")

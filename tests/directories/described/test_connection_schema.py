"""The schema of a connector's settings."""

import pytest
from pydantic import ValidationError

from directories.connectors.base import ConnectorField
from directories.described import schema as described
from directories.described.schema import checked, connection_schema


def test_a_connector_names_its_settings_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as the model of its schema names its own parts."""
    names = ["schema", "contradictions", "what", "misplaced", "model_config", "copy"]
    fields = [ConnectorField(name, name) for name in names]
    monkeypatch.setattr(described, "declared_by", lambda kind, *, secret: [] if secret else fields)
    schema = connection_schema("any", secret=False)
    assert checked(schema, dict.fromkeys(names, "x")) == dict.fromkeys(names, "x")
    with pytest.raises(ValidationError) as caught:
        schema.model_validate({"schemas": "x"})
    (problem,) = caught.value.errors()
    assert (problem["loc"], problem["msg"]) == (
        ("schemas",),
        "There is no setting 'schemas' here. Did you mean 'schema'?",
    )

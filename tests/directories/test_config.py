"""The configuration of a directory as plain data."""

import pytest

from directories import config
from directories.attributes import Kind
from directories.connectors.base import ConnectorError
from directories.mapping import AttributeRule
from directories.models import AttributeMapping, Directory, ProvisioningSettings, QueryTemplate


@pytest.mark.django_db
def test_load_takes_a_fixed_number_of_queries(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    directory = Directory.objects.create(
        name="APPSDB", kind="postgresql", settings={"host": "db"}, secrets={"password": "s3cret"}
    )
    for position, sql in enumerate(["SELECT 2", "SELECT 1"]):
        QueryTemplate.objects.create(directory=directory, operation="import", position=1 - position, sql=sql)
    for position, name in enumerate(["FIRSTNAME", "LASTNAME"]):
        AttributeMapping.objects.create(
            directory=directory, directory_attribute=name, portal_attribute="title", position=position
        )
    AttributeMapping.objects.create(directory=directory, directory_attribute="UNUSED", position=9)
    ProvisioningSettings.objects.create(directory=directory, create_users=True, fixed_password="first#")
    with django_assert_num_queries(3):
        loaded = config.load(directory.pk)
    assert loaded.connector.settings == {"host": "db", "password": "s3cret"}
    assert loaded.connector.templates == {"import": ("SELECT 1", "SELECT 2")}
    assert loaded.connector.attributes == ("FIRSTNAME", "LASTNAME")
    assert loaded.rules[0] == AttributeRule("FIRSTNAME", Kind.PROFILE, "title", "both", "")
    assert loaded.features.create_users
    assert loaded.features.fixed_password == "first#"
    assert "s3cret" not in repr(loaded)
    assert "first#" not in repr(loaded)


@pytest.mark.django_db
def test_a_directory_without_settings_has_every_feature_off() -> None:
    loaded = config.load(Directory.objects.create(name="New", kind="sqlite").pk)
    assert loaded.features == config.Features()


def test_features_are_the_settings_and_their_defaults() -> None:
    loaded = config.from_parts(Directory(name="x", kind="y"), [], [], ProvisioningSettings())
    assert loaded.features == config.Features()
    fields = {field.name for field in ProvisioningSettings._meta.get_fields()}
    assert set(config.Features.__dataclass_fields__) == fields - {"id", "directory", "next_import_at", "import_cursor"}


def test_an_unknown_kind_is_refused_in_words() -> None:
    with pytest.raises(ConnectorError, match="not supported"):
        config.open_connector(config.from_parts(Directory(name="x", kind="y"), [], [], ProvisioningSettings()))

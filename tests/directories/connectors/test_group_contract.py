"""The contract of groups over every kind of directory that keeps groups."""

from pathlib import Path

import pytest

from tests.directories.connectors.contract import Subject
from tests.directories.connectors.group_contract import GroupContract
from tests.directories.connectors.subjects import group_kinds, subject_of


class TestEveryKind(GroupContract):
    @pytest.fixture(params=group_kinds())
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
        return subject_of(request.param, tmp_path, request)

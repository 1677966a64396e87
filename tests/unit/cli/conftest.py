"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import write_tables


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables, and one fitted router."""
    return write_tables(tmp_path_factory.mktemp("tables"))

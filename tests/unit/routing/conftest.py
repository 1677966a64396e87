"""What the tests of routers share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a router is saved."""
    return tmp_path / "router.skops"

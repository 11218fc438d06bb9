"""One suite, every backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.storage.port import Store
from tests.contracts.stores import BACKENDS, open_store


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return open_store(request.param, tmp_path)

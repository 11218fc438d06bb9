"""One suite, every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.storage.port import Store
from tests.contracts.stores import BACKENDS, close, open_store


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = open_store(request.param, tmp_path)
    yield store
    close(store)

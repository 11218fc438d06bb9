"""Further databases of the run's PostgreSQL, for tests that copy from one to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests import databases


@pytest.fixture
def new_postgresql() -> Iterator[Callable[[], str]]:
    """Call it for the URL of a new and empty database, whose order of texts is not their bytes'."""
    made: list[str] = []

    def make() -> str:
        made.append(f"t{uuid4().hex}")
        return databases.make_database(
            made[-1], "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'zh' LOCALE 'C.UTF-8'"
        )

    yield make
    for name in made:
        databases.drop_database(name)

"""Long custodies in portions: every event in exactly one, the newest portion first."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from server.presentation.portion import SIZE, portion


def shown(count: int, query: str = "") -> Any:
    with Flask(__name__).test_request_context(query):
        return portion(list(range(count)))  # type: ignore[arg-type]  (only counted and cut)


@pytest.mark.parametrize("count", [0, 1, SIZE, SIZE + 1, 3 * SIZE])
def test_every_event_stands_in_exactly_one_portion(count: int) -> None:
    last = shown(count).last
    together = [e for n in range(last) for e in shown(count, f"/?events={n + 1}").entries]
    assert together == list(range(count))


@pytest.mark.parametrize(
    ("query", "number"), [("", 3), ("/?events=x", 3), ("/?events=-1", 1), ("/?events=99", 3)]
)
def test_without_a_portion_that_exists_it_is_the_newest_or_the_nearest(
    query: str, number: int
) -> None:
    part = shown(2 * SIZE + 5, query)
    assert part.number == number
    assert (part.first, part.until) == {1: (1, 5), 3: (SIZE + 6, 2 * SIZE + 5)}[number]

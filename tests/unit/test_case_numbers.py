"""Case numbers: the vectors, and every refusal in words that say what to change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.cases import numbers
from evidence.errors import MalformedCaseNumber

VECTORS = json.loads(
    (Path(__file__).parent.parent / "golden" / "case_numbers.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("written", "key"), VECTORS["valid"].items())
def test_a_number_has_four_parts(written: str, key: list[object]) -> None:
    assert list(numbers.parse(written).key) == key


@pytest.mark.parametrize(("written", "kept"), VECTORS["normalised"].items())
def test_every_way_of_writing_is_kept_as_one(written: str, kept: str) -> None:
    assert numbers.parse(written).text == kept
    assert numbers.parse(kept) == numbers.parse(written)


@pytest.mark.parametrize("written", VECTORS["invalid"])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(MalformedCaseNumber):
        numbers.parse(written)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("衡东市监罚字〔23〕451号", "four digits"),
        ("衡东市监罚字〔1899〕451号", "four digits"),
        ("衡东市监罚字2023451号", "brackets"),
        ("衡东市监罚字〔2023〕0号", "begins at 1"),
        ("衡东市监罚字〔2023〕1234567号", "one to six digits"),
        ("衡东市监罚字〔2023〕451", "号"),
        ("罚字〔2023〕451号", "市监"),
        ("市监罚字〔2023〕451号", "bureau"),
        ("衡东市监罚字〔２０２３〕451号", "full-width"),
        ("衡东市监罚字〔2023〕451号\n", "line break"),
        ("衡东市监罚字〔2023〕451号\u202e", "cannot be seen"),
        ("衡" * 61, "longer than"),
    ],
)
def test_a_refusal_says_what_to_change_and_gives_an_example(written: str, said: str) -> None:
    with pytest.raises(MalformedCaseNumber, match=said) as refused:
        numbers.parse(written)
    assert numbers.EXAMPLE in str(refused.value)


def test_a_leading_zero_is_the_same_case() -> None:
    assert numbers.parse("衡东市监罚字〔2023〕0451号").key == numbers.parse(numbers.EXAMPLE).key


@given(st.text(max_size=80) | st.text("衡东市监罚字〔〕()2023451号第 ", max_size=30))
def test_any_text_is_a_number_or_refused_and_never_anything_else(written: str) -> None:
    try:
        number = numbers.parse(written)
    except MalformedCaseNumber:
        return
    assert numbers.parse(number.text) == number

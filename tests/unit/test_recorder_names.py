"""File names of recorders: read where they follow a pattern, believed nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evidence.recorders.names import parse, recorder_key, suspect

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "recorder_filenames.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", GOLDEN["parsed"])
def test_a_name_that_follows_the_pattern_is_read(name: str) -> None:
    wanted = GOLDEN["parsed"][name]
    found = parse(name)
    assert found is not None
    assert found.device == wanted["device"]
    assert found.officer == wanted["officer"]
    assert found.recorded_at.isoformat() == wanted["recorded"]
    assert found.sequence == wanted.get("sequence", found.sequence)
    assert found.key_file is wanted["key_file"]


@pytest.mark.parametrize("prefix", ["ZFY_", "ZFY-"])
def test_a_number_may_stand_in_a_name_as_it_stands_in_the_books(prefix: str) -> None:
    found = parse(f"{prefix}HD-012@430424017_20230915_093005_0003.mp4")
    assert found is not None
    assert found.device == "HD-012"


@pytest.mark.parametrize("name", GOLDEN["unparsed_but_accepted"])
def test_any_other_name_is_no_error(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "ZFY_HD012@430424017_20230230_093005_0003.mp4",  # no such day
        "ZFY_HD012@430424017_20230915_246005_0003.mp4",  # no such hour
        "ZFY_HD012@430424017_20230915_093005_0003.mp4\n",
        "ZFY_HD０１２@430424017_20230915_093005_0003.mp4",  # digits of full width
        "ZFY_HD012@430424017_20230915_093005_0003.exe",
    ],
)
def test_what_only_resembles_the_pattern_is_not_read(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize(
    "name",
    ["", " ", "..", "../a.mp4", "..\\a.mp4", "a\0.mp4", "a\N{SYMBOL FOR NULL}.mp4",
     "a\u202egpj.exe", "a\u2028b", "a\r\nb", "x" * 256],
)  # fmt: skip
def test_a_name_that_tries_to_be_more_than_a_name_is_suspect(name: str) -> None:
    assert suspect(name)


@pytest.mark.parametrize("name", ["GOPR0042.MP4", "新建 视频(1).avi", ".hidden", "=1+1.mp4"])
def test_an_odd_name_alone_is_not_suspect(name: str) -> None:
    assert not suspect(name)


@pytest.mark.parametrize("number", ["HD-012", "hd_012", "HD012", "ｈｄ－０１２", " hd 012 "])
def test_a_recorders_number_is_one_however_it_is_written(number: str) -> None:
    assert recorder_key(number) == "HD012"

"""What became of each file: a line each, or a JSON line each, then a summary."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence

from scripts.docking.card import visible
from scripts.docking.deliver import Outcome, Result
from scripts.docking.troubles import Trouble
from scripts.docking.words import Words


def line(result: Result, words: Words) -> str:
    """`name: sealed E2026-000123`, with whatever else the reader has to know."""
    said = _outcome(result, words)
    if "recorder_unknown" in result.flags:
        said += f"; {_of_no_unit(result, words)}"
    if result.wiped:
        said += f"; {words('removed')}"
    if result.kept:
        said += f"; {words('kept', why=result.kept)}"
    return f"{visible(result.name)}: {visible(said)}"


def _of_no_unit(result: Result, words: Words) -> str:
    if result.earlier:
        return words("recorder_unknown_earlier")
    if result.recorder:
        return words("recorder_unknown", number=result.recorder)
    return words("recorder_unnamed")


def _outcome(result: Result, words: Words) -> str:
    if result.outcome is Outcome.FAILED:
        return words("failed", why=result.why or Trouble("still_sealing"))
    if result.outcome is Outcome.QUARANTINED and result.why:
        return words.of(result.why)
    earlier = result.earlier and result.outcome is Outcome.SEALED
    return words("sealed_earlier" if earlier else result.outcome.value, label=result.label)


def json_line(result: Result, words: Words) -> str:
    """One object on one line; `code` and `kept` are permanent words for programs."""
    document = {
        "file": visible(result.name),
        "state": result.outcome.value,
        "exhibit": result.label or None,
        "sha256": result.sha256 or None,
        "size": result.size,
        "recorder": result.recorder or None,
        "recorded_at": result.recorded_at or None,
        "flags": result.flags,
        "before_this_run": result.earlier,
        "sent": result.sent,
        "removed": result.wiped,
        "code": result.why.key if result.why else None,
        "reason": words.of(result.why) if result.why else None,
        "kept": result.kept.key if result.kept else None,
    }
    return json.dumps(document, ensure_ascii=False)


def summary(results: Sequence[Result], words: Words) -> str:
    counted = Counter(result.outcome for result in results)
    return words(
        "summary",
        sealed=counted[Outcome.SEALED],
        duplicate=counted[Outcome.DUPLICATE],
        quarantined=counted[Outcome.QUARANTINED],
        failed=counted[Outcome.FAILED],
        wiped=sum(result.wiped for result in results),
        sent=_size(sum(result.sent for result in results)),
    )


def say(text: str) -> None:
    """To stderr, where stdout may belong to a program."""
    print(text, file=sys.stderr, flush=True)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

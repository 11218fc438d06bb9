"""The number of a case (案号): what a person writes, and the one form in which it is kept.

衡东市监罚字(2023)451号 is 衡东市监罚字〔2023〕451号: any brackets round the year are the same,
第 may stand before the sequence or not, blanks between the parts do not matter. Digits are ASCII
digits: a full-width one is refused, because two spellings of one number would be two cases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evidence.errors import MalformedCaseNumber

EXAMPLE = "衡东市监罚字〔2023〕451号"
MAX_LENGTH = 60

_BLANKS = re.compile(r"[ \u3000]+")
_BRACKETS = re.compile(r"[\[［【(（〔]([^\]］】)）〕]*)[\]］】)）〕]")
_CN = "[\u4e00-\u9fff]"
_NUMBER = re.compile(
    rf"(?P<org>{_CN}{{1,8}}?)市监(?P<kind>{_CN}{{1,6}}?)(?P<zi>字)?"
    r"〔(?P<year>(?:19|20)\d{2})〕第?(?P<seq>\d{1,6})号",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNumber:
    """A case number: its parts are the key, `text` is how it is written here."""

    text: str
    org: str  # the bureau: 衡东
    kind: str  # the kind of document: 罚
    year: int
    seq: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.org, self.kind, self.year, self.seq


def parse(raw: str) -> CaseNumber:
    """The number that `raw` means. Raises MalformedCaseNumber, which says what is wrong."""
    if len(raw) > MAX_LENGTH:
        raise _malformed(raw, f"It is longer than {MAX_LENGTH} characters.")
    text = _BRACKETS.sub(r"〔\1〕", _BLANKS.sub("", raw))
    found = _NUMBER.fullmatch(text)
    if not found:
        raise _malformed(raw, _what_is_wrong(text))
    if int(found["seq"]) == 0:
        raise _malformed(raw, "The sequence number after the year begins at 1.")
    return CaseNumber(
        text=f"{text[: found.end('year')]}〕{found['seq']}号",
        org=found["org"],
        kind=found["kind"],
        year=int(found["year"]),
        seq=int(found["seq"]),
    )


def _what_is_wrong(text: str) -> str:
    """The first thing that a person would have to change."""
    if not text:
        return "It is empty."
    if any(c.isdigit() and not c.isascii() for c in text):
        return "Write the digits as ordinary digits (0 to 9), not full-width ones."
    if any(not c.isprintable() for c in text):
        return "It contains a line break or a character that cannot be seen."
    if "市监" not in text:
        return "The bureau before 市监 is missing."
    brackets = re.search(r"〔([^〕]*)〕", text)
    if not brackets:
        return "The year must stand in brackets: 〔2023〕."
    if not re.fullmatch(r"(19|20)\d{2}", brackets[1], re.ASCII):
        return f"The year in brackets must have four digits: 〔2023〕, not 〔{brackets[1]}〕."
    if not re.search(r"〕第?\d{1,6}号$", text, re.ASCII):
        return "After the year comes the sequence number, of one to six digits, and then 号."
    return "The bureau or the kind of document is missing or too long."


def _malformed(raw: str, reason: str) -> MalformedCaseNumber:
    return MalformedCaseNumber(
        f"This is not a case number. {reason} Write it like {EXAMPLE}.",
        number=raw[:MAX_LENGTH],
        reason=reason,
        example=EXAMPLE,
    )

"""Text as overlapping pairs of characters, so that any stretch of Chinese can be found by an index.

Both sides of a search are folded the same way: full-width forms become ordinary ones, letters
lose their case, every bracket round a number is the same bracket.
"""

from __future__ import annotations

import unicodedata

_BRACKETS = str.maketrans("[(【［（", "〔〔〔〔〔") | str.maketrans("])】］）", "〕〕〕〕〕")


def words(text: str) -> list[str]:
    """The words of `text`, to be compared without case, width or kind of bracket."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_BRACKETS)
    return plain.replace("\0", " ").split()


def folded(text: str | None) -> str:
    """The same, as one string with a space between words."""
    return " ".join(words(text or ""))


def bigrams(text: str | None) -> str:
    """Every two neighbouring characters of each word, and its last one alone, spaced apart."""
    return " ".join(w[i : i + 2] for w in words(text or "") for i in range(len(w)))


def phrase(word: str) -> str:
    """An FTS5 expression for rows that contain the folded `word` somewhere inside a word."""
    if len(word) == 1:
        return f"{_quoted(word)} *"
    return _quoted(" ".join(word[i : i + 2] for i in range(len(word) - 1)))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'

"""Text as overlapping stretches of two or three characters, so that an index finds any part of it.

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


def grams(text: str | None) -> str:
    """The text as an index takes it: at each place of each word, the stretch that begins there.

    Three characters where it begins with an ASCII one, because two digits are everywhere; two
    otherwise, because a Chinese name has two. At a word's end they are shorter.
    """
    return " ".join(w[i : i + _length(w[i])] for w in words(text or "") for i in range(len(w)))


def _length(first: str) -> int:
    return 3 if first.isascii() else 2


def phrase(word: str) -> str:
    """An FTS5 expression for rows that contain the folded `word` somewhere inside a word."""
    found = []
    for i, first in enumerate(word):
        found.append(word[i : i + _length(first)])
        if i + _length(first) >= len(word):
            cut_short = i + _length(first) > len(word)
            break
    quoted = " ".join(found).replace('"', '""')
    return f'"{quoted}" *' if cut_short else f'"{quoted}"'

"""Text as overlapping stretches of two or three characters, so that an index finds any part of it.

Both sides of a search are folded the same way: full-width forms become ordinary ones, letters
lose their case, every bracket round a number is the same bracket.
"""

from __future__ import annotations

import unicodedata

_QUOTE = '"'
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


def stretches(word: str) -> list[str]:
    """The stretches that every row has in which the folded `word` stands.

    A row that has them all need not contain the word. One that is shorter than a stretch is its
    own.
    """
    lengths = [(i, _length(first)) for i, first in enumerate(word)]
    whole = [word[i : i + n] for i, n in lengths if i + n <= len(word)]
    return list(dict.fromkeys(whole)) or [word]


def terms(word: str) -> list[str]:
    """The same as FTS5 takes them; a word shorter than a stretch gives the beginning of one."""
    found = stretches(word)
    quoted = [f'"{stretch.replace(_QUOTE, _QUOTE * 2)}"' for stretch in found]
    return quoted if len(found[0]) == _length(word[0]) else [f"{quoted[0]} *"]

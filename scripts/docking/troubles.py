"""What can go wrong at a dock, as keys of words.py with the facts that the sentence needs."""

from __future__ import annotations


class Trouble(Exception):
    """Ends the work on one file; `key` names the sentence."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts


class CardTrouble(Trouble):
    """The card cannot be read, or changed while it was read."""


class Refused(Trouble):
    """The server said no, and asking again would not help."""


class TokenRefused(Refused):
    """The token is not valid (any more): no other file can be sent either."""


class UploadGone(Trouble):
    """The server does not keep this upload any more; another one must be made."""


class Delayed(Trouble):
    """Not now: worth asking again after a while, `after` seconds where the server said so."""

    def __init__(self, key: str, after: float | None = None, **facts: object) -> None:
        super().__init__(key, **facts)
        self.after = after


class Unproven(Trouble):
    """The receipt does not prove what it should, so nothing may be removed on its word."""


class Stopped(Exception):
    """Somebody pressed Ctrl-C."""

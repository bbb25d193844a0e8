"""Values that are known to be secret, wherever they stand.

Before editing: what a value was found as first it stays. In a replay an answer holds its mask, and
so does what the program makes of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from lift_sys.llm.cassette.mask import SCRUBBED, is_mask

__all__ = ["KnownSecrets"]

_SHORTEST = 8  # a shorter value would be found inside of ordinary words


class KnownSecrets:
    """Values to take out of texts."""

    def __init__(self) -> None:
        # Each in all its forms; with the value itself, or None if it proves who asks.
        self._values: dict[str, str | None] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: Any, *, proves: bool) -> None:
        """Know this value from now on; one that is no text, or very short, is ignored.

        Args:
            secret: The value.
            proves: Whether it proves who asks, so that another one makes no other request.
        """
        if not isinstance(secret, str) or len(secret) < _SHORTEST or is_mask(secret):
            return
        # Also as a URL or a text of JSON has it.
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
        if not forms <= self._values.keys():
            new: dict[str, str | None] = dict.fromkeys(forms, None if proves else secret)
            self._values = new | self._values
            # The longest first, lest a part of one be replaced inside of another.
            longest = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest)))

    def taken_out(self, text: str, mask: Callable[[str], str]) -> str:
        """Return `text` with a mask in place of each; what proves who asks is told from nothing."""
        if self._pattern is None:
            return text
        values = self._values

        def replaced(match: re.Match[str]) -> str:
            value = values[match[0]]
            return SCRUBBED if value is None else mask(value)

        return self._pattern.sub(replaced, text)

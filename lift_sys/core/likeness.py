"""What was meant by a word that nothing is called."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_ALIKE: Final = 0.6


def closest(word: str, known: Iterable[str], *, alike: float = _ALIKE) -> str:
    """The one of `known` that is most like `word`; "" if none is.

    Args:
        word: What was written.
        known: What could have been.
        alike: How much alike they must be, from 0 to 1, as `difflib` counts it.
    """
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=alike)), "")


def did_you_mean(
    word: str, known: Iterable[str], *, prefix: str = "", alike: float = _ALIKE
) -> str:
    """` Did you mean 'x'?` if one of `known` is close to `word`, else nothing; see `closest`."""
    close = closest(word, known, alike=alike)
    return f" Did you mean {prefix + close!r}?" if close else ""

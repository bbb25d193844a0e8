"""The pieces that a streamed text came in, by their lengths."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["cut"]


def cut(text: str, lengths: Sequence[int]) -> list[str]:
    """Cut `text` into pieces of these lengths; what is left over goes to the last."""
    pieces, done = [], 0
    for length in lengths[:-1]:
        pieces.append(text[done : done + length])
        done += length
    return [*pieces, text[done:]]

"""The frames of a suspended coroutine: `Task.get_stack` shows one, the outermost."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any


def frames_of(awaited: Any) -> Iterator[FrameType]:
    """Frames from the outermost coroutine to the innermost, through generators too."""
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return

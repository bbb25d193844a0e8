"""Why results differ: all sources held, then one moved at a time, each run in a process of its own.

A source is guilty if the result moves with it while everything else is held; so what is named is a
cause, not a suspicion, and the line that asked the source for its value comes with it.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.determinism.attribution.attributing import attribute as attribute
    from lift_sys.determinism.attribution.causes import Attribution as Attribution
    from lift_sys.determinism.attribution.causes import Cause as Cause
    from lift_sys.determinism.attribution.model import Answers as Answers
    from lift_sys.determinism.attribution.model import ModelTap as ModelTap
    from lift_sys.determinism.attribution.processes import Workers as Workers
    from lift_sys.determinism.attribution.settings import SOURCES as SOURCES
    from lift_sys.determinism.attribution.settings import Source as Source

__all__ = [
    "SOURCES",
    "Answers",
    "Attribution",
    "Cause",
    "ModelTap",
    "Source",
    "Workers",
    "attribute",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "attributing": ["attribute"],
        "causes": ["Attribution", "Cause"],
        "model": ["Answers", "ModelTap"],
        "processes": ["Workers"],
        "settings": ["SOURCES", "Source"],
    },
)

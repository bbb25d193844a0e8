"""What tests of graphs need, ours and a user's: virtual time, scripted models, ready contexts.

Nothing here is a stub of lift_sys itself: the engine under test is always the real one. Only what
lies outside, time and language models, is replaced by something quick that repeats exactly.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.testing.clock import EPOCH as EPOCH
    from lift_sys.testing.clock import VirtualClock as VirtualClock
    from lift_sys.testing.clock import VirtualLoop as VirtualLoop
    from lift_sys.testing.clock import new_virtual_loop as new_virtual_loop
    from lift_sys.testing.clock import run_virtual as run_virtual
    from lift_sys.testing.clock import virtual as virtual
    from lift_sys.testing.contexts import FixedClock as FixedClock
    from lift_sys.testing.contexts import context_for as context_for
    from lift_sys.testing.controlled import ControlledRunner as ControlledRunner
    from lift_sys.testing.crashes.asserting import assert_resumable as assert_resumable
    from lift_sys.testing.models import Delayed as Delayed
    from lift_sys.testing.models import ScriptedModel as ScriptedModel

__all__ = [
    "EPOCH",
    "ControlledRunner",
    "Delayed",
    "FixedClock",
    "ScriptedModel",
    "VirtualClock",
    "VirtualLoop",
    "assert_resumable",
    "context_for",
    "new_virtual_loop",
    "run_virtual",
    "virtual",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "clock": [
            "EPOCH",
            "VirtualClock",
            "VirtualLoop",
            "new_virtual_loop",
            "run_virtual",
            "virtual",
        ],
        "contexts": ["FixedClock", "context_for"],
        "controlled": ["ControlledRunner"],
        "crashes.asserting": ["assert_resumable"],
        "models": ["Delayed", "ScriptedModel"],
    },
)

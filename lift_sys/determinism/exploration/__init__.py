"""Exploring schedules: the same program under every order of events that could matter.

A target runs on an event loop whose every choice is made by a strategy: which completion lands
next, or which ready task goes on. Equal results under all orders are a proof where the orders were
all covered, and otherwise evidence of the weaker grade that is named; two results that differ come
with the few ordering constraints that tell them apart, and a string that replays them.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.determinism.exploration.exploring import explore as explore
    from lift_sys.determinism.exploration.exploring import replay as replay
    from lift_sys.determinism.exploration.footprint import Shared as Shared
    from lift_sys.determinism.exploration.footprint import shared as shared
    from lift_sys.determinism.exploration.footprint import touch as touch
    from lift_sys.determinism.exploration.loop import ControlledLoop as ControlledLoop
    from lift_sys.determinism.exploration.recorded import Recordings as Recordings
    from lift_sys.determinism.exploration.recorded import outside as outside
    from lift_sys.determinism.exploration.results import Constraint as Constraint
    from lift_sys.determinism.exploration.results import CounterExample as CounterExample
    from lift_sys.determinism.exploration.results import Exploration as Exploration
    from lift_sys.determinism.exploration.results import Grade as Grade
    from lift_sys.determinism.exploration.results import Outcome as Outcome
    from lift_sys.determinism.exploration.schedule import Schedule as Schedule

__all__ = [
    "Constraint",
    "ControlledLoop",
    "CounterExample",
    "Exploration",
    "Grade",
    "Outcome",
    "Recordings",
    "Schedule",
    "Shared",
    "explore",
    "outside",
    "replay",
    "shared",
    "touch",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "exploring": ["explore", "replay"],
        "footprint": ["Shared", "shared", "touch"],
        "loop": ["ControlledLoop"],
        "recorded": ["Recordings", "outside"],
        "results": ["Constraint", "CounterExample", "Exploration", "Grade", "Outcome"],
        "schedule": ["Schedule"],
    },
)

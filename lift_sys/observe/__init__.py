"""What happens in a run, made visible: progress bars and JSON lines.

Everything here is an observer: pass it as `on_event=` and it takes each event in order. The log of
`lift_sys.execution` needs no observer of yours: enable that logger for INFO before the run.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.observe.board import Board as Board
    from lift_sys.observe.events_json import JsonLines as JsonLines
    from lift_sys.observe.events_json import event_as_dict as event_as_dict
    from lift_sys.observe.events_json import plain as plain
    from lift_sys.observe.progress import ProgressObserver as ProgressObserver

__all__ = ["Board", "JsonLines", "ProgressObserver", "event_as_dict", "plain"]
__getattr__, __dir__ = attach(
    __name__,
    {
        "board": ["Board"],
        "events_json": ["JsonLines", "event_as_dict", "plain"],
        "progress": ["ProgressObserver"],
    },
)

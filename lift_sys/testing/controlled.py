"""Running an async function on the controlled loop, once, under a schedule that can be said again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from lift_sys.errors import StuckError

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class ControlledRunner:
    """Calls async functions on an event loop on virtual time, on which nothing is left to chance.

    Attributes:
        schedule: What to run under, `ls1:...` as an exploration has printed it; None is the order
            of a plain event loop.
        seed: For `ctx.random`.
    """

    schedule: str | None = None
    seed: int = 0

    def __call__(
        self,
        function: Callable[P, Coroutine[Any, Any, ResultT]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ResultT:
        """What `function` returns.

        Raises:
            StuckError: It waits for what can never come, or goes on for ever.
            ScheduleError: The schedule is of another program.
            Exception: What it raises.
        """
        from lift_sys.determinism.exploration import explore, replay

        program = partial(function, *args, **kwargs)
        if self.schedule is None:
            outcome = (
                explore(program, strategy="fifo", budget=1, seed=self.seed).outcomes[0].outcome
            )
        else:
            outcome = replay(program, schedule=self.schedule, seed=self.seed)
        if outcome.kind == "error":
            raise outcome.example
        if outcome.kind != "value":
            raise StuckError(waiting=outcome.waiting)
        return outcome.example.output  # type: ignore[no-any-return]

"""DSPy's modules: each call of a module inside of the program is a step, by DSPy's own callbacks.

DSPy answers a request that it knows from its cache, on disk, too: such answers agree by themselves.
They are told apart, and the report says how many there were. Before editing: all settings go
through `dspy.context`, which holds for the run only.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lift_sys.core.address import inner_address, step_address
from lift_sys.core.usage import Usage
from lift_sys.determinism.adapters.foreign import ForeignTarget, Recorder, as_values
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.targets import Setting
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.errors import UsageError


def adapt(module: Any) -> DspyTarget:
    """The target that runs `module`."""
    return DspyTarget(module)


class DspyTarget(ForeignTarget):
    """A module. The state is its inputs: a mapping, a `dspy.Example`, or a model with such fields."""

    kind = "DSPy module"

    def __init__(self, module: Any) -> None:
        super().__init__(type(module).__name__)
        self.module = module

    def accept(self, state: Any) -> None:
        """Refuse what has no names.

        Raises:
            UsageError: The state is no mapping, example or model.
        """
        if not (hasattr(state, "items") or hasattr(type(state), "model_fields")):
            raise UsageError(
                f"A DSPy module is run on its inputs by name, such as {{'question': '...'}}; "
                f"{state!r} has none."
            )

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run the module; the outputs of its prediction are the run's output.

        A module without `aforward` is run in a thread.
        """
        import dspy

        inputs = _named(state.inputs() if isinstance(state, dspy.Example) else state)
        watch = _Watch(Recorder(tracer), self.module, dspy.settings.usage_tracker)
        callbacks = [*(dspy.settings.get("callbacks") or ()), watch.callback()]
        with dspy.context(callbacks=callbacks, usage_tracker=watch):
            if hasattr(self.module, "aforward"):
                prediction = await self.module.acall(**inputs)
            else:
                prediction = await asyncio.to_thread(self.module, **inputs)
        return Ran(state, _named(prediction))


def _named(values: Any) -> Any:
    """Inputs or a prediction as a dict; anything else as it is."""
    if isinstance(values, Mapping) or not hasattr(values, "items"):
        return as_values(values) if hasattr(type(values), "model_fields") else values
    return dict(values.items())


class _Watch:
    """What DSPy tells of one run: calls of modules and of language models, and what was counted."""

    def __init__(self, recorder: Recorder, module: Any, outer: Any) -> None:
        self.recorder = recorder
        self._outer = outer  # a usage tracker that the caller had set up: it hears everything too
        self._root = module
        self._names = {id(each): name for name, each in module.named_sub_modules()}
        self._steps: dict[str, StepTrace] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._asking: dict[str, tuple[StepTrace, float]] = {}

    def callback(self) -> Any:
        """Itself, as DSPy takes it."""
        from dspy.utils.callback import BaseCallback

        callback = BaseCallback()
        for name in ("on_module_start", "on_module_end", "on_lm_start", "on_lm_end"):
            setattr(callback, name, getattr(self, name))
        return callback

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A module is called; a program of several is the run itself, and no step of it."""
        outer = self._steps.get(_calling())
        if instance is self._root and outer is None and len(self._names) > 1:
            return
        prefix = "" if outer is None else inner_address(outer.address)
        address = step_address(prefix, self._counts[prefix])
        self._counts[prefix] += 1
        name = self._names.get(id(instance), "").removeprefix("self.") or type(instance).__name__
        given = {str(place): value for place, value in enumerate(inputs.get("args", ()))}
        given |= inputs.get("kwargs", {})
        self._steps[call_id] = self.recorder.begin(address, name, given)

    def on_module_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        """It has returned or raised."""
        step = self._steps.get(call_id)
        if step is None:
            return
        if exception is not None:
            self.recorder.fail(step, exception)
        else:
            left = _named(outputs)
            self.recorder.end(step, left if isinstance(left, Mapping) else {"output": left})

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A language model is asked, or the cache."""
        step = self._steps.get(_calling())
        if step is not None:
            self._asking[call_id] = step, self.recorder.now()
            _spend(step, Usage(calls=1, cached_calls=1))

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """It has answered or failed; what fails was sent, for caches keep no failures."""
        step, began = self._asking.pop(call_id, (None, 0.0))
        if step is not None:
            _spend(step, Usage(seconds=self.recorder.now() - began))
            if exception is not None:
                _spend(step, Usage(cached_calls=-1))

    def add_usage(self, lm: str, usage: dict[str, Any]) -> None:
        """A provider has answered, and no cache: DSPy tells it to its usage tracker."""
        found = self._asking.get(_calling())
        if found is not None:
            tokens = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
            counted = Usage(input_tokens=tokens[0] or 0, output_tokens=tokens[1] or 0)
            _spend(found[0], replace(counted, cached_calls=-1))
        if self._outer is not None:
            self._outer.add_usage(lm, usage)


def _calling() -> str:
    """Identifier of the call that the running code stands in."""
    from dspy.utils.callback import ACTIVE_CALL_ID

    return ACTIVE_CALL_ID.get() or ""


def _spend(step: StepTrace, usage: Usage) -> None:
    step.usage = usage if step.usage is None else step.usage + usage

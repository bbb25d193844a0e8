"""A node that asks a language model through DSPy (hole H6: the four members of its contract).

Before editing: a node is shared by parallel branches and by runs, so everything that a call
changes (module, watched language model, counts) is made anew in `run`, and settings go through
`dspy.context`, which each task has for itself; `dspy.configure` belongs to the user.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from lift_sys.core.extras import require
from lift_sys.core.node import BaseNode, node_name
from lift_sys.errors import ModelOutputError, UsageError
from lift_sys.llm.cassette.current import cassette_in_use, counting_replays
from lift_sys.llm.identity import identity_of_adapter, identity_of_lm, identity_of_signature
from lift_sys.llm.usage import DspyMeter, usage_entry

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.core.context import RunContext
    from lift_sys.core.successors import NextNode

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")

__all__ = ["SignatureNode"]

# A signature written as text is a class to DSPy, and building it costs half as much as a call.
_parsed: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()

# The one field that DSPy's adapters could not parse is named in their message only.
_UNPARSED_FIELD = re.compile(r"\s*Failed to parse field (\w+)")


class SignatureNode(BaseNode[StateT]):
    """A node that fills fields of the state by a DSPy signature.

    Subclass it, say which `signature`, and where to go on in `next_node`, whose return annotation
    declares the successors. By default the signature's inputs are read from the state's fields of
    the same names, and its outputs are written to theirs::

        class Sentiment(SignatureNode[Review]):
            signature = "text -> sentiment"

            def next_node(self, ctx: RunContext[Review]) -> End:
                return End()

    One attempt of the node is one try: DSPy's own retries are off (`num_retries=0` on a copy of the
    language model), because the engine's would multiply them; give the node `retry = RetryPolicy()`.
    Errors of the provider pass through as DSPy raises them, with `status` and `retry_after`. DSPy's
    histories and its trace do not grow, since the state's provenance and the run's ledger say what
    was done. What DSPy's cache answers is marked in both, and costs nothing.

    Class attributes:
        signature: A `dspy.Signature` class, or text such as "question, context -> answer: float";
            types in the text are looked up in the module of the node's class.
        module_type: What makes the module from the signature: a class such as
            `dspy.ChainOfThought`, or a function. None is `dspy.Predict`.
        lm: The `dspy.LM` to ask; None leaves it to `lm_for`.
        adapter: The `dspy.Adapter` to lay out prompts with; None takes DSPy's current one.
    """

    signature: str | type[Any]
    module_type: Callable[..., Any] | None = None
    lm: Any = None
    adapter: Any = None

    _declares_successors: ClassVar[str] = "next_node"
    _told_by_identity: ClassVar[tuple[str, ...]] = ("adapter", "lm", "signature")

    def lm_for(self, ctx: RunContext[StateT]) -> Any:
        """Find the language model: `lm`, `ctx.deps` or its `lm`, or the one of `dspy.context`.

        Raises:
            UsageError: There is none, or it is no `dspy.LM`.
        """
        dspy = _load_dspy()
        deps = ctx.deps
        found = self.lm
        if found is None and isinstance(deps, dspy.BaseLM):
            found = deps
        if found is None:
            found = deps.get("lm") if isinstance(deps, Mapping) else getattr(deps, "lm", None)
        if found is None:
            found = dspy.settings.lm
        if isinstance(found, dspy.BaseLM) or getattr(found, "supports_decision_requests", False):
            return found
        what = "has no language model" if found is None else f"can't ask {found!r}"
        raise UsageError(
            f"Node {node_name(self)} {what}. Write `lm = dspy.LM('provider/model')` in its class, "
            f"run the graph with `deps=dspy.LM(...)` (or anything with such an `lm`), or inside "
            f"`with dspy.context(lm=dspy.LM(...)):`. The embedded model is "
            f"`lift_sys.llm.local.dspy_lm(endpoint)`."
        )

    def extract_inputs(self, state: StateT) -> dict[str, Any]:
        """Return the signature's inputs: by default, the state's fields of the same names.

        Raises:
            UsageError: The state lacks a field for an input that has no default.
        """
        signature = self._parsed_signature()
        inputs = {}
        for name, field in signature.input_fields.items():
            if _has_field(state, name):
                inputs[name] = getattr(state, name)
            elif field.is_required():
                raise self._mismatch(state, "input", name, "extract_inputs")
        return inputs

    def update_state(self, state: StateT, prediction: Any) -> None:
        """Write a prediction into the state: by default, each output to the field of its name.

        Raises:
            UsageError: The state has no field for an output.
            ModelOutputError: The prediction lacks an output, or the state refuses its value.
        """
        for name in self._parsed_signature().output_fields:
            if name not in type(state).model_fields:
                raise self._mismatch(state, "output", name, "update_state")
            if name not in prediction:
                raise ModelOutputError(node=node_name(self), fields=[name], came=str(prediction))
            value = prediction[name]
            try:
                setattr(state, name, value)
            except ValueError as error:  # a model with validate_assignment
                raise ModelOutputError(
                    node=node_name(self), fields=[name], came=repr(value), reason=str(error)
                ) from error

    @abstractmethod
    def next_node(self, ctx: RunContext[StateT]) -> NextNode[StateT] | Awaitable[NextNode[StateT]]:
        """Return what runs next, on the updated state. May be `async def`."""

    async def run(self, ctx: RunContext[StateT]) -> NextNode[StateT]:
        """Ask the model once, update the state, and return what `next_node` says.

        Raises:
            MissingExtraError: DSPy is not installed.
            UsageError: There is no language model, or signature and state do not fit.
            ModelOutputError: The answer does not parse.
        """
        dspy = _load_dspy()
        signature = self._parsed_signature()
        inputs = self.extract_inputs(ctx.state)
        lm = self.lm_for(ctx)
        cassette = cassette_in_use()
        if cassette is not None:
            lm = cassette.wrap(lm)
        # On the class, since a plain function read from the node itself would become its method.
        make = vars(self).get("module_type", type(self).module_type) or dspy.Predict
        module = make(signature)
        meter = DspyMeter(outer=dspy.settings.usage_tracker)
        settings: dict[str, Any] = {
            "lm": meter.attach(lm) if isinstance(lm, dspy.BaseLM) else lm,
            "usage_tracker": meter,
            "trace": None,
            # Histories are on, because prices are told to them only; `meter` takes our model's,
            # and of a model that the module holds itself none is kept.
            "disable_history": False,
            "max_history_size": 0,
        }
        if self.adapter is not None:
            settings["adapter"] = self.adapter
        clock = asyncio.get_running_loop().time
        started = clock()
        with counting_replays(ctx, node_name(self)) as replays:
            try:
                with dspy.context(**settings):
                    prediction = await module.acall(**inputs)
            except dspy.utils.exceptions.AdapterParseError as error:
                raise self._unparsed(ctx.address, error) from error
            finally:
                # Also if the call failed or was cancelled: what was spent is spent.
                usage = meter.total(
                    cached=replays.calls, missed=replays.misses, seconds=clock() - started
                )
                if usage.calls:
                    ctx.add_usage(usage)
        self.update_state(ctx.state, prediction)
        ctx.add_provenance(
            node_name(self),
            self.signature if isinstance(self.signature, str) else signature.__name__,
            module=type(module).__name__,
            model=", ".join(meter.models) or getattr(lm, "model", type(lm).__name__),
            usage=usage_entry(usage),
            outputs=_jsonable(prediction),
        )
        successor = self.next_node(ctx)
        return await successor if inspect.isawaitable(successor) else successor

    def _cache_identity(self, ctx: RunContext[StateT]) -> dict[str, Any]:
        """What stands in the key of a cached node for model, adapter and signature."""
        dspy = _load_dspy()
        return {
            "adapter": identity_of_adapter(self.adapter or dspy.settings.adapter),
            "lm": identity_of_lm(self.lm_for(ctx)),
            "signature": identity_of_signature(self._parsed_signature()),
            "dspy": dspy.__version__,  # which lays out the prompts
        }

    def _parsed_signature(self) -> Any:
        """`signature` as a class; text is parsed once for each class of nodes."""
        text = getattr(self, "signature", None)
        if text is None:
            raise UsageError(
                f"Node {node_name(self)} has no signature. Write `signature = 'input -> output'` "
                f"in its class, or a dspy.Signature class."
            )
        if not isinstance(text, str):
            return text
        known = _parsed.setdefault(type(self), {})
        if text not in known:
            module = sys.modules.get(type(self).__module__)
            known[text] = _load_dspy().Signature(text, custom_types=vars(module) if module else {})
        return known[text]

    def _mismatch(self, state: Any, kind: str, name: str, method: str) -> UsageError:
        return UsageError(
            f"The signature of node {node_name(self)} has the {kind} `{name}`, but "
            f"{type(state).__name__} has no such field. Add it there, or write `{method}`."
        )

    def _unparsed(self, address: str, error: Any) -> ModelOutputError:
        """Say which outputs did not come, from what DSPy's parse error knows."""
        named = _UNPARSED_FIELD.match(error.message)
        parsed = error.parsed_result or {}
        fields = [name for name in error.signature.output_fields if name not in parsed]
        return ModelOutputError(
            address=address,
            node=node_name(self),
            fields=[named[1]] if named else fields,
            came=str(error.lm_response),
        )


def _load_dspy() -> ModuleType:
    return require("dspy", extra="dspy", purpose="A SignatureNode")


def _has_field(state: Any, name: str) -> bool:
    """Whether the state has data under this name; methods such as `copy` are none."""
    cls = type(state)
    return name in cls.model_fields or isinstance(getattr(cls, name, None), property)


def _jsonable(prediction: Any) -> Any:
    """The outputs as JSON-like data; what JSON has no form for becomes text."""
    to_jsonable: Callable[..., Any] = require(
        "pydantic_core", extra="dspy", purpose="A SignatureNode"
    ).to_jsonable_python
    outputs = dict(prediction.items()) if hasattr(prediction, "items") else prediction
    return to_jsonable(outputs, serialize_unknown=True, inf_nan_mode="strings")

"""Every exception that lift_sys raises on purpose: `except LiftError` catches each of them.

    LiftError
    |-- GraphError (ValueError)               the graph is wrong; said before anything runs
    |-- RunError                              a run could not be finished
    |   |-- NodeError                         one step failed, after all its attempts
    |   |-- ParallelExecutionError            a group of branches did not meet its strategy
    |   |   `-- StrategyNotMetError (MergeError)     ... as `merge_states` says it
    |   |-- UndeclaredSuccessorError (TypeError)   `run` returned what its annotation does not name
    |   |-- UndeclaredWriteError              a node changed a field outside its `writes`
    |   |-- UndeclaredReadError               a cached node looked at what is not in its cache key
    |   |-- SelfCancelledError                a node raised CancelledError, uncancelled
    |   |-- ModelOutputError (ValueError)     a model's answer is not what was asked for
    |   |-- StepLimitError                    the run took more steps than it may
    |   |-- BranchRejectedError               `accept` said no to a branch's result
    |   |-- PredicateError                    `accept` or `key` of a strategy raised
    |   `-- RunningLoopError (RuntimeError)   `run_sync`, `resume_sync` inside an event loop
    |-- StepTimeoutError (TimeoutError)       a deadline of one of the four layers passed
    |   `-- AbandonedThreadError              ... and the plain function is still running
    |-- StateError                            a state is not what it has to be
    |   |-- NotAModelError (TypeError)        the state is no pydantic model
    |   |-- UncopyableStateError (TypeError)  a value can't be isolated; it belongs into `deps`
    |   |-- StateValidationError (ValueError) a value is not what the model declares
    |   |-- CanonicalError (TypeError)        a value has no canonical form
    |   `-- SharedWriteError                  strict isolation saw a write to what branches share
    |-- MergeError                            branches can't be combined
    |   |-- MergeConflictError                two branches changed one path to unequal values
    |   |-- EmptyGroupError (ValueError)      nothing to run or to merge
    |   `-- ReducerError                      a reducer raised, or can't take these values
    |-- DurabilityError                       a run could not be kept, or gone on with
    |   |-- StoreError (OSError)              a store can't be read or written
    |   |-- FencedError                       another process has taken the run over
    |   |-- UnkeptValueError (TypeError)      a value that typed JSON can't carry
    |   |-- JournalError (ValueError)         facts are damaged, edited or of another run
    |   `-- ChangedGraphError                 graph or state are not what the run was begun with
    |-- ModelStartError (RuntimeError)        the embedded model's server did not start
    |-- UsageError                            wrong input from a person: command line, files, extras
    |   |-- MissingExtraError (ImportError)   a package of an extra is not installed
    |   |-- CassetteFileError (ValueError)    a file of recorded model calls can't be read
    |   |-- RunLogError (ValueError)          a log of repeated model calls is broken
    |   |-- MissingColumnError (LookupError)  ... or lacks a column that was asked for
    |   |-- UnknownRunError (LookupError)     no store has a run of this name
    |   |-- OtherInputError (ValueError)      a run of this name was begun with another input
    |   |-- AnswerError (ValueError)          an answer is to no question, or of another type
    |   |-- MissingSecretError (LookupError)  a secret of the state has to be given again
    |   `-- ModelNotFoundError (FileNotFoundError)   the embedded model's weights are not there
    |-- CassetteMissError (LookupError)       a cassette has no answer to what a model was asked
    |-- RecordedCallError (RuntimeError)      a recorded call had failed, and is replayed
    |-- DivergenceError (AssertionError)      runs that were to be equal differ
    |-- AttributionError                      what a difference comes from could not be looked for
    |-- DeadlockError                         a virtual clock saw that nothing can ever go on
    |-- StuckError                            a program on a controlled event loop never ends
    |-- UncontrolledError (RuntimeError)      an explored run does what no schedule controls
    |-- ScheduleError (ValueError)            a schedule string is broken, or of another program
    `-- UnscriptedPromptError (LookupError)   a scripted model was not told what to answer

An error that stands at a step carries its `address` ("0.2") and names the node, so that the text
reads "step 0.2 (fetch_data)". All of them pickle, causes included (`portable`).
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any


class LiftError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        usage: What the run that it ended had spent, a `UsageLedger` by address; None if it left
            no run.
    """

    usage: Any = None

    def __reduce__(self) -> tuple[Callable[..., LiftError], tuple[Any, ...]]:
        # Pickle would call cls(*args), which keyword-only arguments refuse, and it would drop
        # the cause; errors do cross process borders, and the cause is what a person needs.
        cause = self.__cause__ and portable(self.__cause__)
        fields = {
            name: cause if value is self.__cause__ else portable_value(value)
            for name, value in vars(self).items()
        }
        return _rebuild, (type(self), self.args, fields, cause)


def _rebuild(
    cls: type[LiftError], args: tuple[Any, ...], fields: dict[str, Any], cause: BaseException | None
) -> LiftError:
    error = cls.__new__(cls, *args)
    error.args = args
    vars(error).update(fields)
    error.__cause__ = cause
    return error


class RemoteCause(Exception):
    """Stands for an exception that can't be pickled: its type, text and traceback as text."""

    def __init__(self, type_name: str, text: str, trace: str) -> None:
        self.type_name, self.text, self.trace = type_name, text, trace
        super().__init__(type_name, text, trace)

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"


def portable(error: BaseException) -> BaseException:
    """Return `error` itself if it survives pickling, or else a `RemoteCause` that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        trace = "".join(traceback.format_exception(error))
        return RemoteCause(type(error).__qualname__, str(error), trace)
    return error


def portable_value(value: Any) -> Any:
    """What an error may carry over a process border: as it is, or its text."""
    if isinstance(value, BaseException):
        return portable(value)
    if isinstance(value, (list, tuple)):
        return type(value)(portable_value(item) for item in value)
    try:
        pickle.dumps(value)
    except Exception:
        return repr(value)
    return value


def at_step(address: str, node: str) -> str:
    """How every message names a step: `step 0.2 (fetch_data)`, or the node alone outside a run."""
    return f"step {address} ({node})" if address else f"node {node}"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _indented(error: BaseException) -> str:
    """The error's text; its further lines stand below its first one, not beside other errors."""
    return str(error).replace("\n", "\n    ")


def _listed(names: Sequence[str], *, most: int = 6) -> str:
    """Names for a sentence; of very many only the first ones."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _at_step(address: str, node: str) -> str:
    """As `at_step`, at the beginning of a sentence."""
    text = at_step(address, node)
    return text[0].upper() + text[1:]


# --- the graph ---------------------------------------------------------------------------------


class GraphError(LiftError, ValueError):
    """A graph is wrong. All its mistakes are in `mistakes`, one sentence each."""

    def __init__(self, *, graph: str, mistakes: Sequence[str]) -> None:
        self.graph = graph
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "".join(f"\n  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"Graph {graph!r} can't run: {count}.{lines}")


# --- a run -------------------------------------------------------------------------------------


class RunError(LiftError):
    """A run could not be finished."""


class NodeError(RunError):
    """One step failed for good. The original exception is `error` and `__cause__`.

    Attributes:
        address: Where the step stands in the run; empty outside a run.
        node: Name of the node.
        attempt: Number of the last attempt, from 1.
        elapsed: Seconds over all attempts.
    """

    def __init__(
        self, *, address: str, node: str, attempt: int, elapsed: float, error: BaseException
    ) -> None:
        self.address, self.node, self.attempt, self.elapsed = address, node, attempt, elapsed
        self.error = error
        tries = "" if attempt == 1 else f" in attempt {attempt}"
        text = str(error) or "no message"
        super().__init__(
            f"{_at_step(address, node)} failed{tries} after {_duration(elapsed)}: "
            f"{type(error).__name__}: {text}"
        )
        self.__cause__ = error


class ParallelExecutionError(RunError):
    """A group of parallel nodes did not meet its strategy; every failure is in it.

    Attributes:
        message: What was asked for and not met.
        failed_nodes: `(node, exception)` of each failure that occurred, in declared order.
        partial_results: The `NodeResult` of every node of the group, survivors included.
    """

    def __init__(
        self,
        message: str = "",
        *,
        failed_nodes: Sequence[tuple[Any, BaseException]] = (),
        partial_results: Sequence[Any] = (),
    ) -> None:
        self.message = message
        self.failed_nodes = list(failed_nodes)
        self.partial_results = list(partial_results)
        lines = "".join(
            f"\n  - {_node_name(node)}: {type(error).__name__}: {_indented(error)}"
            for node, error in self.failed_nodes
        )
        super().__init__(message + lines)


def _node_name(node: Any) -> str:
    return node if isinstance(node, str) else getattr(node, "name", None) or type(node).__name__


class UndeclaredSuccessorError(RunError, TypeError):
    """`run` returned a successor that its return annotation does not name."""

    def __init__(self, *, address: str, node: str, returned: str, declared: Sequence[str]) -> None:
        self.address, self.node, self.returned = address, node, returned
        self.declared = tuple(declared)
        allowed = " | ".join(self.declared) or "nothing"
        hint = f"Add it to the return annotation of `{node}.run`, or return one of these."
        if returned == "None":
            hint = "Did a path through `run` end without a `return`?"
        elif "(the class:" in returned:
            hint = "A successor is an instance."
        super().__init__(
            f"{_at_step(address, node)} returned {returned}, "
            f"but its annotation allows {allowed}. {hint}"
        )


class UndeclaredWriteError(RunError):
    """A node that declares its `writes` changed another field too."""

    def __init__(self, *, address: str, node: str, path: str, declared: Sequence[str]) -> None:
        self.address, self.node, self.path, self.declared = address, node, path, tuple(declared)
        super().__init__(
            f"{_at_step(address, node)} changed `{path}`, "
            f"but declares writes = {self.declared!r}. Add the field there, or leave it alone."
        )


class UndeclaredReadError(RunError):
    """A cached node looked at something that is no part of its cache key.

    Attributes:
        path: What it looked at, such as `state.draft` or `ctx.user_id`.
    """

    def __init__(self, *, address: str, node: str, path: str, declared: Sequence[str]) -> None:
        self.address, self.node, self.path, self.declared = address, node, path, tuple(declared)
        root, _, name = path.partition(".")
        if root == "state":
            told = f"but is cached and declares reads = {self.declared!r}"
            mend = "Add the field there, or remove `reads` to make the whole state its input."
        else:
            told = "which is no part of its cache key"
            mend = f"Name it, `cache = CachePolicy(inputs=({name!r},))`, or leave it alone."
        super().__init__(f"{_at_step(address, node)} reads `{path}`, {told}. {mend}")


class SelfCancelledError(RunError):
    """A node raised `CancelledError` although nobody had cancelled it: a failure like any other."""

    def __init__(self, *, address: str, node: str) -> None:
        self.address, self.node = address, node
        super().__init__(
            f"{_at_step(address, node)} raised CancelledError by itself, or awaited "
            f"something that had been cancelled; the run was not."
        )


class StepLimitError(RunError):
    """A run took more steps than it may; usually a cycle in the graph that never ends."""

    def __init__(self, *, address: str, node: str, max_steps: int) -> None:
        self.address, self.node, self.max_steps = address, node, max_steps
        super().__init__(
            f"The run was stopped before {at_step(address, node)}: it had taken {max_steps} steps "
            f"already. If that many are right, raise `max_steps=` of the executor."
        )


class BranchRejectedError(RunError):
    """A branch ended without an error, but `accept` refused its result."""

    def __init__(self, *, address: str, node: str) -> None:
        self.address, self.node = address, node
        super().__init__(f"The result of {at_step(address, node)} was not accepted.")


class PredicateError(RunError):
    """A strategy's `accept` or `key` could not say anything about a branch: it raised.

    Attributes:
        what: "accept" or "key".
        branch: `address:node` of the branch that it was asked about.
        error: What it raised; None if it was an `async def`, whose answer nobody awaits.
    """

    def __init__(self, *, what: str, branch: str, error: BaseException | None) -> None:
        self.what, self.branch, self.error = what, branch, error
        why = (
            "is an `async def`. Make it a plain function of what the branch has left"
            if error is None
            else f"raised {type(error).__name__}: {error}"
        )
        super().__init__(f"`{what}=` of the strategy, asked about branch {branch!r}, {why}.")


class RunningLoopError(RunError, RuntimeError):
    """A blocking call was made where an event loop is running already."""

    def __init__(self, *, call: str, instead: str) -> None:
        self.call, self.instead = call, instead
        super().__init__(
            f"`{call}` can't block here: an event loop is running (a notebook, a server, an async "
            f"test). Write `{instead}`."
        )


class StepTimeoutError(LiftError, TimeoutError):
    """A deadline passed. `layer` says which: "attempt", "node", "group" or "run"."""

    def __init__(self, *, layer: str, seconds: float, address: str = "", node: str = "") -> None:
        self.layer, self.seconds, self.address, self.node = layer, seconds, address, node
        where = f" at {at_step(address, node)}" if node else ""
        super().__init__(f"The {layer} timeout of {seconds:g} s passed{where}.")


class AbandonedThreadError(StepTimeoutError):
    """A plain `def run` passed its deadline; its thread can't be stopped and its writes are lost."""

    def __init__(self, *, layer: str, seconds: float, address: str = "", node: str = "") -> None:
        super().__init__(layer=layer, seconds=seconds, address=address, node=node)
        self.args = (
            f"{self.args[0]} `run` is a plain function, which can't be interrupted: its thread goes "
            f"on, what it writes is discarded, its slot stays taken until it ends, and it is not "
            f"retried. Make it `async def` if it has to stop.",
        )


# --- state -------------------------------------------------------------------------------------


class StateError(LiftError):
    """A state is not what it has to be."""


class UncopyableStateError(StateError, TypeError):
    """A value in the state can't be copied, so branches could not be kept apart."""

    def __init__(self, *, path: str, type_name: str, reason: str) -> None:
        self.path, self.type_name, self.reason = path, type_name, reason
        super().__init__(
            f"`{path}` holds a {type_name}, which can't be copied for a branch ({reason}). "
            f"Services, locks, clients and open files belong into `deps`, which all nodes share."
        )


class StateValidationError(StateError, ValueError):
    """A value in the state is not what its model declares.

    Attributes:
        problems: `(path, message)` of each.
        writers: Who wrote the values, as `address:node`; two or more after a join.
    """

    def __init__(
        self, *, problems: Sequence[tuple[str, str]], writers: Sequence[str], joined: bool = False
    ) -> None:
        self.problems, self.writers, self.joined = tuple(problems), tuple(writers), joined
        who = _listed(self.writers) or "the caller"
        verb = "Joined, the changes of" if joined else "What was written by"
        end = "make an invalid state" if joined else "is invalid"
        lines = "".join(f"\n  - `{path}`: {message}" for path, message in self.problems)
        super().__init__(f"{verb} {who} {end}:{lines}")


class CanonicalError(StateError, TypeError):
    """A value has no canonical form, so that it can be neither compared nor hashed."""

    def __init__(self, *, path: str, type_name: str, reason: str) -> None:
        self.path, self.type_name, self.reason = path, type_name, reason
        super().__init__(
            f"`{path}` holds a {type_name}, which has no canonical form ({reason}). "
            f"Keep plain data in the state; put services into `deps`."
        )


class NotAModelError(StateError, TypeError):
    """The state is no pydantic model."""

    def __init__(self, *, type_name: str, expected: str = "a pydantic model") -> None:
        self.type_name, self.expected = type_name, expected
        super().__init__(
            f"The state has to be {expected}, not {type_name}: declare "
            f"`class State(BaseModel)` with your fields, and give an instance of it."
        )


class SharedWriteError(StateError):
    """Strict isolation: what branches or runs share was written to while they ran."""

    def __init__(self, *, what: str, paths: Sequence[str], suspects: Sequence[str]) -> None:
        self.what, self.paths, self.suspects = what, tuple(paths), tuple(suspects)
        where = ", ".join(f"`{path}`" for path in self.paths)
        who = ", ".join(self.suspects)
        super().__init__(
            f"{what} changed while branches ran: {where}. Suspects: {who}. A node may write to "
            f"`ctx.state` only; keep no reference to another step's state or to shared objects."
        )


# --- merging -----------------------------------------------------------------------------------


class MergeError(LiftError):
    """Branches can't be combined."""


class MergeConflictError(MergeError):
    """Two branches changed one path to unequal values.

    Attributes:
        path: Where, as an expression on the state: `plan`, `notes['a'].text`.
        branches: `address:node` of the first two that disagree.
        values: What each of them wrote, in the same order, as text.
    """

    def __init__(
        self, *, path: str, branches: tuple[str, str], values: tuple[str, str], reason: str = ""
    ) -> None:
        self.path, self.branches, self.values, self.reason = path, branches, values, reason
        (first, second), (one, two) = branches, values
        why = f" ({reason})" if reason else ""
        reducer = (
            "Give the field a reducer (`Annotated[..., Append()]`, see lift_sys.reducers), let"
        )
        if path.startswith("metadata["):
            reducer = "Give the key a reducer (`ParallelExecutor(metadata_reducers=...)`), let"
        elif reason:  # that its reducer has found
            reducer = "Let"
        super().__init__(
            f"Branches {first!r} and {second!r} both changed `{path}`, to different values{why}: "
            f"{one} and {two}. {reducer} the branches write different fields, or keep one branch "
            f"with MergeStrategy.FIRST_SUCCESS."
        )


class EmptyGroupError(MergeError, ValueError):
    """There is nothing to run or to merge."""

    def __init__(self, *, call: str) -> None:
        self.call = call
        super().__init__(
            f"`{call}` got an empty list. Give it at least one; in a graph, a Fork without "
            f"nodes joins at once."
        )


class ReducerError(MergeError):
    """A reducer raised, or was given values that it can't combine."""

    def __init__(self, *, path: str, reducer: str, branches: Sequence[str], reason: str) -> None:
        self.path, self.reducer, self.branches, self.reason = path, reducer, tuple(branches), reason
        who = _listed(self.branches)
        super().__init__(f"Reducer {reducer} can't combine `{path}` of {who}: {reason}.")


# --- people ------------------------------------------------------------------------------------


class UsageError(LiftError):
    """What a person gave us can't be used: an argument, a file, a setting."""


class MissingExtraError(UsageError, ImportError):
    """A package that an extra installs is needed and not there."""

    def __init__(self, *, module: str, extra: str, purpose: str) -> None:
        self.module, self.extra, self.purpose = module, extra, purpose
        super().__init__(f"{purpose} needs the package `{module}`: pip install 'lift_sys[{extra}]'")


class ModelNotFoundError(UsageError, FileNotFoundError):
    """The weights of the embedded model are not on this machine."""

    def __init__(self, *, looked_in: Sequence[str]) -> None:
        self.looked_in = tuple(looked_in)
        places = "".join(f"\n  - {place}" for place in self.looked_in)
        super().__init__(
            f"The weights of the embedded model were not found. Fetch them once (93 MB) with "
            f"`lift model pull`. Looked in:{places}"
        )


class ModelStartError(LiftError, RuntimeError):
    """The embedded model's server did not become ready.

    Attributes:
        reason: What happened, as a clause: "its process ended with code 1".
        log: The last lines that it wrote.
    """

    def __init__(self, *, reason: str, log: str = "") -> None:
        self.reason, self.log = reason, log
        tail = f" It wrote last:\n{log}" if log else " It wrote nothing."
        super().__init__(
            f"The embedded model did not start: {reason}. It needs about 300 MB of free memory; "
            f"on a busy machine a larger `start_timeout=` may help.{tail}"
        )


# --- tests -------------------------------------------------------------------------------------


class DeadlockError(LiftError):
    """Under a virtual clock every task waits, and nothing is left that could wake one of them.

    Attributes:
        elapsed: Virtual seconds at which it happened.
        waiting: For each task its name, and the lines where it waits.
    """

    def __init__(self, *, elapsed: float, waiting: Sequence[str]) -> None:
        self.elapsed, self.waiting = elapsed, tuple(waiting)
        lines = "".join(f"\n  - {text}" for text in self.waiting)
        super().__init__(
            f"Deadlock after {elapsed:g} virtual s: no task can go on, no timer is set, and no "
            f"socket or thread of the loop is at work. If something outside the loop was to wake "
            f"it, wait for that inside `with clock.hold():`. Waiting are:{lines}"
        )


class StuckError(LiftError):
    """A program on a controlled event loop waits for what never comes, or never ends.

    Attributes:
        waiting: For each task its name, and the line where it waits.
    """

    def __init__(self, *, waiting: Sequence[str]) -> None:
        self.waiting = tuple(waiting)
        lines = "".join(f"\n  - {text}" for text in self.waiting)
        super().__init__(f"It never ends: no task can come any further. Waiting are:{lines}")


class UncontrolledError(LiftError, RuntimeError):
    """An explored run did something that no schedule controls, such as opening a socket.

    Attributes:
        what: What it was, as the first clause of a sentence.
    """

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} while schedules are explored. Take the answers from a cassette, await them "
            f"through `outside(...)`, or give the code something in memory to talk to."
        )


class ScheduleError(LiftError, ValueError):
    """A schedule string can't be read, or does not belong to this program.

    Attributes:
        schedule: The string.
        reason: What is wrong with it.
    """

    def __init__(self, *, schedule: str, reason: str) -> None:
        self.schedule, self.reason = schedule, reason
        super().__init__(
            f"The schedule {schedule!r} can't be replayed: {reason}. A schedule belongs to one "
            f"target, state and version of the code: explore again to get a new one."
        )


class UnscriptedPromptError(LiftError, LookupError):
    """A `ScriptedModel` was asked something for which its script has no answer.

    Attributes:
        prompt: What it was asked.
        script: What it could have answered, in words.
    """

    def __init__(self, *, prompt: str, script: str) -> None:
        self.prompt, self.script = prompt, script
        super().__init__(
            f"The scripted model has no answer: {script}. Add one to its script. "
            f"The prompt was:\n{prompt}"
        )


# --- language models ---------------------------------------------------------------------------


class ModelOutputError(RunError, ValueError):
    """A model answered, but not with what its node asks for. The framework's error is the cause.

    Attributes:
        address: Where the step stands in the run; empty outside a run, or where it is not known.
        node: Name of the node.
        fields: The outputs that are missing or of a wrong type; empty if none can be named.
        came: What the model answered, as text.
        reason: What is wrong with it, if the framework says so.
    """

    def __init__(
        self,
        *,
        address: str = "",
        node: str,
        fields: Sequence[str] = (),
        came: str,
        reason: str = "",
    ) -> None:
        self.address, self.node, self.fields = address, node, tuple(fields)
        self.came, self.reason = came, reason
        wanted = " and ".join(f"`{field}`" for field in self.fields)
        what = f"no valid {wanted}" if wanted else "no valid answer"
        why = f" ({reason})" if reason else ""
        # A whole answer can be pages long; its start shows the form that it took.
        shown = came if len(came) <= 500 else f"{came[:500]}... ({len(came)} characters)"
        super().__init__(
            f"The model gave {what} in {at_step(address, node)}{why}. It said: {shown!r}. To ask "
            f"it again, name this error in `retry_on` of the node's RetryPolicy."
        )


# --- recorded model calls ----------------------------------------------------------------------


class CassetteFileError(UsageError, ValueError):
    """A file of recorded model calls can't be used.

    Attributes:
        path: The file.
        line: Number of the line that is wrong, from 1; 0 if it is not about one line.
        reason: What is wrong, as a clause.
    """

    def __init__(self, *, path: str, line: int = 0, reason: str, advice: str = "") -> None:
        self.path, self.line, self.reason = path, line, reason
        where = f"{path}, line {line}" if line else path
        advice = advice or "Mend it, or record it anew with `mode='record'`."
        super().__init__(f"The cassette {where} can't be used: {reason}. {advice}")


class CassetteMissError(LiftError, LookupError):
    """A cassette has no answer to what a model was asked.

    Attributes:
        path: The cassette.
        address: Where the step that asked stands in the run; empty outside a run.
        node: Its node, where that is known.
        reason: What is missing, as a sentence.
        differences: Paths in the request where it differs from the nearest recorded one, with the
            recorded and the asked value: `$.messages[1].content: 'a' vs 'b'`.
    """

    def __init__(
        self,
        *,
        path: str,
        address: str = "",
        node: str = "",
        reason: str,
        differences: Sequence[str] = (),
        advice: str = "",
    ) -> None:
        self.path, self.address, self.node = path, address, node
        self.reason, self.differences = reason, tuple(differences)
        who = at_step(address, node) if node else f"step {address}" if address else "A call"
        lines = "".join(f"\n  - {line}" for line in self.differences)
        hint = advice or (
            "If the change is wanted, record what is missing with `mode='auto'`, or all of it with "
            "`mode='record'`."
        )
        super().__init__(
            f"{who[0].upper()}{who[1:]} asked a model what the cassette {path} has no answer to. "
            f"{reason}{lines}\n{hint}"
        )


class RecordedCallError(LiftError, RuntimeError):
    """A recorded call to a model had failed, in a way that only its text is left of.

    Attributes:
        type_name: Type of the error that was recorded.
        message: Its text.
    """

    def __init__(self, *, type_name: str, message: str) -> None:
        self.type_name, self.message = type_name, message
        super().__init__(
            f"When it was recorded, this call to a model failed with {type_name}: {message} To ask "
            f"the model again, record with `mode='auto'`."
        )


# --- the executor without a graph ----------------------------------------------------------------


class StrategyNotMetError(ParallelExecutionError, MergeError):
    """The results given to `merge_states` do not meet its strategy, so they can't be combined.

    To its caller the call is a merge, which code of the first design guards by `except MergeError`;
    a fork of a graph that does not meet its strategy raises the plain `ParallelExecutionError`.
    """


# --- determinism: attribution ---------------------------------------------------------------------


class AttributionError(LiftError):
    """Runs could not be made, or not be compared, so nothing can be said about their differences."""


class LoadError(AttributionError):
    """The target can't be had in the process that was to run it: its module can't be imported there."""


# --- determinism: checks --------------------------------------------------------------------------


class DivergenceError(LiftError, AssertionError):
    """Runs that were to be equal differ, or all failed; the text is the report.

    Attributes:
        report: The `DeterminismReport`.
    """

    def __init__(self, *, report: Any) -> None:
        self.report = report
        name = getattr(report, "target", "The target")
        agree = getattr(report, "deterministic", False)  # then it is failures that agree
        said = f"{name}: {report.headline}" if agree else f"{name} is not deterministic"
        super().__init__(f"{said}\n{report}")


# --- determinism: logs of runs --------------------------------------------------------------------


class RunLogError(UsageError, ValueError):
    """A log of repeated model calls can't be used.

    Attributes:
        place: Where: the file, or its line as `runs.jsonl:12`.
        reason: What is wrong there, as a clause.
    """

    def __init__(self, *, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"{place}: {reason}.")


class MissingColumnError(UsageError, LookupError):
    """A log of repeated model calls has no such column.

    Attributes:
        column: What was asked for.
        columns: Those there are, nested ones as dotted paths.
        meant: The one that may have been meant; empty if none is close.
    """

    def __init__(self, *, column: str, columns: Sequence[str], meant: str = "") -> None:
        self.column, self.columns, self.meant = column, tuple(columns), meant
        hint = f" Did you mean {meant!r}?" if meant else ""
        known = _listed(self.columns, most=40) or "none"
        super().__init__(f"There is no column {column!r}.{hint} The columns are: {known}.")


class DurabilityError(LiftError):
    """A run could not be kept, or gone on with; it ends the run."""


class StoreError(DurabilityError, OSError):
    """A store can't be read or written.

    Attributes:
        store: Which one, as a person would name it; never with a password.
        reason: What is wrong, and what to do.
    """

    def __init__(self, *, store: str, reason: str) -> None:
        self.store, self.reason = store, reason
        super().__init__(f"{store}: {reason}")

    def __str__(self) -> str:
        return f"{self.store}: {self.reason}"


class FencedError(DurabilityError):
    """Another process has taken the run over, so this one's work is no longer kept."""

    def __init__(self, *, execution_id: str) -> None:
        self.execution_id = execution_id
        super().__init__(
            f"The run {execution_id!r} was taken over by another process; what this one still did "
            f"was not kept. Let the newer one finish it."
        )


class UnkeptValueError(DurabilityError, TypeError):
    """A value can't be kept as typed JSON.

    Attributes:
        path: Where it stands, such as `state.plan[0]` or `Search.client`.
        type_name: Its type.
        reason: Why not, and where it belongs instead.
        address, node: The step that left it there; "" before the first one.
    """

    def __init__(
        self, *, path: str, type_name: str, reason: str, address: str = "", node: str = ""
    ) -> None:
        self.path, self.type_name, self.reason = path, type_name, reason
        self.address, self.node = address, node
        where = f"{_at_step(address, node)}: " if address else ""
        super().__init__(f"{where}{path} is a {type_name}, which can't be kept: {reason}")

    def at_step(self, address: str, node: str) -> UnkeptValueError:
        """The same error, of a step."""
        return UnkeptValueError(
            path=self.path,
            type_name=self.type_name,
            reason=self.reason,
            address=address,
            node=node,
        )


class JournalError(DurabilityError, ValueError):
    """Facts of a run are damaged, were edited, or don't fit together.

    Attributes:
        execution_id: The run.
        address: The step whose fact it is; "" for the run itself.
        reason: What is wrong.
    """

    def __init__(
        self,
        *,
        execution_id: str,
        address: str,
        reason: str,
        advice: str = "Restore a copy of the store, or start a new run.",
    ) -> None:
        self.execution_id, self.address, self.reason = execution_id, address, reason
        where = f" at step {address}" if address else ""
        super().__init__(f"The journal of run {execution_id!r} is wrong{where}: {reason}. {advice}")


class ChangedGraphError(DurabilityError):
    """The graph, or its state's type, is not what the run was begun with.

    Attributes:
        execution_id: The run.
        differences: What has changed, a line each.
    """

    def __init__(self, *, execution_id: str, differences: Sequence[str]) -> None:
        self.execution_id, self.differences = execution_id, tuple(differences)
        listed = "".join(f"\n  {line}" for line in differences)
        super().__init__(
            f"The run {execution_id!r} was begun with another version of the code:{listed}\n"
            f"Go on with that version, start a new run, or give `migrations=` to change what was "
            f"recorded."
        )


class UnknownRunError(UsageError, LookupError):
    """No run has this name."""

    def __init__(self, *, execution_id: str, store: str) -> None:
        self.execution_id, self.store = execution_id, store
        super().__init__(
            f"unknown run {execution_id!r} in {store}; `lift runs` lists what there is"
        )

    def __str__(self) -> str:
        return str(self.args[0])


class OtherInputError(UsageError, ValueError):
    """A run of this name was begun with another input.

    Attributes:
        execution_id: The run.
        differences: What differs, a line each.
    """

    def __init__(self, *, execution_id: str, differences: Sequence[str]) -> None:
        self.execution_id, self.differences = execution_id, tuple(differences)
        super().__init__(
            f"A run {execution_id!r} was begun with another input: {'; '.join(differences)}. Take "
            f"another execution_id, or the same input, or go on with that run: `graph.resume`."
        )


class AnswerError(UsageError, ValueError):
    """An answer is to no question of the run, or is not of the type that was asked for.

    Attributes:
        key: The answer's key.
        reason: What is wrong with it, and what to do.
    """

    def __init__(self, *, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"The answer {key!r}: {reason}")


class SecretError(UsageError):
    """Secrets that were given to go on with a run, or were not."""


class UnfitSecretError(SecretError, ValueError):
    """A secret that was given is not of the type that its place asks for; it is not shown.

    Attributes:
        path: Of the secret, such as `api_key` or `0.1:token`.
        reason: What is wrong with it.
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"The given secret {path!r} is not fit: {reason}")


class MissingSecretError(SecretError, LookupError):
    """Secrets are never written, so they have to be given again.

    Attributes:
        paths: Which ones, such as `api_key` or `mail.password`.
    """

    def __init__(self, *, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        given = ", ".join(f"{path!r}: ..." for path in paths)
        options = " ".join(f"--secret {quote(f'{path}=ENV_NAME')}" for path in paths)
        super().__init__(
            f"Secrets are never written, so these have to be given again: {', '.join(paths)}. "
            f"Give them as `secrets={{{given}}}` (to `resume`, `replay` or `load_context`); on the "
            f"command line: {options}."
        )

    def __str__(self) -> str:
        return str(self.args[0])

"""What the marks of a test may say, checked before the test runs.

A mistake in a mark is the user's: it is told as one, with the test and what to write instead, and
never as a failure somewhere inside of this package.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from lift_sys.core.likeness import closest
from lift_sys.determinism.check import check_determinism
from lift_sys.determinism.exploration import explore

# What the plugin itself hands to the functions whose options the marks take.
_OURS = {"target", "state", "recordings", "on_repeat"}
_FIRST = {"deterministic": "runs", "schedules": "budget"}
_OPTIONS = {
    "deterministic": set(inspect.signature(check_determinism).parameters) - _OURS,
    "schedules": set(inspect.signature(explore).parameters) - _OURS | {"replay"},
}
_NUMBERS = {"budget", "seed", "limit", "max_concurrent"}
_TEXTS = {"strategy", "space", "replay"}


def arguments_of(mark: pytest.Mark, nodeid: str) -> dict[str, Any]:
    """The arguments of `mark` by name; the test of that id fails where they can't be used."""
    first = _FIRST[mark.name]
    given = {**dict(zip([first], mark.args, strict=False)), **mark.kwargs}
    reason = None
    if len(mark.args) > 1:
        reason = f"it takes `{first}` and keywords, not {len(mark.args)} arguments without a name."
    elif mark.args and first in mark.kwargs:
        reason = f"it takes `{first}` once."
    reason = reason or next(filter(None, (_mistake(mark, *item) for item in given.items())), None)
    if reason is not None:
        raise refusal(mark.name, nodeid, reason)
    return given


def refusal(mark: str, nodeid: str, reason: object) -> BaseException:
    """The failure of a test whose mark can't be used."""
    return pytest.fail.Exception(f"{nodeid}: @pytest.mark.{mark}: {reason}", pytrace=False)


def _mistake(mark: pytest.Mark, name: str, value: Any) -> str | None:
    """What is wrong with one argument, as far as the function that takes it would not say it."""
    names = _OPTIONS[mark.name]
    if name not in names:
        close = closest(name, names)
        meant = f"Did you mean `{close}`?" if close else f"It takes {', '.join(sorted(names))}."
        return f"it takes no `{name}`. {meant}"
    if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int)):
        return f"`{name}=` has to be a whole number, not {value!r}."
    if name in {"budget", "max_concurrent"} and value < (least := int(name != "budget")):
        return f"`{name}=` has to be {least} or more, not {value!r}."
    if mark.name == "schedules" and name in _TEXTS and not isinstance(value, str):
        return f"`{name}=` has to be text, not {value!r}."
    if name == "attribute" and not isinstance(value, bool):
        return f"`attribute=` has to be True or False, not {value!r}."
    return None

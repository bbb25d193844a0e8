"""The process's own generators: `random.*` and `numpy.random.*`, which everybody shares.

A run seeds them with its level. They stay shared, because draws in completion order are a culprit
of their own; the probe `streams` takes that away, by a generator for each task.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lift_sys.determinism.attribution.controls import Controls, task_label
from lift_sys.determinism.attribution.patches.aliases import Replacements

_NOT_DRAWS = {"seed", "getstate", "setstate", "get_state", "set_state", "get_bit_generator"}


def patch_rng(controls: Controls, replaced: Replacements) -> None:
    """Patch the functions of `random`, and numpy's if it has been imported."""
    inner: Any = random._inst
    for name in dir(random):
        function = getattr(random, name)
        if getattr(function, "__self__", None) is inner and name not in _NOT_DRAWS:
            replaced.put(random, name, _drawing(controls, f"random.{name}", name, function))
    patch_numpy(controls, replaced)


def _drawing(
    controls: Controls, call: str, name: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    others: dict[tuple[str, int], random.Random] = {}

    def draw(*args: Any, **kwargs: Any) -> Any:
        if not controls.active:
            return function(*args, **kwargs)
        assert controls.setting is not None
        level = controls.asked("rng", call)
        if "streams" in controls.setting.probes:
            return getattr(controls.stream("rng", level), name)(*args, **kwargs)
        if level and "rng" in controls.setting.only:
            # Only this place is moved: its draws come from another generator, and the shared one
            # goes on as it would have, so that the places that follow see no difference.
            function(*_copied(args), **kwargs)
            other = others.setdefault((call, level), random.Random(f"{call}:{level}"))
            return getattr(other, name)(*args, **kwargs)
        return function(*args, **kwargs)

    return draw


def _copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments for a draw that is thrown away: `shuffle` must not touch the user's list."""
    return tuple(list(arg) if isinstance(arg, list) else arg for arg in args)


def seed_shared(level: int) -> None:
    """Seed what everybody shares; called at the start of each run."""
    random.seed(f"shared:{level}")
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed(1000 + level)


def stream_instances(controls: Controls) -> None:
    """For the probe `streams`: every `random.Random` draws from a stream of the drawing task.

    All other methods of a generator are made of these two, so replacing them is enough. The child
    that does it ends with its run.
    """

    def drawn(name: str) -> Callable[..., Any]:
        def draw(self: random.Random, *args: Any) -> Any:
            controls.asked("rng", f"random.Random.{name}")
            private = random.Random(f"{task_label.get()}:{controls.next_count('streams')}")
            return getattr(super(random.Random, private), name)(*args)

        return draw

    for name in ("random", "getrandbits"):
        setattr(random.Random, name, drawn(name))


def patch_numpy(controls: Controls, replaced: Replacements) -> None:
    """Patch numpy's shared generator and `default_rng`; nothing if numpy is not imported."""
    module: ModuleType | None = sys.modules.get("numpy.random")
    if module is None or hasattr(module, "_lift_sys_patched"):
        return
    vars(module)["_lift_sys_patched"] = True
    shared: Any = module.mtrand._rand
    for name in dir(module):
        function = getattr(module, name)
        if getattr(function, "__self__", None) is shared and name not in _NOT_DRAWS:
            replaced.put(module, name, _numpy_draw(controls, name, function))
    real = module.default_rng

    def default_rng(seed: Any = None) -> Any:
        if seed is None and controls.active:
            level = controls.asked("entropy", "numpy.random.default_rng")
            seed = int.from_bytes(controls.random_bytes(16, level))
        return real(seed)

    replaced.put(module, "default_rng", default_rng)


def _numpy_draw(controls: Controls, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        if not controls.active:
            return function(*args, **kwargs)
        assert controls.setting is not None
        numpy = sys.modules["numpy.random"]
        level = controls.asked("rng", f"numpy.random.{name}")
        private = None
        if "streams" in controls.setting.probes:
            private = controls.stream("numpy", level).getrandbits(32)
        elif level and "rng" in controls.setting.only:
            function(*_copied(args), **kwargs)
            private = controls.stream(f"numpy.{name}", level).getrandbits(32)
        if private is None:
            return function(*args, **kwargs)
        return getattr(numpy.RandomState(private), name)(*args, **kwargs)

    return draw

"""Lazy package exports (PEP 562): `import lift_sys` loads no heavy package until a name is used.

Before editing: the mapping says where each public name lives, and nothing else may be imported at
the top of a package `__init__`; one eager import there costs every user its whole import time.

Usage in a package `__init__`::

    __getattr__, __dir__ = attach(__name__, {"clock": ["VirtualClock", "run_virtual"]})
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    module_name: str, exports: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the two module functions that import a package's public names on first use.

    A name is stored in the package once it has been found, so that later uses cost a dictionary
    look-up. Submodules named in the mapping are reachable as attributes too.

    Args:
        module_name: The package's `__name__`.
        exports: Submodule (relative to the package, dots allowed) to the names it provides.

    Returns:
        `(__getattr__, __dir__)`, to be bound at the package's module level.

    Raises:
        ValueError: Two submodules claim the same name.
    """
    home: dict[str, str] = {}
    for submodule, names in exports.items():
        for name in names:
            if name in home:
                raise ValueError(
                    f"{module_name}: {name!r} is exported by both {home[name]!r} and "
                    f"{submodule!r}; keep one of them"
                )
            home[name] = submodule
    submodules = {submodule for submodule in exports if "." not in submodule}

    def __getattr__(name: str) -> Any:
        if name in home:
            value = getattr(import_module(f"{module_name}.{home[name]}"), name)
            setattr(sys.modules[module_name], name, value)
            return value
        if name in submodules:
            return import_module(f"{module_name}.{name}")
        known = ", ".join(sorted(home))
        message = f"module {module_name!r} has no attribute {name!r}; it exports: {known}"
        raise AttributeError(message, name=name, obj=sys.modules.get(module_name))

    def __dir__() -> list[str]:
        present = vars(sys.modules[module_name])
        return sorted({*present, *home, *submodules})

    return __getattr__, __dir__

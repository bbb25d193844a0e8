"""Guards tell much quicker than pictures that nothing has changed; that one fails means nothing.

They compare which things there are, never what they are like. Before editing: this is run after
every step, over all that is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import is_
from types import FunctionType
from typing import Any


class Guard:
    """Holds while what was added has the very things that it had."""

    __slots__ = ("_classes", "_dicts", "_functions", "_items", "_owners", "_reads")

    def __init__(self) -> None:
        self._reads: list[tuple[Callable[[], Any], Any]] = []
        self._items: list[tuple[Collection[Any], tuple[Any, ...]]] = []
        self._dicts: list[tuple[dict[Any, Any], tuple[Any, ...], tuple[Any, ...]]] = []
        self._owners: list[tuple[Any, dict[str, Any]]] = []
        self._classes: list[tuple[type, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]] = []
        self._functions: list[tuple[FunctionType, tuple[Any, ...]]] = []

    def add_read(self, read: Callable[[], Any], value: Any) -> None:
        """`read` returns this value."""
        self._reads.append((read, value))

    def add_items(self, items: Collection[Any]) -> None:
        """A list, deque or set has these items, in this order."""
        self._items.append((items, tuple(items)))

    def add_dict(self, items: dict[Any, Any]) -> None:
        """A dict has these keys and values, in this order."""
        self._dicts.append((items, tuple(items), tuple(items.values())))

    def add_attributes(self, owner: Any, attributes: dict[str, Any]) -> None:
        """An object has this `__dict__`, and that these values."""
        self._owners.append((owner, attributes))
        self.add_dict(attributes)

    def add_class(self, cls: type) -> None:
        """A class has these attributes, bases and names."""
        own = vars(cls)
        named = cls.__name__, cls.__qualname__, cls.__bases__
        self._classes.append((cls, named, tuple(own), tuple(own.values())))

    def add_function(self, function: FunctionType) -> None:
        """A function has this code, these defaults and names."""
        self._functions.append((function, _made_of(function)))
        if function.__kwdefaults__ is not None:
            self.add_dict(function.__kwdefaults__)
        self.add_attributes(function, function.__dict__)

    def add(self, other: Guard) -> None:
        """All that another one guards."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(other, name))

    def holds(self) -> bool:
        """Whether everything is sure to be as it was."""
        for read, value in self._reads:
            if read() is not value:
                return False
        for owner, attributes in self._owners:
            if owner.__dict__ is not attributes:
                return False
        for keyed, keys, values in self._dicts:
            if len(keyed) != len(keys) or not all(map(is_, keyed, keys)):
                return False
            if not all(map(is_, keyed.values(), values)):
                return False
        for now, was in self._items:
            if len(now) != len(was) or not all(map(is_, now, was)):
                return False
        for function, made_of in self._functions:
            if not all(map(is_, _made_of(function), made_of)):
                return False
        for cls, (name, qualname, bases), keys, values in self._classes:
            own = cls.__dict__
            if len(own) != len(keys) or not all(map(is_, own.values(), values)):
                return False
            if not all(map(is_, own, keys)) or cls.__bases__ is not bases:
                return False
            if cls.__name__ is not name or cls.__qualname__ is not qualname:
                return False
        return True


def _made_of(function: FunctionType) -> tuple[Any, ...]:
    return (
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        function.__name__,
        function.__qualname__,
        function.__doc__,
    )

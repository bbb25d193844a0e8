"""Lazy states: a field is copied out of the snapshot when it is first touched.

A lazy state is an instance of a subclass of the user's model, with an empty `__dict__` and a
reference to the snapshot's root. Reading a field, or assigning one, fills in just that field; any
look at `__dict__` itself (`model_dump`, `==`, `repr`, pickling, pydantic-core) fills in all of
them, because the subclass answers that attribute with a property. Since the snapshot can't be
changed by anybody, what is copied late is what would have been copied early.

A lazy state can have *hidden* fields, which nobody may look at before they were assigned: that is
how a cached node is held to what it declares to read.
"""

from __future__ import annotations

import copy
from abc import ABCMeta
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from lift_sys.state.keyed import ModelPart
from lift_sys.state.leaves import per_key
from lift_sys.state.parts import Part

_new = object.__new__
raw_dict = BaseModel.__dict__["__dict__"].__get__
_set_raw_dict = BaseModel.__dict__["__dict__"].__set__
# Pydantic's own `__setattr__` looks into `__dict__`; a plain field needs none of what it does.
_PLAIN_SETATTR = BaseModel.__setattr__
_OWN_SLOTS = ("__lift_part__", "__lift_deleted__", "__lift_hidden__", "__lift_refuse__")
_SLOTS = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


@per_key
def can_be_lazy(origin: type[BaseModel]) -> bool:
    """Whether making a subclass of `origin` does nothing that a user would notice."""
    return not any(
        "__init_subclass__" in vars(base)
        for base in origin.__mro__
        if base.__module__.partition(".")[0] not in {"builtins", "typing", "pydantic"}
    )


def _refuse_nothing(name: str) -> None:
    """Nothing is hidden."""


def lazy_copy(
    part: ModelPart,
    *,
    hidden: frozenset[str] = frozenset(),
    refuse: Callable[[str], None] = _refuse_nothing,
) -> Any:
    """A lazy state that shows `part`; extras and private attributes are copied at once.

    Args:
        part: What to show.
        hidden: Fields, among `hideable(part)`, of which none may be looked at.
        refuse: Called with the name of one that is; it raises.
    """
    state = _new(_lazy_class(part.cls))
    lazy_names = _lazy_names(part.cls)
    values = {
        name: value.copy() if isinstance(value, Part) else value
        for name, value in part.values.items()
        if name not in lazy_names
    }
    part.equip(state, values)
    object.__setattr__(state, "__lift_part__", part)
    object.__setattr__(state, "__lift_deleted__", frozenset())
    object.__setattr__(state, "__lift_hidden__", hidden)
    object.__setattr__(state, "__lift_refuse__", refuse)
    return state


def hideable(part: ModelPart) -> frozenset[str]:
    """The attributes of `part` that a lazy state can hide."""
    return frozenset(name for name in _lazy_names(part.cls) if name in part.values)


def unhide(state: Any) -> tuple[str, ...]:
    """Hide nothing any more; return the hidden fields that were assigned."""
    hidden: frozenset[str] = state.__lift_hidden__
    object.__setattr__(state, "__lift_hidden__", frozenset())
    return tuple(sorted(hidden & raw_dict(state).keys()))


def plain_state(state: Any) -> Any:
    """A shallow copy of a lazy state as an instance of the user's own class."""
    shell = _new(type(state).__lift_origin__)
    _set_raw_dict(shell, _fill_all(state).copy())
    for slot in _SLOTS:
        object.__setattr__(shell, slot, getattr(state, slot))
    return shell


def _fill(state: Any, name: str) -> Any:
    if name in state.__lift_hidden__:
        state.__lift_refuse__(name)
    value = state.__lift_part__.values[name]
    if isinstance(value, Part):
        value = value.copy()
    raw_dict(state)[name] = value
    return value


def _fill_all(state: Any) -> dict[str, Any]:
    present: dict[str, Any] = raw_dict(state)
    part: ModelPart = state.__lift_part__
    deleted = state.__lift_deleted__
    missing = [
        name
        for name in part.values
        if name not in present and name in part.shape.fields and name not in deleted
    ]
    if missing:
        for name in missing:
            _fill(state, name)
        # Fields come in the order of the snapshot, not of their first use: a dump shows it.
        ordered = {name: present[name] for name in part.values if name in present} | present
        present.clear()
        present.update(ordered)
    return present


@contextmanager
def _all_shown(state: Any, hidden: frozenset[str]) -> Iterator[None]:
    """Fill in all fields, for pydantic's own checks; those of `hidden` are hidden again after."""
    still = state.__lift_hidden__
    object.__setattr__(state, "__lift_hidden__", frozenset())
    shown = {name: value for name, value in _fill_all(state).items() if name in hidden}
    try:
        yield
    finally:
        object.__setattr__(state, "__lift_hidden__", still)
        present = raw_dict(state)
        for name, value in shown.items():
            if present.get(name, state) is value:
                del present[name]


@per_key
def _lazy_names(origin: type[BaseModel]) -> frozenset[str]:
    """The fields that can be lazy: where the class has an attribute, `__getattr__` is not asked.

    So it is with fields called `json` or `copy`, which hide a method, and with deprecated ones.
    """
    taken = {name for base in origin.__mro__ for name in vars(base)}
    return frozenset(origin.__pydantic_fields__.keys() - taken)


@lru_cache(maxsize=512)
def _lazy_class(origin: type[BaseModel]) -> type[BaseModel]:
    plain_setattr = origin.__setattr__ is _PLAIN_SETATTR and not (
        origin.model_config.get("validate_assignment") or origin.model_config.get("frozen")
    )
    fields = frozenset(origin.__pydantic_fields__)
    assignable = frozenset(
        name
        for name, field in origin.__pydantic_fields__.items()
        if plain_setattr and not field.frozen
    )
    make: Callable[..., BaseModel] = origin
    super_getattr = getattr(origin, "__getattr__")  # noqa: B009  pydantic hides it from checkers

    def __getattr__(self: Any, name: str) -> Any:
        if (
            name in fields
            and name not in self.__lift_deleted__
            and name in self.__lift_part__.values  # `model_construct` may have left it out
        ):
            return _fill(self, name)
        return super_getattr(self, name)

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if name in assignable:
            raw_dict(self)[name] = value
            self.__pydantic_fields_set__.add(name)
        else:
            hidden = self.__lift_hidden__ - raw_dict(self).keys()
            with _all_shown(self, hidden - {name}):
                origin.__setattr__(self, name, value)

    def __delattr__(self: Any, name: str) -> None:
        if name in self.__lift_hidden__ - raw_dict(self).keys():
            self.__lift_refuse__(name)
        _fill_all(self)
        origin.__delattr__(self, name)
        if name in fields:
            object.__setattr__(self, "__lift_deleted__", self.__lift_deleted__ | {name})

    # Not through pydantic's metaclass `__new__`, which would build a second schema: everything
    # that it made for `origin` is inherited.
    return ABCMeta.__new__(
        type(origin),
        origin.__name__,
        (origin,),
        {
            "__module__": origin.__module__,
            "__qualname__": origin.__qualname__,
            "__doc__": origin.__doc__,
            "__slots__": _OWN_SLOTS,
            "__lift_origin__": origin,
            "__dict__": property(_fill_all, _set_raw_dict),
            "__class__": property(lambda self: origin),
            # `type(state)(...)` makes a state of the user's class, and so does a class method.
            "__new__": lambda cls, *args, **values: make(*args, **values),
            "model_construct": origin.model_construct,
            "__getattr__": __getattr__,
            "__setattr__": __setattr__,
            "__delattr__": __delattr__,
            # Copies and pickles are of the user's class.
            "__copy__": lambda self: copy.copy(plain_state(self)),
            "__deepcopy__": lambda self, memo=None: copy.deepcopy(plain_state(self), memo),
            "__reduce_ex__": lambda self, protocol: plain_state(self).__reduce_ex__(protocol),
        },
    )

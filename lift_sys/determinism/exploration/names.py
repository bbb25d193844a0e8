"""What code mentions, read from its bytecode: globals, attributes, imports.

Before editing: what code mentions must never be too little, or a proof is wrong.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

# By these, code gets at names, frames or classes that it does not mention.
_REFLECTION = frozenset(
    [
        "globals",
        "vars",
        "eval",
        "exec",
        "compile",
        "__import__",
        "__builtins__",
        "__globals__",
        "__closure__",
        "cell_contents",
        "__code__",
        "__subclasses__",
        "__traceback__",
        "__spec__",
        "__loader__",
        "tb_frame",
        "cr_frame",
        "gi_frame",
        "ag_frame",
        "f_back",
        "f_locals",
        "f_globals",
        "f_builtins",
        "f_lineno",
        "f_lasti",
        "cr_await",
        "cr_running",
        "cr_suspended",
        "gi_running",
        "gi_suspended",
        "gi_yieldfrom",
        "ag_await",
        "ag_running",
        "ag_suspended",
        "get_stack",
        "print_stack",
    ]
)
_READS = ("LOAD_ATTR", "LOAD_METHOD")
_ATTRIBUTES = (*_READS, "STORE_ATTR", "DELETE_ATTR")
_GLOBALS = (
    "LOAD_GLOBAL",
    "LOAD_NAME",
    "STORE_GLOBAL",
    "DELETE_GLOBAL",
    "LOAD_FROM_DICT_OR_GLOBALS",
)
_STORES = ("STORE_GLOBAL", "STORE_ATTR", "DELETE_GLOBAL", "DELETE_ATTR", "STORE_DEREF")


@dataclass(frozen=True, slots=True)
class Import:
    """An import inside of a function.

    Attributes:
        module: Its name, without dots before it.
        level: How many dots there are.
        names: What is imported from it; empty imports the module.
        alias: What the function calls the module; "" if it gets names only.
    """

    module: str
    level: int
    names: tuple[str, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Names:
    """What a code object, with those inside it, mentions.

    Attributes:
        used: Names of globals and attributes.
        stored: Those of them that it assigns, or may assign by a text.
        assigned: Attributes that it assigns by themselves.
        foreign: Attributes that it uses of something else than its `self`.
        globals: Names that are looked up in the module.
        chains: Names, also dotted ones, with an attribute that is read of, or stored in, what they
            stand for.
        bare: Names, also dotted ones, that are used without an attribute: given on, called, compared.
        imports: What it imports by itself.
    """

    used: tuple[str, ...]
    stored: frozenset[str]
    assigned: frozenset[str]
    foreign: frozenset[str]
    globals: frozenset[str]
    chains: frozenset[tuple[str, str]]
    bare: frozenset[str]
    imports: tuple[Import, ...]

    @property
    def reflecting(self) -> list[str]:
        """What it uses that reaches names which are not in the code."""
        return [name for name in self.used if name in _REFLECTION]

    def of(self, name: str) -> list[str]:
        """The attributes that are used of what `name` stands for."""
        return sorted(attribute for owner, attribute in self.chains if owner == name)


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> Names:
    """The names in `code` and in the functions defined inside it."""
    used: dict[str, None] = dict.fromkeys(code.co_names)
    stored: set[str] = set()
    assigned: set[str] = set()
    foreign: set[str] = set()
    found: set[str] = set()
    chains: set[tuple[str, str]] = set()
    bare: set[str] = set()
    instructions = list(dis.get_instructions(code))
    imports = list(_imports(instructions))
    for at, instruction in enumerate(instructions):
        name, argument = instruction.opname, instruction.argval
        if name in _GLOBALS:
            found.add(argument)
        if name in _STORES:
            stored.add(argument)
        if name == "STORE_ATTR":
            assigned.add(argument)
        if name in _ATTRIBUTES and not _is_self(instructions[at - 1]):
            foreign.add(argument)
        # A function that is made closes over names; what it does with them is looked at in its code.
        if name.startswith("LOAD_") and name not in (*_ATTRIBUTES, "LOAD_CONST", "LOAD_CLOSURE"):
            *others, last = argument if isinstance(argument, tuple) else (argument,)
            bare.update(str(each) for each in others)
            dotted = str(last)
            for following in instructions[at + 1 :]:
                if following.opname not in _ATTRIBUTES:
                    bare.add(dotted)
                    break
                chains.add((dotted, following.argval))
                if following.opname not in _READS:
                    break
                dotted = f"{dotted}.{following.argval}"
    for constant in code.co_consts:
        if isinstance(constant, str) and constant.isidentifier():
            # As in `globals()["TOTAL"] += 1` and `setattr(module, "TOTAL", 1)`.
            used[constant] = None
            stored.add(constant)
            foreign.add(constant)
        elif isinstance(constant, CodeType):
            inner = names_in(constant)
            used.update(dict.fromkeys(inner.used))
            stored |= inner.stored
            assigned |= inner.assigned
            foreign |= inner.foreign
            found |= inner.globals
            chains |= inner.chains
            bare |= inner.bare
            imports += inner.imports
    return Names(
        tuple(used),
        frozenset(stored),
        frozenset(assigned),
        frozenset(foreign),
        frozenset(found),
        frozenset(chains),
        frozenset(bare),
        tuple(imports),
    )


def _is_self(instruction: dis.Instruction) -> bool:
    """Whether it loads the object that a method is called on."""
    names = instruction.argval
    return instruction.opname.startswith("LOAD_") and "self" in (
        names[-1] if isinstance(names, tuple) else names,
    )


def _imports(instructions: list[dis.Instruction]) -> Iterator[Import]:
    for at, instruction in enumerate(instructions):
        if instruction.opname != "IMPORT_NAME":
            continue
        level, names = (instructions[at - 2].argval, instructions[at - 1].argval)
        stores = (each for each in instructions[at + 1 :] if each.opname.startswith("STORE_"))
        first = next(stores, None)
        alias = "" if names or first is None else str(first.argval)
        yield Import(instruction.argval or "", level or 0, tuple(names or ()), alias)

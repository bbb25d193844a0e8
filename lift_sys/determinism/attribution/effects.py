"""Which line the order gets in by: what a task does to shared objects behind an await.

An await by itself does no harm; what stands behind it, and changes something that other tasks see,
runs in the order in which they come back. Read from the source, so it is a good guess: that the
await itself makes the difference is proved by moving it.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lift_sys.determinism.attribution.frames import Place

_CHANGES = frozenset(
    {
        *(
            "append",
            "appendleft",
            "add",
            "update",
            "extend",
            "insert",
            "put",
            "put_nowait",
            "write",
        ),
        *("setdefault", "pop", "popleft", "popitem", "remove", "discard", "clear", "send", "set"),
        *("send_nowait", "set_result", "increment", "subtract", "writelines", "writerow"),
    }
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FRESH = (
    *(ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.Call, ast.Await, ast.BinOp),
    *(ast.ListComp, ast.DictComp, ast.SetComp, ast.JoinedStr),
)


def effect_behind(stack: Sequence[Place]) -> Place | None:
    """The first line behind an await of this stack that changes what others can see, or None.

    Args:
        stack: The lines that wait, innermost first.
    """
    for place in stack:
        function = _function_around(place)
        if function is None:
            continue
        own, shared = _names(function)
        for statement in _behind(function, place.line):
            call = _change(statement, own, shared)
            if call is not None:
                return replace(place, line=statement.lineno, call=call)
    return None


def _function_around(place: Place) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function's own source, found by its name above the line: its file may be more than code."""
    lines = linecache.getlines(place.file)
    name = re.escape(place.function.rpartition(".")[2])
    header = re.compile(rf"\s*(async\s+)?def\s+{name}\b")
    for start in range(min(place.line, len(lines)) - 1, -1, -1):
        if header.match(lines[start]):
            break
    else:
        return None
    try:
        block = inspect.getblock(lines[start:])
        tree = ast.parse(textwrap.dedent("".join(block)))
    except (SyntaxError, ValueError):
        return None
    function = ast.increment_lineno(tree.body[0], start)
    return function if isinstance(function, _FUNCTIONS) else None


def _names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[set[str], set[str]]:
    """Names of objects that this call of the function has made for itself, and of outer ones."""
    shared, own = set[str](), set[str]()
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
        elif isinstance(node, ast.Assign) and isinstance(node.value, _FRESH):
            own.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return own - shared, shared


def _behind(function: ast.FunctionDef | ast.AsyncFunctionDef, line: int) -> Iterator[ast.stmt]:
    """The simple statements from `line` on; from the start of a loop, if it is in one."""
    body = [node for node in _statements(function.body) if (node.end_lineno or 0) >= line]
    yield from body
    for node in ast.walk(function):
        if isinstance(node, _LOOPS) and node.lineno <= line <= (node.end_lineno or 0):
            yield from _statements(node.body)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            continue
        blocks = [getattr(statement, name, ()) for name in ("body", "orelse", "finalbody")]
        handlers = getattr(statement, "handlers", ()) or getattr(statement, "cases", ())
        blocks += [handler.body for handler in handlers]
        if not any(blocks):
            yield statement
        for block in blocks:
            yield from _statements(block)


def _change(statement: ast.stmt, own: set[str], shared: set[str]) -> str | None:
    """What the statement changes that others see, as text; None if it changes nothing."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        targets = [statement.target]
    elif isinstance(statement, ast.Delete):
        targets = statement.targets
    for target in targets:
        if isinstance(target, (ast.Attribute, ast.Subscript)) and _is_shared(target, own):
            return ast.unparse(target)
        if isinstance(target, ast.Name) and target.id in shared:
            return target.id
    for node in ast.walk(statement):
        called = node.func if isinstance(node, ast.Call) else None
        if not isinstance(called, ast.Attribute) or called.attr not in _CHANGES:
            continue
        if _is_shared(called, own):
            return ast.unparse(called)
    return None


def _is_shared(expression: ast.expr, own: set[str]) -> bool:
    """Whether the object that is changed may be known to others.

    A branch's own state is not: the engine gives each branch a copy of it.
    """
    text = ast.unparse(expression)
    if text.startswith(("ctx.state.", "context.state.")):
        return False
    root: ast.expr = expression
    while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call)):
        root = root.func if isinstance(root, ast.Call) else root.value
    return not (isinstance(root, ast.Name) and root.id in own)

"""HTML as values: text becomes markup only by being escaped, and markup is never escaped twice.

Before editing: nothing that came out of a report may be put into a page but by `text`, `tag` or an
attribute of `tag`. A value of the user's may hold anything: tags, quotes, keys, direction marks.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lift_sys.execution.log import visible
from lift_sys.observe.events_json import without_secrets

#: Elements without an end tag.
_VOID = frozenset({"br", "meta", "path", "rect", "circle", "line", "polygon", "col"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


#: What an element may hold: markup, text that is escaped, numbers, or several of these; None is none.
Child: TypeAlias = "Markup | str | float | Iterable[Child] | None"


def text(value: object) -> Markup:
    """`value` as text: escaped, secrets blanked, invisible characters as their code."""
    return Markup(html.escape(visible(without_secrets(str(value)), keep="\n\t")))


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. Of attribute names the last underscore is left out and others become hyphens.

    An attribute that is None or False is left out; one that is True has no value.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.removesuffix("_").replace("_", "-")
        parts.append(f" {shown}" if value is True else f' {shown}="{text(value)}"')
    if name in _VOID:
        return Markup("".join([*parts, ">" if name in ("br", "meta", "col") else "/>"]))
    return Markup("".join([*parts, ">", joined(children), f"</{name}>"]))


def joined(children: Child | Sequence[Child], separator: str = "") -> Markup:
    """Children one after the other."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, (str, int, float)):
        return text(children)
    return Markup(separator.join(joined(child) for child in children))


def shortened(value: str, most: int) -> str:
    """`value`, cut in its middle to `most` characters: names tend to differ at both ends."""
    if len(value) <= most:
        return value
    tail = most // 3
    return f"{value[: most - tail - 1]}…{value[-tail:]}"


def depth_of(address: str) -> str:
    """A class that indents a step which stands in a branch, or inside of another step."""
    return f"depth-{min(4, sum(address.count(sign) for sign in '.>~'))}"

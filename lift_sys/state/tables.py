"""A part that may know its items as rows: many models of one class (rows.py).

Then `values` is made only when somebody asks for single items, and `rows` only when the items have
been made one by one. Both are the same picture: whoever works on `values` alone is right, and what is
worth it works on `rows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lift_sys.state.parts import Node, Part

if TYPE_CHECKING:
    from lift_sys.state.rows import Rows


_values_of = Part.__dict__["values"].__get__  # it does not make them


class TablePart(Part):
    """A list or a dict; `children` are all its keys or indices where it has rows."""

    __slots__ = ("rows",)

    #: Fewer models than this are not worth being rows.
    fewest: ClassVar[int] = 16

    #: The items as rows, or None where they are no models of one class, or few.
    rows: Rows | None

    if TYPE_CHECKING:

        def _arranged(self, nodes: list[Any]) -> Any:
            """What `values` is if these are the items."""

    def __getattr__(self, name: str) -> Any:
        # Asked only where the slot is empty; one of these two always is filled.
        if name == "values":
            assert self.rows is not None
            self.values = self._arranged(self.rows.parts())
            return self.values
        if name == "rows":
            from lift_sys.state.tabulate import (
                rows_of_parts,
            )  # which needs the parts that stand on this

            self.rows = rows_of_parts(self)
            return self.rows
        raise AttributeError(name)

    def count(self) -> int:
        """How many items there are."""
        try:
            return len(_values_of(self))
        except AttributeError:
            return len(self.children)

    def has_outline_of(self, other: Node) -> bool:
        """Whether both have rows, and the same ones but for what stands in them."""
        return (
            isinstance(other, TablePart)
            and self.children is other.children
            and type(self) is type(other)
            and self.rows is not None
            and other.rows is not None
            and self.rows.cls is other.rows.cls
            and self.rows.columns.keys() == other.rows.columns.keys()
        )

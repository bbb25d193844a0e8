"""The reducers, for annotations of state fields: `Annotated[list[str], Append()]`."""

from lift_sys.state.reducers import (
    Append,
    Last,
    Max,
    MergeDict,
    Min,
    Reducer,
    Sum,
    Union,
    UnionBy,
)

__all__ = ["Append", "Last", "Max", "MergeDict", "Min", "Reducer", "Sum", "Union", "UnionBy"]

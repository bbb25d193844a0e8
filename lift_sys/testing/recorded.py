"""What a failure of a test on a cassette comes from, however deep frameworks have wrapped it."""

from __future__ import annotations

from lift_sys.errors import CassetteFileError, CassetteMissError, ParallelExecutionError

__all__ = ["cassette_error_in"]


def cassette_error_in(error: BaseException) -> CassetteFileError | CassetteMissError | None:
    """Find the error of a cassette that led to `error`; None if there is none.

    Causes, the members of groups and the failures of parallel nodes are looked through.
    """
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        each = found.pop(0)
        if each is None or id(each) in seen:
            continue
        if isinstance(each, (CassetteFileError, CassetteMissError)):
            return each
        seen.add(id(each))
        found += [each.__cause__, None if each.__suppress_context__ else each.__context__]
        if isinstance(each, BaseExceptionGroup):
            found += each.exceptions
        if isinstance(each, ParallelExecutionError):
            found += [failure for _, failure in each.failed_nodes]
    return None

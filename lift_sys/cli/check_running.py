"""Running code that is checked: Ctrl-C works, and whatever it raises becomes a message and a code.

Exit code 1 is the answer "not the same"; a check that gave no answer must not look like it.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import click

from lift_sys.cli.app import EXIT_USAGE, report, wants_traceback
from lift_sys.cli.check_progress import Counter
from lift_sys.cli.interrupt import InterruptedRunError, Interruptible
from lift_sys.errors import UsageError

ResultT = TypeVar("ResultT")


def run_interruptible(
    work: Callable[[], Coroutine[Any, Any, ResultT]], counter: Counter
) -> ResultT:
    """Run `work()` on an event loop of its own.

    Raises:
        Exit: It was interrupted.
        UsageError: The code that it runs tried to end Python.
    """
    runner = Interruptible(on_interrupt=counter.cancelled, on_forced_exit=counter.close)
    try:
        return runner.run(work)
    except InterruptedRunError as interrupted:
        raise click.exceptions.Exit(interrupted.exit_code) from None
    # A Ctrl-C of the person is the case above, so this is one of the code's own.
    except (SystemExit, KeyboardInterrupt) as error:
        raise _ended(error) from error
    finally:
        counter.close()


def _ended(error: BaseException) -> UsageError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return UsageError(
        f"The target could not be checked: it raised {type(error).__name__} ({error}) at "
        f"{place.filename}, line {place.lineno}, which ends Python. Let it return, or raise an "
        f"Exception, which counts as an outcome."
    )


@contextlib.contextmanager
def no_answer_is_exit_2(ctx: click.Context) -> Iterator[None]:
    """Whatever is raised inside means that nothing was found out: a message, and exit code 2."""
    try:
        yield
    except (click.exceptions.Exit, click.ClickException):
        raise
    except Exception as error:
        report(error, show_traceback=wants_traceback(ctx))
        ctx.exit(EXIT_USAGE)

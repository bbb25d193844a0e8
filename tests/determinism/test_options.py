"""Options that mean nothing are refused with what to give instead, before anything runs."""

import pytest

from lift_sys import MergeStrategy
from lift_sys.determinism import attribute, explore, prove_merge, replay
from lift_sys.errors import UsageError


async def calm():
    return 1


def total(base, values):
    return base + sum(values)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: explore(calm, limit=0), "limit=0"),
        (lambda: explore(calm, limit=1.5), "limit=1.5"),
        (lambda: explore(calm, strategy=3), "strategy=3"),
        (lambda: explore(calm, recordings="tape"), "recordings='tape'"),
        (lambda: replay(calm, schedule="ls1:completions:#00000000", limit=-1), "limit=-1"),
        (lambda: replay(calm, schedule="ls1:completions:#00000000", recordings=[]), "recordings"),
        (lambda: attribute(calm, timeout=0), "`timeout` is 0"),
        (lambda: attribute(calm, timeout=float("nan")), "`timeout` is nan"),
        (lambda: prove_merge(MergeStrategy.ALL_SUCCESS, n=0), "n=0"),
        (lambda: prove_merge(total, "abc", base=0), "`branches` is 'abc'"),
        (lambda: prove_merge(total, (n for n in range(3)), base=0), "give a list"),
    ],
)
def test_an_option_that_means_nothing_is_refused(call, said):
    with pytest.raises(UsageError, match=said):
        call()

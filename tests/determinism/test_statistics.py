"""Bounds and intervals against exact rational sums, and what the stopping rules promise."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lift_sys.determinism.statistics import (
    Sprt,
    clopper_pearson,
    curtailed_runs,
    regularised_incomplete_beta,
    upper_bound,
    wilson,
)
from lift_sys.errors import UsageError

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99])


def at_least(successes: int, trials: int, share: Fraction) -> Fraction:
    """Exact chance of `successes` or more in `trials`."""
    return sum(
        (
            math.comb(trials, k) * share**k * (1 - share) ** (trials - k)
            for k in range(successes, trials + 1)
        ),
        Fraction(0),
    )


@pytest.mark.parametrize(
    ("runs", "percent"),
    [
        (3, 63),
        (5, 45),
        (10, 26),
        (20, 14),
        (30, 9.5),
        (59, 4.95),
        (100, 2.95),
        (299, 1.0),
        (1000, 0.30),
        (2995, 0.10),
    ],
)
def test_upper_bound_is_that_of_the_table(runs, percent):
    """The bounds that the design quotes, to the digits that it gives."""
    digits = len(str(percent).partition(".")[2])

    assert round(100 * upper_bound(runs), digits) == percent


@given(runs=st.integers(1, 10**7), confidence=confidences)
def test_at_the_upper_bound_no_divergence_is_as_rare_as_the_confidence_says(runs, confidence):
    """`(1 - p)^n = 1 - confidence` defines it."""
    bound = upper_bound(runs, confidence)

    assert math.exp(runs * math.log1p(-bound)) == pytest.approx(1 - confidence, rel=1e-9)


@given(counts=counts, confidence=confidences)
def test_exact_interval_has_the_tails_it_promises(counts, confidence):
    """At each end the exact binomial tail is half of what the confidence leaves."""
    successes, trials = counts
    tail = (1 - Fraction(confidence)) / 2

    low, high = clopper_pearson(successes, trials, confidence)

    close = Fraction(1, 10**9)
    if successes:
        exact = Fraction(low)
        below = at_least(successes, trials, exact * (1 - close))
        assert below < tail < at_least(successes, trials, exact * (1 + close))
    else:
        assert low == 0
    if successes < trials:
        failing = 1 - Fraction(high)
        below = at_least(trials - successes, trials, failing * (1 - close))
        assert below < tail < at_least(trials - successes, trials, failing * (1 + close))
    else:
        assert high == 1


@given(
    a=st.integers(1, 40),
    b=st.integers(1, 40),
    x=st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(999, 1000)),
)
def test_incomplete_beta_is_the_binomial_tail(a, b, x):
    """For whole numbers `I_x(a, b)` is the chance of `a` or more successes in `a + b - 1`."""
    exact = at_least(a, a + b - 1, x)

    # The absolute part is for tails near one, where the other tail is what has the digits.
    assert regularised_incomplete_beta(float(x), a, b) == pytest.approx(
        float(exact), rel=1e-11, abs=1e-15
    )


def test_exact_interval_of_one_in_twenty_and_of_a_million():
    """A quoted interval, and one from so many trials that the normal interval is the reference."""
    low, high = clopper_pearson(1, 20)
    many_low, many_high = clopper_pearson(400_000, 1_000_000)
    score_low, score_high = wilson(400_000, 1_000_000)

    assert (round(100 * low, 2), round(100 * high, 1)) == (0.13, 24.9)
    assert many_low == pytest.approx(score_low, abs=2e-6)
    assert many_high == pytest.approx(score_high, abs=2e-6)


@given(counts=counts, confidence=confidences)
def test_intervals_hold_the_share_and_mirror(counts, confidence):
    """Both hold the observed share; that of the failures is the mirror image."""
    successes, trials = counts
    for interval in (clopper_pearson, wilson):
        low, high = interval(successes, trials, confidence)
        other_low, other_high = interval(trials - successes, trials, confidence)

        assert 0 <= low <= successes / trials <= high <= 1
        assert (other_low, other_high) == (pytest.approx(1 - high), pytest.approx(1 - low))


@given(counts=counts, confidence=confidences)
def test_wilson_ends_solve_the_score_equation(counts, confidence):
    """At each end the observed share is z standard errors away, which defines the interval."""
    successes, trials = counts
    share = successes / trials
    # z by the other way round: its two tails hold what the confidence leaves.
    for end in wilson(successes, trials, confidence):
        if 0 < end < 1:
            z = abs(share - end) / math.sqrt(end * (1 - end) / trials)
            assert math.erf(z / math.sqrt(2)) == pytest.approx(confidence, rel=1e-9)


def test_without_trials_nothing_is_known():
    """No run leaves every share possible."""
    assert upper_bound(0) == 1
    assert clopper_pearson(0, 0) == wilson(0, 0) == (0, 1)


@pytest.mark.parametrize(("share", "runs"), [(0.10, 29), (0.05, 59), (0.01, 299), (0.5, 5)])
def test_curtailed_rule_needs_these_runs(share, runs):
    """The counts that the design quotes."""
    assert curtailed_runs(share) == runs


@given(share=st.floats(0.001, 0.9), confidence=st.floats(0.001, 0.999))
def test_curtailed_rule_is_the_least_number_that_rules_the_share_out(share, confidence):
    """One run less would leave more than the confidence allows."""
    runs = curtailed_runs(share, confidence)

    agree, rest = 1 - Fraction(share), 1 - Fraction(confidence)
    assert agree**runs <= rest * (1 + Fraction(1, 10**8))
    assert agree ** (runs - 1) > rest


@given(share=st.integers(1, 900).map(lambda part: part / 1000), runs=st.integers(1, 60))
def test_curtailed_rule_is_met_exactly(share, runs):
    """A confidence that just so many runs give needs these, and not one more by rounding."""
    assume((1 - share) ** runs > 0.001)

    assert curtailed_runs(share, 1 - (1 - share) ** runs) == runs


@pytest.mark.parametrize(("h1", "runs"), [(0.05, 59), (0.01, 326)])
def test_sprt_accepts_identical_runs_after_these_many(h1, runs):
    """Runs that never diverge are accepted at the quoted count, not before."""
    test = Sprt(h1=h1)

    decisions = [test.add(False) for _ in range(runs)]

    assert decisions == [None] * (runs - 1) + ["accept"]


@given(diverged=st.lists(st.booleans(), max_size=120))
def test_sprt_told_run_by_run_is_the_first_decision_on_counts(diverged):
    """`add` decides where `decide` first does, and keeps to it."""
    one_by_one, decided = Sprt(), None
    for number, value in enumerate(diverged, 1):
        decided = decided or Sprt().decide(sum(diverged[:number]), number)

        assert one_by_one.add(value) == decided

    assert (one_by_one.runs, one_by_one.diverged) == (len(diverged), sum(diverged))


@pytest.mark.parametrize(("share", "wrong"), [(0.001, "reject"), (0.05, "accept")])
def test_sprt_errs_no_more_often_than_it_says(share, wrong):
    """The exact chance of a wrong decision, over all courses of up to 1,500 runs.

    Wald's bound on it is alpha / (1 - beta), and alike for beta.
    """
    test = Sprt()
    chances, decided = {0: 1.0}, {"accept": 0.0, "reject": 0.0}
    for runs in range(1, 1501):
        later: dict[int, float] = {}
        for diverged, chance in chances.items():
            for count, part in ((diverged, 1 - share), (diverged + 1, share)):
                decision = test.decide(count, runs)
                if decision is None:
                    later[count] = later.get(count, 0.0) + chance * part
                else:
                    decided[decision] += chance * part
        chances = later

    assert decided[wrong] <= 0.05 / 0.95
    assert sum(decided.values()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: upper_bound(-1),
        lambda: upper_bound(3, 1.0),
        lambda: clopper_pearson(3, 2),
        lambda: clopper_pearson(-1, 2),
        lambda: wilson(1, 2, 0),
        lambda: curtailed_runs(0),
        lambda: curtailed_runs(0.1, 2),
        lambda: Sprt(h0=0.1, h1=0.05),
        lambda: Sprt(h0=0),
        lambda: Sprt(alpha=0.5),
        lambda: Sprt().decide(2, 1),
    ],
)
def test_numbers_out_of_range_are_refused(call):
    """A share of zero or a count above the whole is a mistake, and says which number it is."""
    with pytest.raises(UsageError, match=r"\d"):
        call()

"""Agreement of raw outputs over N runs, for a group whose questions all have N >= 2.

Means are taken of whole numbers and divided once, exactly, so that no figure depends on the order
of the questions or on rounding on the way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from statistics import median

from lift_sys.determinism.agreement.question import QuestionAgreement
from lift_sys.determinism.statistics import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFigures:
    """How far raw outputs agree, over Q questions of N runs each.

    Attributes:
        agreeing: TACr@N: questions whose N outputs are the same string.
        share: TARr@N, total agreement rate of raw outputs: `agreeing / Q`. (Atil and others,
            arXiv 2408.04667.)
        interval: Wilson's 95 % interval of `share`, as if questions were drawn independently.
        unique_mean: Mean number of distinct outputs a question.
        unique_median: Its median.
        unique_max: Its maximum.
        unique_histogram: Questions with 1, 2, ... N distinct outputs.
        modal_share_mean: Mean of (largest class) / N; one minus Freeman's variation ratio
            (Elementary Applied Statistics, 1965).
        modal_share_min: Its minimum.
        entropy_bits_mean: Mean of Shannon's entropy of the classes' shares, in bits (1948), without
            a correction for small N: 0 if all agree, log2(N) if no two do.
        first_divergence_min: Least position of the first difference, see `QuestionAgreement`; None
            if no question has one.
        first_divergence_median: The median of these positions over the questions that have one.
    """

    agreeing: int
    share: float
    interval: tuple[float, float]
    unique_mean: float
    unique_median: float
    unique_max: int
    unique_histogram: tuple[int, ...]
    modal_share_mean: float
    modal_share_min: float
    entropy_bits_mean: float
    first_divergence_min: int | None
    first_divergence_median: float | None


def output_figures(questions: Sequence[QuestionAgreement], runs: int) -> OutputFigures:
    """The figures of at least one question, each with `runs` runs."""
    total = len(questions)
    agreeing = sum(each.agrees for each in questions)
    unique = [len(each.classes) for each in questions]
    largest = [each.classes[0] for each in questions]
    positions = [each.first_divergence for each in questions if each.first_divergence is not None]
    return OutputFigures(
        agreeing=agreeing,
        share=agreeing / total,
        interval=wilson(agreeing, total),
        unique_mean=sum(unique) / total,
        unique_median=float(median(unique)),
        unique_max=max(unique),
        unique_histogram=tuple(unique.count(kinds) for kinds in range(1, runs + 1)),
        modal_share_mean=sum(largest) / (runs * total),
        modal_share_min=min(largest) / runs,
        entropy_bits_mean=math.fsum(entropy_bits(each.classes) for each in questions) / total,
        first_divergence_min=min(positions, default=None),
        first_divergence_median=float(median(positions)) if positions else None,
    )


def prefix_agreement(questions: Sequence[QuestionAgreement], most: int) -> tuple[float, ...]:
    """TARr@k of the first k runs of each question, for k = 1 to `most`; at k = N it is TARr@N.

    At k = 1 it is the share of questions whose first output is there.
    """
    return tuple(
        sum(each.agreeing_first >= k for each in questions) / len(questions)
        for k in range(1, most + 1)
    )


def expected_agreement(questions: Sequence[QuestionAgreement], most: int) -> tuple[float, ...]:
    """TARr@k of k runs drawn from those of each question, in the mean over all draws.

    For a question with classes of sizes c that is `sum(C(c, k)) / C(N, k)`, which does not depend
    on the order of the runs as the prefix does; the combinatorial estimator of pass^k for one
    class (Yao and others, arXiv 2406.12045), summed over classes. A missing output is in no class
    here: not even alone does it agree.
    """
    # Classes of one size count alike, whatever their question, so that thousands of runs are quick.
    sizes = Counter(
        (each.runs, size)
        for each in questions
        # Missing outputs are the last of the classes, of size 1 each.
        for size in each.classes[: len(each.classes) - each.missing]
    )
    return tuple(_equal_draws(sizes, k, len(questions)) for k in range(1, most + 1))


def _equal_draws(sizes: Mapping[tuple[int, int], int], k: int, questions: int) -> float:
    """Mean share of the draws of `k` runs that fall into one class.

    Args:
        sizes: Runs of a question and size of a class in it, to how many such classes there are.
        k: Runs drawn.
        questions: Number of all questions.
    """
    equal: Counter[int] = Counter()
    for (runs, size), count in sizes.items():
        equal[runs] += count * comb(size, k)
    total = sum((Fraction(draws, comb(runs, k)) for runs, draws in equal.items()), Fraction(0))
    return float(total / questions)


def pairwise_agreement(questions: Sequence[QuestionAgreement]) -> float:
    """Share of the pairs of runs with the same output, in the mean over questions.

    `sum(C(c, 2)) / C(N, 2)` a question: the observed agreement P_i of Fleiss (Psychological Bulletin
    76, 1971). All questions need two runs or more, but not equally many.
    """
    return expected_agreement(questions, 2)[1]


def entropy_bits(classes: Sequence[int]) -> float:
    """Shannon's entropy of the shares that `classes` have of all, in bits."""
    total = sum(classes)
    return math.fsum(size / total * math.log2(total / size) for size in classes)

"""Figures of agreement against their definitions, and what may and may not change them."""

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_sys.determinism.agreement import Record, agreement
from lift_sys.errors import RunLogError

texts = st.sampled_from(["", "a", "ab", "b"])
outputs = st.none() | texts


def log(questions, **more):
    """Records of questions that are each a list of outputs, or of `(output, fields)`."""
    return [
        Record(question=str(number), run=str(run), output=output, **more)
        for number, runs in enumerate(questions)
        for run, output in enumerate(runs)
    ]


def tables(values, *, least=2):
    """Some questions with equally many runs."""
    return st.integers(least, 5).flatmap(
        lambda runs: st.lists(
            st.lists(values, min_size=runs, max_size=runs), min_size=1, max_size=6
        )
    )


def figures(records):
    """The figures of the only group."""
    (found,) = agreement(records).to_json()["groups"].values()
    return found


def equal(one, other):
    """Whether two outputs agree; a missing one does with nothing."""
    return one is not None and one == other


def mean(values):
    """The exact mean, rounded once."""
    return float(Fraction(sum(values)) / len(values))


@given(table=tables(outputs))
def test_pairs_and_expected_agreement_are_counted_over_all_draws(table):
    """The closed forms give what going through every pair and every draw of k runs gives."""
    found = figures(log(table))

    for k in range(2, len(table[0]) + 1):
        draws = [
            [
                all(equal(one, other) for one, other in combinations(draw, 2))
                for draw in combinations(runs, k)
            ]
            for runs in table
        ]
        exact = mean([Fraction(sum(agreeing), len(agreeing)) for agreeing in draws])
        assert found["TARr_at_k_expected"][k - 1] == exact
    there = [output is not None for runs in table for output in runs]
    assert found["TARr_at_k_expected"][0] == mean(there)
    assert found["pairwise_agreement_mean"] == found["TARr_at_k_expected"][1]


@given(table=tables(outputs))
def test_total_agreement_is_the_end_of_both_curves_and_bounds_the_pairs(table):
    """At k = N no choice of runs is left; and a question that agrees has all its pairs equal."""
    found = figures(log(table))

    assert found["TARr_at_k_prefix"][-1] == found["TARr_at_k_expected"][-1] == found["TARr"]
    assert found["TARr"] == found["TACr"] / len(table)
    assert found["TARr"] <= found["pairwise_agreement_mean"] <= found["modal_share_mean"]
    assert (found["TARr"] == 1) == (found["pairwise_agreement_mean"] == 1)
    for curve in (found["TARr_at_k_prefix"], found["TARr_at_k_expected"]):
        assert curve == sorted(curve, reverse=True)
    low, high = found["TARr_wilson95"]
    assert 0 <= low <= found["TARr"] <= high <= 1


@given(table=tables(outputs))
def test_prefix_agreement_is_total_agreement_of_the_first_runs(table):
    """TARr@k is what the log would give if it ended after k runs; one run agrees if it is there."""
    prefix = figures(log(table))["TARr_at_k_prefix"]

    assert prefix[0] == mean([runs[0] is not None for runs in table])
    for k in range(2, len(table[0]) + 1):
        assert prefix[k - 1] == figures(log([runs[:k] for runs in table]))["TARr"]


@given(table=tables(outputs))
def test_classes_of_outputs_are_counted_with_each_missing_one_apart(table):
    """Distinct outputs, modal share and entropy, from a plain count of each question."""
    runs = len(table[0])
    counts = [
        [*Counter(each for each in row if each is not None).values(), *[1] * row.count(None)]
        for row in table
    ]

    found = figures(log(table))

    unique = [len(sizes) for sizes in counts]
    assert found["unique_outputs_mean"] == mean(unique)
    assert found["unique_outputs_max"] == max(unique)
    assert found["unique_outputs_histogram"] == [unique.count(n + 1) for n in range(runs)]
    assert found["modal_share_mean"] == mean([Fraction(max(sizes), runs) for sizes in counts])
    assert found["modal_share_min"] == min(max(sizes) for sizes in counts) / runs
    bits = [-sum(n / runs * math.log2(n / runs) for n in sizes) for sizes in counts]
    assert found["entropy_bits_mean"] == pytest.approx(sum(bits) / len(table), abs=1e-12)
    assert found["missing_outputs"] == sum(row.count(None) for row in table)
    assert found["TACr"] == found["unique_outputs_histogram"][0]


@given(table=tables(outputs), data=st.data())
def test_order_of_records_changes_nothing(table, data):
    """Runs are in order of their labels, wherever their lines stand."""
    records = log(table, gold="a")

    shuffled = data.draw(st.permutations(records))

    assert figures(shuffled) == figures(records)


@given(table=tables(outputs), data=st.data())
def test_order_of_runs_changes_only_what_is_about_their_order(table, data):
    """Renumbered runs leave every figure but the prefix curve and the accuracy of each run."""
    order = data.draw(st.permutations(range(len(table[0]))))
    renumbered = [[runs[place] for place in order] for runs in table]

    before, after = figures(log(table, gold="a")), figures(log(renumbered, gold="a"))

    for found in (before, after):
        del found["TARr_at_k_prefix"]
        found["correct_count_per_run"].sort()
    assert before == after


@given(table=tables(st.text(alphabet="ab", max_size=4)))
def test_first_divergence_is_where_the_outputs_stop_being_equal(table):
    """Up to it all outputs start alike, and one character further they don't."""
    found = agreement(log(table)).groups["all"]

    for question, runs in zip(found.questions, table, strict=True):
        place = question.first_divergence
        if len(set(runs)) == 1:
            assert place is None
        else:
            assert len({text[:place] for text in runs}) == 1
            assert len({text[: place + 1] for text in runs}) > 1
    places = [each.first_divergence for each in found.questions if not each.agrees]
    assert found.outputs.first_divergence_min == min(places, default=None)


statuses = st.sampled_from(["ok", "none", "ambiguous"])


@given(table=tables(st.tuples(texts, statuses)))
def test_answers_agree_by_the_strict_and_by_the_published_rule(table):
    """Strictly all N are parsed and equal; as published, N calls without an answer agree too."""
    records = [
        Record(question=str(q), run=str(run), output="x", answer=answer, answer_status=status)
        for q, runs in enumerate(table)
        for run, (answer, status) in enumerate(runs)
    ]
    strict = [len(set(runs)) == 1 and runs[0][1] == "ok" for runs in table]
    silent = [all(status == "none" for _, status in runs) for runs in table]

    found = figures(records)

    assert found["TACa_strict"] == sum(strict)
    assert found["TACa_published_rule"] == sum(strict) + sum(silent)
    assert found["TARa_strict"] == sum(strict) / len(table)
    assert found["TARa_published_rule"] == (sum(strict) + sum(silent)) / len(table)
    assert found["unparsed_calls"] == {
        status: sum(met == status for runs in table for _, met in runs)
        for status in ("ambiguous", "none")
    }


def test_answer_without_a_status_counts_and_one_that_is_missing_is_none():
    """A log needs no statuses; one that says ok but holds no answer is not believed."""
    records = [
        Record(question="1", run="0", output="x", answer="A"),
        Record(question="1", run="1", output="y", answer="A"),
        Record(question="2", run="0", output="x"),
        Record(question="2", run="1", output="x", answer_status="ok"),
    ]

    found = figures(records)

    assert (found["TACr"], found["TACa_strict"], found["TACa_published_rule"]) == (1, 1, 2)
    assert found["unparsed_calls"] == {"ambiguous": 0, "none": 2}


def test_other_statuses_agree_under_no_rule():
    """A word of the user's own, such as a refusal, is counted under its name."""
    records = [
        Record(question="1", run=str(run), output="x", answer_status="refused") for run in range(3)
    ]

    found = figures(records)

    assert found["TACa_strict"] == found["TACa_published_rule"] == 0
    assert found["unparsed_calls"] == {"ambiguous": 0, "none": 0, "refused": 3}


@given(table=tables(outputs, least=1))
def test_accuracy_is_bounded_by_worst_and_best(table):
    """Each run, and so its mean, lies between right in all runs and right in any run."""
    right = [[output == "a" for output in runs] for runs in table]

    found = figures(log(table, gold="a"))

    assert found["correct_count_per_run"] == [sum(run) for run in zip(*right, strict=True)]
    assert found["best_possible_count"] == sum(map(any, right))
    assert found["worst_possible_count"] == sum(map(all, right))
    low, high = found["worst_possible_accuracy"], found["best_possible_accuracy"]
    assert low <= found["accuracy_min"] <= found["accuracy_median"] <= found["accuracy_max"] <= high
    assert low <= found["majority_vote_accuracy"] <= high
    assert found["best_worst_spread"] == float(
        Fraction(sum(map(any, right)) - sum(map(all, right))) / len(right)
    )


@pytest.mark.parametrize(
    ("answers", "accuracy"),
    [
        (["a", "a", "b"], 1.0),
        (["b", "a", "b"], 0.0),
        (["a", "b"], 0.5),
        (["b", "a"], 0.5),
        ([None, None, "a"], 1.0),
        ([None, None], 0.0),
        (["a", "b", "c", None], 1 / 3),
        (["", "", "a"], 0.0),
    ],
)
def test_majority_counts_answers_that_tie_in_part_and_no_missing_ones(answers, accuracy):
    """A tie is no matter of which run came first, and silence has no vote."""
    assert figures(log([answers], gold="a"))["majority_vote_accuracy"] == accuracy


@given(table=tables(st.tuples(outputs, statuses)))
def test_gold_and_verdicts_give_the_same_accuracy(table):
    """Whether answers are compared here or were judged before; unparsed ones are never right."""
    figures_of = []
    for judged in (True, False):
        records = [
            Record(
                question=str(q),
                run=str(run),
                output="x",
                answer=answer,
                answer_status=status,
                correct=answer == "a" if judged else None,
                gold=None if judged else "a",
            )
            for q, runs in enumerate(table)
            for run, (answer, status) in enumerate(runs)
        ]
        found = figures(records)
        found["notes"] = [note for note in found["notes"] if "marked as right" not in note]
        figures_of.append(found)

    assert figures_of[0] == figures_of[1]


def test_ragged_group_gets_no_figure_over_n_runs():
    """Unequal N is flagged and stated; what the least number of runs can tell is kept."""
    found = figures(log([["a", "a", "b"], ["a", "a"]], gold="a"))

    assert found["ragged"] is True
    assert found["run_counts"] == {"2": 1, "3": 1}
    assert found["TARr_at_k_prefix"] == [1.0, 1.0]
    assert found["TARr_at_k_expected"] == [1.0, mean([1, Fraction(1, 3)])]
    assert "Unequal numbers of runs (2 runs: 1 question, 3 runs: 1 question)" in found["notes"][0]
    unknown = ["n_runs", "TACr", "TARr", "TARr_wilson95", "TACa_strict", "modal_share_mean"]
    unknown += ["unique_outputs_mean", "entropy_bits_mean", "accuracy_min", "best_possible_count"]
    assert {found[name] for name in unknown} == {None}


def test_one_run_is_no_agreement():
    """A single run agrees with itself; that is said, and no figure pretends more."""
    found = figures(log([["a"], ["b"]], gold="a", answer="a"))

    assert (found["n_runs"], found["ragged"], found["accuracy_min"]) == (1, False, 1.0)
    assert found["notes"] == [
        "Each question has one run: nothing repeats, so agreement is unknown."
    ]
    unknown = ["TARr", "TARr_at_k_prefix", "TARr_at_k_expected", "pairwise_agreement_mean"]
    assert {found[name] for name in [*unknown, "modal_share_mean", "unique_outputs_max"]} == {None}


def test_calls_from_a_cache_are_left_out_and_stated():
    """They repeat an answer by construction, so three runs with one real call are one run."""
    records = [
        Record(question="1", run="0", output="a"),
        Record(question="1", run="1", output="a", cached=True),
        Record(question="1", run="2", output="a", cached=True),
    ]

    found = figures(records)

    assert (found["n_runs"], found["cached_calls"], found["TARr"]) == (1, 2, None)
    assert any("2 calls answered by a cache" in note for note in found["notes"])


def test_group_with_nothing_but_cached_calls_has_no_figures():
    """Even then there is a report, which says so."""
    found = figures(log([["a", "a"]], cached=True, gold="a"))

    assert (found["n_runs"], found["n_calls"], found["cached_calls"]) == (0, 0, 2)
    assert (found["TARr"], found["accuracy_min"]) == (None, None)
    assert "one run or none" in found["notes"][0]


def test_missing_outputs_agree_with_nothing_and_are_stated():
    """Two failed calls are not two equal answers."""
    found = figures(log([[None, None], ["a", "a"]]))

    assert (found["TACr"], found["missing_outputs"]) == (1, 2)
    assert found["unique_outputs_histogram"] == [1, 1]
    assert "2 calls without an output: each agrees with nothing." in found["notes"]


def test_runs_without_any_output_never_agree():
    """Not even with themselves: a curve that starts at 1 would say that something came."""
    found = figures(log([[None, None]]))

    assert found["TARr_at_k_prefix"] == found["TARr_at_k_expected"] == [0.0, 0.0]


def test_a_missing_run_that_nothing_repeats_is_not_unstable():
    """A question with one call has nothing that could differ."""
    group = agreement(log([[None], ["a", "b"]])).groups["all"]

    assert [each.question for each in group.least_stable(5)] == ["1"]


def test_right_answers_that_are_compared_to_whole_outputs_are_stated():
    """Few models say the right answer and nothing else; with verdicts or answers it is no matter."""
    compared = "whole outputs are compared to the right answers"

    assert any(compared in note for note in figures(log([["a", "b"]], gold="a"))["notes"])
    for judged in ({"gold": "a", "answer": "a"}, {"correct": True}, {}):
        assert not any(compared in note for note in figures(log([["a", "b"]], **judged))["notes"])


def test_runs_are_in_the_order_of_their_numbers():
    """Run 10 comes after run 9, also in "run-10"; else the prefix would be of other runs."""
    for label in ("{}", "run-{}", "{}.5"):
        records = [
            Record(question="1", run=label.format(n), output="a" if n < 10 else "b")
            for n in reversed(range(12))
        ]

        assert figures(records)["TARr_at_k_prefix"] == [1.0] * 10 + [0.0] * 2


def test_different_labels_of_runs_are_stated():
    """Accuracy of run 1 is about the first run of each question, which is worth saying."""
    records = [
        Record(question=question, run=run, output="a")
        for question, runs in (("1", "01"), ("2", "12"))
        for run in runs
    ]

    assert "different labels" in figures(records)["notes"][0]


def test_groups_are_apart_and_in_order_of_appearance():
    """The same question and run may stand in each group."""
    records = [*log([["a", "b"]], group="late"), *log([["a", "a"]], group="early")]

    groups = agreement(records).groups

    assert {name: group.outputs.share for name, group in groups.items()} == {"late": 0, "early": 1}
    assert list(groups) == ["late", "early"]


def test_least_stable_questions_come_first():
    """So that a person can look at their outputs."""
    group = agreement(log([["a", "a", "b"], ["a", "a", "a"], ["a", "b", "c"]])).groups["all"]

    assert [each.question for each in group.least_stable(5)] == ["2", "0"]
    assert group.least_stable(1)[0].classes == (1, 1, 1)


def test_same_run_twice_is_refused():
    """It would count as agreement with itself."""
    twice = Record(question="q", run="1", output="a", place="runs.jsonl:2")

    with pytest.raises(RunLogError, match="question 'q' has the run '1' already, at runs.jsonl:2"):
        agreement([twice, twice])


@pytest.mark.parametrize(
    ("golds", "message"),
    [
        (["a", "b"], "the right answer to question 'q' is 'b' here, but 'a' at line 0"),
        (["a", None], "question 'q' has no right answer here"),
    ],
)
def test_question_has_one_right_answer(golds, message):
    """Two of them, or one for some runs only, would make an accuracy of nothing."""
    records = [
        Record(question="q", run=str(run), output="a", gold=gold, place=f"line {run}")
        for run, gold in enumerate(golds)
    ]

    with pytest.raises(RunLogError, match=message) as error:
        agreement(records)

    assert error.value.place == "line 1"


def test_no_records_are_refused():
    """There is no agreement of nothing."""
    with pytest.raises(RunLogError, match="holds no calls"):
        agreement([])

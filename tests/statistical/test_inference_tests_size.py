"""Do tests keep their level, and intervals theirs? The worlds stand in ``benchmarks``."""

from __future__ import annotations

import pytest

from benchmarks.inference_tests import PLAN, holds, run

# Studies that are quick enough for every run, with how many draws they can afford.
QUICK = {
    ("few_groups", 300): 400,
    ("few_groups", 1000): 400,
    ("schemes", 300): 200,
    ("no_shift", 300): 16,
    ("some_shift", 1000): 20,
    ("quality", 300): 20,
    ("support", 300): 40,
}


def broken_promises(study, n, rounds, seed):
    return {
        name: hits / judged
        for name, (hits, judged) in run(study, n, rounds, seed).items()
        if holds(*name.split("|"), hits / judged, judged) == "NO"
    }


@pytest.mark.filterwarnings("ignore:Propensities lie")
@pytest.mark.parametrize(("study", "n"), QUICK)
def test_levels_are_kept(study, n):
    assert broken_promises(study, n, QUICK[study, n], seed=0) == {}


def test_cross_fitted_predictions_reject_too_often_where_forward_ones_do_not():
    counts = run("schemes", 1000, 300, seed=1)
    rate = {name: hits / judged for name, (hits, judged) in counts.items()}
    allowed = 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert rate["size|14 coefficients, forward: slope above 0"] < allowed
    assert rate["size|14 coefficients, cross_fit: slope above 0"] > 0.065


def test_an_unmeasured_difference_is_covered_by_the_bounds_and_not_without_them():
    counts = run("hidden_difference", 1000, 40, seed=0)
    ignored = counts["coverage|mean shift, unmeasured difference ignored"]
    bounded = counts["coverage|mean shift, unmeasured difference of known strength"]
    assert ignored[0] / ignored[1] < 0.6
    assert bounded[0] / bounded[1] > 0.9


# Forests shrink what they learn, and the doubly robust mean shift leans to one side by what is
# left over; docs/inference_tests.md says how often it then rejects a true null.
LEANS = pytest.mark.xfail(reason="default forests leave a bias of half an error", strict=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Propensities lie")
@pytest.mark.parametrize(
    ("study", "n"),
    [
        pytest.param(study, n, marks=[LEANS] if study == "default_forests" else [])
        for study, (sizes, _) in PLAN.items()
        for n in sizes
    ],
)
def test_levels_are_kept_in_a_long_study(study, n):
    assert broken_promises(study, n, PLAN[study][1], seed=0) == {}

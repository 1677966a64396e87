"""Whether plans of labels come true; the long study makes docs/planning.md."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planning_check import PLAN_SIZES, PLANS, run

HALF = "ratio|half width of half the money each to cost-optimal, same money"
INSIDE = "inside|realised half width in the plan's interval"
WIDTH = 0.1  # realised and planned half width differ by less than a tenth on average


def means(study, n, rounds):
    counts = run(study, n, rounds, seed=0)
    return {name: total / judged for name, (total, judged) in counts.items()}


def broken(study, n, rounds):
    found = means(study, n, rounds)
    planned, achieved = found["power|planned"], found["power|achieved"]
    # Pilots err in the variance, so that planned power is itself off now and then.
    slack = 3 * np.sqrt(planned * (1 - planned) / rounds) + 0.02
    promises = {
        "width": abs(found["ratio|realised to planned half width"] - 1) < WIDTH,
        "power": abs(achieved - planned) < slack,
        "half the money": found[HALF] > 1,
    }
    return [name for name, kept in promises.items() if not kept]


@pytest.mark.parametrize(
    ("study", "rounds"), [("mean shift, pairs", 200), ("mean gain, nested", 60)]
)
def test_plans_come_true(study, rounds):
    assert broken(study, 1000, rounds) == []


def test_few_gold_labels_know_how_far_off_a_planned_half_width_may_be():
    inside = means("mean shift, separate", 300, 40)[INSIDE]
    assert inside > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
@pytest.mark.parametrize(("study", "n"), [(study, n) for study in PLANS for n in PLAN_SIZES])
def test_plans_come_true_in_a_long_study(study, n):
    assert broken(study, n, 400) == []

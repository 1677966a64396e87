"""Intervals for the value of a policy: nominal 95%, by logs of known truth.

The tables of docs/off_policy.md come from the same code, ``benchmarks/off_policy_coverage.py``.
"""

from __future__ import annotations

from math import sqrt

import pytest

from benchmarks.off_policy_coverage import CELLS, LEARNERS, N_ROWS, REPETITIONS, run

# Intervals that promise their level in every cell; "at all times" counts any look that was wrong.
PROMISED = {
    "fixed": ("dr, empirical_likelihood", "ips, empirical_likelihood"),
    "adaptive": ("dr, empirical_likelihood",),
    "difference": (
        "best - believed best, empirical_likelihood",
        "best - second guess, empirical_likelihood",
    ),
    "sequence": ("at all times at once",),
}
FAST = [
    ("fixed", "eps = 0.1", 300, 40),
    ("adaptive", "LinTS, arms alike", 300, 40),
    ("difference", "eps = 0.5", 300, 40),
    ("sequence", "epsilon .1, arms apart", 400, 40),
]


def assert_covered(study, cell, n, repetitions):
    counts = run(study, cell, n, repetitions)
    for name in PROMISED[study]:
        covered, rounds = counts[f"coverage|{name}"]
        assert covered / rounds >= 0.95 - 3 * sqrt(0.95 * 0.05 / rounds), (name, covered / rounds)


@pytest.mark.parametrize(("study", "cell", "n", "repetitions"), FAST)
def test_intervals_cover_in_a_few_logs(study, cell, n, repetitions):
    assert_covered(study, cell, n, repetitions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "cell", "n"), [(s, c, n) for s in CELLS for c in CELLS[s] for n in N_ROWS[s]]
)
def test_intervals_cover(study, cell, n):
    assert_covered(study, cell, n, REPETITIONS[study])


@pytest.mark.slow
def test_normal_intervals_fail_where_few_effective_rows_bear_on_the_policy():
    covered, rounds = run("fixed", "eps = 0.1", 300, 300)["coverage|dr, normal"]
    assert covered / rounds < 0.9


def test_every_learner_is_studied():
    assert set(LEARNERS) == set(CELLS["adaptive"])

"""The area that the points of a dial dominate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.evaluation import dominated_area
from metarouter.exceptions import DataError

POINTS = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=8)


@given(points=POINTS, largest_cost=st.floats(0.5, 4))
def test_it_is_the_mean_of_the_best_score_for_less_over_all_costs(points, largest_cost):
    cost, score = np.array(points).T
    budgets = (np.arange(20_000) + 0.5) / 20_000 * largest_cost
    best = np.where(cost <= budgets[:, None], score, 0.0).max(axis=1)
    assert dominated_area(cost, score, largest_cost) == pytest.approx(best.mean(), abs=1e-3)


@given(points=POINTS, more=st.tuples(st.floats(0, 5), st.floats(0, 1)))
def test_one_more_point_never_takes_anything_away(points, more):
    cost, score = np.array(points).T
    wider = dominated_area(np.append(cost, more[0]), np.append(score, more[1]), 3.0)
    assert wider >= dominated_area(cost, score, 3.0) - 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [0.5], 0.0), "largest_cost is 0.0; give a cost above 0"),
        (([1.0, np.nan], [0.5, 0.5], 1.0), "cost is NaN or infinite in 1 of 2 rows"),
        (([-1.0], [0.5], 1.0), "cost is negative in 1 of 1 rows"),
        (([1.0, 2.0], [0.5], 1.0), r"score has shape \(1,\) but there are 2 rows"),
        (([1.0], [1.5], 1.0), r"score is off \[0, 1\] in 1 of 1 points"),
        (([], [], 1.0), "give at least one point"),
    ],
)
def test_mistakes_are_said_in_one_sentence(arguments, message):
    with pytest.raises(DataError, match=message):
        dominated_area(*arguments)


def test_the_largest_cost_is_taken_under_its_former_name():
    points = [1.0, 2.0], [0.4, 0.9]
    assert dominated_area(*points, dearest=3.0) == dominated_area(*points, largest_cost=3.0)

"""Queries made once, in the place of the arrays that they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ranked_queries import queries

from metarouter import inference
from metarouter.datasets import make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import ScoredQueries

N = 90
RNG = np.random.default_rng(0)
GAIN, PSI = queries(N)
COST, WEIGHT, GROUPS = RNG.uniform(1, 2, N), RNG.integers(0, 3, N), np.arange(N) // 2
OTHER = RNG.standard_normal(N)
ARRAYS = {"sample_weight": WEIGHT, "groups": GROUPS}
TOGETHER = ScoredQueries(GAIN + 1, PSI, COST, WEIGHT, GROUPS)
COSTED = ("efficiency_gain_band", "qini_band", "cost_quality_band")
OTHERS = ("toc_band", "performance_gap_band", "rank_weighted_effects")


@pytest.mark.parametrize("name", COSTED + OTHERS)
def test_they_give_what_their_arrays_give(name):
    function = getattr(inference, name)
    cost = {"cost": COST} if name in COSTED else {}
    arrays = function(GAIN + 1, PSI, **cost, **ARRAYS, n_draws=100)
    pd.testing.assert_frame_equal(function(TOGETHER, n_draws=100).to_frame(), arrays.to_frame())


def test_routers_are_compared_on_them():
    for function, scores in (
        (inference.difference_band, {"psi_hat": PSI, "reference": OTHER}),
        (inference.compare_all_pairs, {"predictions": {"a": PSI, "b": OTHER}}),
    ):
        arrays = function(GAIN + 1, **scores, **ARRAYS, n_draws=100)
        scores.pop("psi_hat", None)
        found = function(TOGETHER, **scores, n_draws=100)
        pd.testing.assert_frame_equal(found.to_frame(), arrays.to_frame())


def test_they_are_sorted_and_queries_that_weigh_nothing_are_left_out():
    assert TOGETHER.n == (WEIGHT > 0).sum()
    assert (np.diff(PSI[TOGETHER.order]) <= 0).all()
    assert TOGETHER.gain == pytest.approx(GAIN[TOGETHER.order] + 1)
    assert TOGETHER.share.sum() == pytest.approx(1)
    assert TOGETHER.n_units == len(np.unique(GROUPS[WEIGHT > 0]))


def test_another_router_sorts_a_copy():
    other = TOGETHER.sorted_by(OTHER)
    assert (np.diff(OTHER[other.order]) <= 0).all()
    assert other.cost == pytest.approx(COST[other.order])
    assert (np.diff(PSI[TOGETHER.order]) <= 0).all()


def test_doubly_robust_scores_say_which_queries_have_gold():
    data = make_judged_queries(120, gold_share=0.5, random_state=0)
    gains = inference.doubly_robust_gains(data, gold_outcome=np.zeros(120), propensity=0.5)
    found = ScoredQueries(gains, np.arange(120))
    assert found.n_gold == gains.n_gold < found.n == 120


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ScoredQueries(GAIN, PSI[:-1]), DataError, "psi_hat has 89 entries"),
        (lambda: ScoredQueries(GAIN, PSI, COST[1:]), DataError, "cost has 89 entries"),
        (lambda: ScoredQueries(GAIN, "psi"), DataError, "psi_hat is 'psi'"),
        (lambda: inference.toc_band(TOGETHER, PSI), MetaRouterError, "psi_hat is given beside"),
        (lambda: inference.toc_band(TOGETHER, groups=GROUPS), MetaRouterError, "groups is given"),
        (lambda: inference.toc_band(GAIN), MetaRouterError, "psi_hat is missing"),
        (lambda: inference.toc_band(ScoredQueries(GAIN)), MetaRouterError, "psi_hat is missing"),
        (lambda: inference.qini_band(TOGETHER, cost=COST), MetaRouterError, "cost is given beside"),
        (lambda: inference.cost_quality_band(GAIN, PSI), MetaRouterError, "cost is missing"),
        (lambda: inference.difference_band(GAIN, PSI), MetaRouterError, "reference is missing"),
        (
            lambda: inference.efficiency_gain_band(ScoredQueries(GAIN, PSI, -COST)),
            DataError,
            "cost is negative for 90 of 90",
        ),
    ],
)
def test_what_is_missing_wrong_or_given_twice_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()

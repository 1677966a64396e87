"""Tests of routers on held-out labels keep their level where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from metarouter import MetaRouter
from metarouter.datasets import LabelledQueries
from metarouter.inference import rank_weighted_effects
from metarouter.inference.labels import Scheme, held_out_routers

ROUNDS = 400
# A mean is what a router learns from noise: with a heavy penalty the folds differ in level alone.
ROUTER = {"gold_only": MetaRouter(regressor=Ridge(300.0), sources="gold")}


def _t_values(scheme: Scheme, *, ranked: bool, rounds: int) -> np.ndarray:
    found = np.empty((rounds, 2))
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        gold = rng.standard_normal(120)
        queries = LabelledQueries(rng.standard_normal((120, 5)), gold, np.full(120, np.nan))
        held_out = held_out_routers(queries, ROUTER, 5, seed, scheme=scheme)
        score = (held_out.ranks() if ranked else held_out.gains)["gold_only"]
        rows = held_out.fold >= 0
        area = rank_weighted_effects(gold[rows], score[rows]).effect("area")
        found[seed] = area.value / area.se, area.p_value
    return found


@pytest.mark.slow
def test_forward_predictions_ranked_within_folds_keep_the_level_of_tests() -> None:
    t, p = _t_values("forward", ranked=True, rounds=ROUNDS).T
    assert np.mean(p < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / ROUNDS)
    assert abs(t.mean()) < 3 / np.sqrt(ROUNDS)


@pytest.mark.slow
def test_cross_fitting_rejects_too_often_and_levels_of_folds_look_like_a_bad_router() -> None:
    raw, _ = _t_values("cross_fit", ranked=False, rounds=ROUNDS).T
    assert raw.mean() < -5 / np.sqrt(ROUNDS)
    t, p = _t_values("cross_fit", ranked=True, rounds=ROUNDS).T
    assert np.mean(p < 0.05) > 0.05 + 3 * np.sqrt(0.05 * 0.95 / ROUNDS)
    assert abs(t.mean()) < 4 / np.sqrt(ROUNDS)

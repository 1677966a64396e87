"""Results on fixed seeds, stored before the rooms were rebuilt: the arithmetic has not moved since.

The tables of all functions whose statistics are meant to stay. Each is kept as three numbers per
column: the count of finite entries, their sum, and a sum with fixed weights. To store anew, after
a change that is meant: ``PYTHONPATH=.:tests python tests/unit/inference/test_stored_numbers.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from certified_queries import bounded
from linear_shift import labelled, quick_router, recipe
from ranked_queries import queries
from sklearn.linear_model import LinearRegression

from metarouter import DRLearner, inference

STORED = Path(__file__).with_name("stored_numbers.json")
DRAWS = {"n_draws": 200, "random_state": 1}


def _groups(n):
    return np.random.default_rng(7).integers(n // 4, size=n)


def _band(function, *, groups=False, **settings):
    def found():
        gain, score = queries(300, seed=3, ties=groups)
        given = {"groups": _groups(300)} if groups else {}
        return function(gain, score, **DRAWS, **given, **settings)

    return found


def _costs(n=300):
    return np.random.default_rng(5).uniform(1, 3, n)


def _cost_quality():
    gain, score = queries(300, seed=3)
    return inference.cost_quality_band(
        gain, score, _costs(), alternative_cost=0.1 * _costs(), **DRAWS
    )


def _pairs():
    gain, score = queries(300, seed=3)
    noise = np.random.default_rng(9).standard_normal((2, 300))
    routers = {"a": score, "b": score + noise[0], "c": noise[1]}
    return inference.compare_all_pairs(gain, routers, **DRAWS)


def _difference():
    gain, score = queries(300, seed=3)
    other = score + np.random.default_rng(9).standard_normal(300)
    return inference.difference_band(gain, score, other, **DRAWS)


def _learner():
    return DRLearner(LinearRegression(), "constant", LinearRegression())


def _certified(**settings):
    psi_hat, gold = bounded(800, seed=2)
    found = inference.certify_predictions(psi_hat, gold, **settings)
    return pd.DataFrame(
        {"w": [found.w, found.certified_low, found.certified_high], "n": found.n_gold}
    )


def _monitor():
    rng = np.random.default_rng(4)
    monitor = inference.RouterMonitor(max_share=0.5, random_state=0, window=100)
    for _ in range(3):
        primary = rng.random(200) < 0.4
        features = rng.standard_normal((200, 3))
        monitor.update(primary, features=features, prediction=features[:, 0])
    return monitor.report()


def _held_out():
    return inference.held_out_predictions(labelled(), _learner(), random_state=0)


CASES = {
    "efficiency_gain_band": _band(inference.efficiency_gain_band),
    "efficiency_gain_band, influence, groups": _band(
        inference.efficiency_gain_band, method="influence", groups=True
    ),
    "efficiency_gain_band, costs": _band(inference.efficiency_gain_band, cost=_costs()),
    "efficiency_gain_band, thresholds": _band(
        inference.efficiency_gain_band, thresholds=[-0.5, 0.0, 0.5]
    ),
    "toc_band": _band(inference.toc_band),
    "qini_band": _band(inference.qini_band, groups=True),
    "performance_gap_band": _band(inference.performance_gap_band),
    "rank_weighted_effects, half_sample": _band(
        inference.rank_weighted_effects, method="half_sample"
    ),
    "cost_quality_band": _cost_quality,
    "difference_band": _difference,
    "compare_all_pairs": _pairs,
    "mean_shift_test, paired": lambda: inference.mean_shift_test(labelled(both=True)),
    "mean_shift_test, difference": lambda: inference.mean_shift_test(
        labelled(), method="difference"
    ),
    "mean_shift_test, overlap": lambda: inference.mean_shift_test(
        labelled(), method="overlap", nuisances=recipe(), random_state=0
    ),
    "best_linear_projection": lambda: inference.best_linear_projection(
        labelled(), nuisances=recipe(), random_state=0
    ),
    "best_linear_projection, groups": lambda: inference.best_linear_projection(
        labelled(groups=_groups(600)), nuisances=recipe(), random_state=0
    ),
    "calibration_test": lambda: inference.calibration_test(
        labelled(), _learner(), nuisances=recipe(), random_state=0
    ),
    "sorted_group_effects": lambda: inference.sorted_group_effects(
        labelled(), _learner(), n_groups=3, nuisances=recipe(), random_state=0
    ),
    "held_out_predictions": _held_out,
    "doubly_robust_gains": lambda: inference.doubly_robust_gains(
        labelled(), recipe(), random_state=0
    ),
    "certify_predictions, share": lambda: _certified(max_share=0.3),
    "certify_predictions, bounded gain": lambda: _certified(
        max_share=0.5, min_gain=0.1, gain_bounds=(-1, 1)
    ),
    "certify_predictions, clt": lambda: _certified(min_gain=0.1),
    "certify_predictions, split": lambda: _certified(
        min_gain=0.1, gain_bounds=(-1, 1), search="split", random_state=0
    ),
    "overlap_report": lambda: inference.overlap_report(
        labelled(), nuisances=recipe(), random_state=0
    ),
    "nuisance_quality": lambda: inference.nuisance_quality(
        labelled(), nuisances=recipe(), random_state=0
    ),
    "expected_area": lambda: inference.expected_area(
        labelled(), quick_router(), n_gold=[300], rounds=3, random_state=0
    ),
    "plan_labels": lambda: inference.plan_labels(
        labelled(), money=300, nuisances=recipe(), random_state=0
    ),
    "RouterMonitor, usage and drift": _monitor,
}


def digest(found):
    frame = found if isinstance(found, pd.DataFrame) else found.to_frame()
    columns = {}
    for name in frame.columns:
        column = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float)
        finite = np.where(np.isfinite(column), column, 0.0)
        weight = np.cos(np.arange(1, column.size + 1))
        numbers = [int(np.isfinite(column).sum()), float(finite.sum()), float(finite @ weight)]
        columns[str(name)] = [float(f"{number:.14g}") for number in numbers]
    return columns


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_that_were_stored(name):
    stored = json.loads(STORED.read_text())[name]
    found = digest(CASES[name]())
    assert set(stored) <= set(found)
    for column, numbers in stored.items():
        np.testing.assert_allclose(found[column], numbers, rtol=1e-10, atol=1e-10, err_msg=column)


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(digest(make()))}" for name, make in CASES.items()]
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n")

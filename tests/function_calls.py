"""Calls of public functions that go well, for tests that spoil one argument of one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression

from bandits import LinUCB
from bandits.off_policy import LoggedFeedback
from bandits.replay import Replay
from metarouter import MetaRouter, Nuisances, RLearner, ThresholdRouter, ZeroShift
from metarouter.datasets import make_judged_queries

__all__ = ["CALLS"]

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
PSI = X[:, 0]
GAIN = PSI + RNG.normal(size=N)
COST = RNG.uniform(1, 2, N)
WEIGHT = RNG.uniform(0.5, 1, N)
GROUPS = np.arange(N) // 2
GRID = np.linspace(0.1, 0.9, 5)
ROUTED = np.arange(N) % 2
SOME = {"sample_weight": WEIGHT, "groups": GROUPS}
VERDICT = np.sign(RNG.normal(size=(N, 3)))
QUALITY, COSTS = RNG.random((N, 2)), RNG.uniform(1, 2, (N, 2))
LINES: dict[str, Any] = {"outcome": LinearRegression(), "propensity": LogisticRegression()}
QUICK_ROUTER = MetaRouter(ZeroShift(), LinearRegression(), calibrate=False)
TARGET = np.tile([0.7, 0.3], (N, 1))


@cache
def queries() -> Any:
    return make_judged_queries(200, n_features=6, gold_share=0.5, random_state=0)


@cache
def threshold_router() -> Any:
    return ThresholdRouter(LinearRegression()).fit(X, GAIN)


def on_queries() -> dict[str, Any]:
    """Queries, and models of them that are fitted in no time."""
    return {"data": queries(), "nuisances": Nuisances(**LINES)}


def log() -> Any:
    names = ["a", "b"]
    return LoggedFeedback(X, names * (N // 2), np.full(N, 0.5), QUALITY[:, 0], arms=names)


BAND = {**SOME, "gold_gain": GAIN, "psi_hat": PSI, "n_draws": 100}
# The arguments of a call that goes well, made anew for each.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "tune_threshold": lambda: {
        "router": threshold_router(), "X": X, "max_cost": 10.0, "gold": GAIN,
    },
    "clustered_means": lambda: {"values": X, "groups": GROUPS},
    "compare_routers": lambda: {
        **SOME, "gold_gain": GAIN, "predictions": {"a": PSI, "b": X[:, 1]}, "reference": "a",
    },
    "cost_quality_curve": lambda: {
        "cost": np.sort(COSTS, axis=1), "quality": QUALITY, "groups": GROUPS,
    },
    "default_routers": lambda: {
        "regressor": LinearRegression(), "final": LinearRegression(), "propensity": "constant",
        "cv": 3,
    },
    "efficiency_gain": lambda: {
        "gold_gain": GAIN, "routed_to_primary": ROUTED, "sample_weight": WEIGHT,
    },
    "total_efficiency": lambda: {
        "gold_gain": GAIN, "routed_to_primary": ROUTED, "sample_weight": WEIGHT,
    },
    "usage_ratio": lambda: {"routed_to_primary": ROUTED, "sample_weight": WEIGHT},
    "efficiency_gain_curve": lambda: {**SOME, "gold_gain": GAIN, "psi_hat": PSI, "grid": GRID},
    "performance_gap_curve": lambda: {
        "quality_strong": 1 + X[:, 0], "quality_weak": X[:, 0], "score": PSI, "groups": GROUPS,
        "grid": GRID, "n_resamples": 20,
    },
    "reduce_dimension": lambda: {"X": X, "d": 1},
    "certify_predictions": lambda: {
        **SOME, "psi_hat": PSI, "gold_gain": GAIN, "costs": COSTS, "latencies": COSTS,
        "max_share": 0.5, "grid": GRID, "random_state": 0,
    },
    "certify_threshold": lambda: {
        "router": threshold_router(), "X": X, "gold_gain": GAIN, "max_share": 0.5,
    },
    "compare_all_pairs": lambda: {
        **SOME, "gold_gain": GAIN, "predictions": {"a": PSI, "b": X[:, 1]}, "n_draws": 100,
    },
    "cost_quality_band": lambda: {
        **BAND, "cost": COST, "alternative_quality": GAIN, "alternative_cost": COST, "grid": GRID,
    },
    "difference_band": lambda: {**BAND, "reference": X[:, 1], "grid": GRID},
    "efficiency_gain_band": lambda: {**BAND, "cost": COST, "grid": GRID},
    "qini_band": lambda: {**BAND, "cost": COST, "grid": GRID},
    "toc_band": lambda: {**BAND, "grid": GRID},
    "performance_gap_band": lambda: {**BAND, "gold_gain": GAIN + 2, "grid": GRID},
    "rank_weighted_effects": lambda: {**BAND},
    "best_linear_projection": lambda: {**on_queries(), "features": queries().X[:, :1]},
    "calibration_test": lambda: {**on_queries(), "predictions": queries().X[:, 0]},
    "sorted_group_effects": lambda: {**on_queries(), "predictions": queries().X[:, 0]},
    "check_data": on_queries,
    "doubly_robust_gains": lambda: {
        "data": queries(), "gold_outcome": queries().X[:, 0], "propensity": 0.5,
    },
    "expected_area": lambda: {
        "data": queries(), "router": QUICK_ROUTER, "n_gold": [20], "n_preference": [20],
        "rounds": 3,
    },
    "held_out_predictions": lambda: {
        "data": queries(), "model": RLearner(**LINES, final=LinearRegression()),
    },
    "mean_shift_test": lambda: {"data": queries(), "method": "difference"},
    "nuisance_quality": on_queries,
    "overlap_report": on_queries,
    "plan_labels": lambda: {**on_queries(), "half_width": 0.1},
    "sensitivity_analysis": on_queries,
    "suggest_labels": lambda: {"queries": queries(), "model": LinearRegression(), "n": 5},
    "category_means": lambda: {
        "values": X, "labels": ["a", "b"] * (N // 2), "categories": ["a", "b"],
    },
    "dominated_area": lambda: {"cost": [0.1, 0.5], "score": [0.2, 0.9], "largest_cost": 1.0},
    "router_table": lambda: {
        "routers": {"a": PSI > 0}, "X": X, "quality": QUALITY, "cost": COSTS, "groups": GROUPS,
        "preference": (0.5, 0.5),
    },
    "off_policy_value": lambda: {"log": log(), "policy": TARGET, "method": "ips"},
    "compare_policies": lambda: {"log": log(), "first": TARGET, "second": 1 - TARGET},
    "fitted_rewards": lambda: {"log": log(), "outcome": LinearRegression()},
    "promotion": lambda: {"log": log(), "challenger": TARGET},
    "play": lambda: {
        "router": LinUCB(arms=(0, 1)), "replay": Replay(X, QUALITY), "preference": (1.0, 0.0),
        "random_state": 0,
    },
    "agreement_reward": lambda: {"verdict": VERDICT, "chosen": [0] * N},
    "verified_reward": lambda: {"verdict": VERDICT[:, 1], "label": VERDICT[:, 0]},
    "dpo_loss": lambda: {"margin": PSI, "verdict": VERDICT[:, 0]},
    "loss_advantage": lambda: {"losses": COSTS, "chosen": [0] * N, "asked": COSTS > 0},
    "majority_vote": lambda: {"verdict": VERDICT},
    "pair_features": lambda: {"first": X, "second": X + 1},
}  # fmt: skip

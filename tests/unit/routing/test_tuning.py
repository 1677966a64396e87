from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.routing import GivenCost, ThresholdRouter, tune_threshold


class FirstFeature(BaseEstimator):
    """A gain model that predicts its first feature exactly."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.asarray(X, dtype=float)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


UNIT = ThresholdRouter(FirstFeature())
GIVEN = ThresholdRouter(FirstFeature(), GivenCost())


def column(psi_hat):
    return np.asarray(psi_hat, dtype=float).reshape(-1, 1)


def spent(tuned, router, X, costs, budget):
    to_primary = tuned.apply(router).predict(X, **costs) == "primary"
    if budget == "max_share":
        return to_primary.mean()
    paid = np.where(to_primary, costs["cost_primary"], costs["cost_alternative"])
    return paid.mean() if budget == "max_cost" else paid.sum() / costs["cost_primary"].sum()


gains = st.lists(st.one_of(st.integers(-3, 3), st.floats(-3, 3)), min_size=1, max_size=25)


@given(psi_hat=gains, share=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_the_share_never_exceeds_its_budget_whatever_the_ties(psi_hat, share):
    X = column(psi_hat)
    tuned = tune_threshold(UNIT, X, max_share=share)
    assert np.mean(tuned.apply(UNIT).predict(X) == "primary") == tuned.usage_ratio <= share


@given(psi_hat=gains, share=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_no_smaller_w_keeps_the_share(psi_hat, share):
    X = column(psi_hat)
    w = tune_threshold(UNIT, X, max_share=share).w
    smaller = np.unique(np.concatenate([[0.0], X[:, 0][X[:, 0] > 0]]))
    for v in smaller[smaller < w]:
        assert np.mean(ThresholdRouter(FirstFeature(), w=v).predict(X) == "primary") > share


@given(seed=st.integers(0, 10_000), budget=st.sampled_from(["max_cost", "max_cost_ratio"]))
@settings(max_examples=150, deadline=None)
def test_money_is_never_exceeded_with_extra_costs_of_any_sign(seed, budget):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    X = column(rng.choice([rng.normal(size=n), rng.integers(-2, 3, n)]))
    costs = {
        "cost_primary": rng.integers(1, 5, n) * 0.1,
        "cost_alternative": rng.integers(0, 5, n) * 0.1,
    }
    limit = rng.uniform(0, 1)
    try:
        tuned = tune_threshold(GIVEN, X, **{budget: limit}, **costs)
    except BudgetError:
        cheapest = np.minimum(costs["cost_primary"], costs["cost_alternative"])
        unit = costs["cost_primary"].sum() if budget == "max_cost_ratio" else n
        equal = (costs["cost_primary"] == costs["cost_alternative"]) & (X[:, 0] > 0)
        assert cheapest[~equal].sum() + costs["cost_primary"][equal].sum() > limit * unit - 1e-9
        return
    assert spent(tuned, GIVEN, X, costs, budget) <= limit
    assert tuned.spent == pytest.approx(spent(tuned, GIVEN, X, costs, budget))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_a_share_with_extra_costs_of_any_sign_is_the_first_on_a_fine_grid_of_w(seed):
    rng = np.random.default_rng(seed)
    n = 8
    X = column(rng.integers(-3, 4, n))
    costs = {"cost_primary": rng.integers(0, 4, n), "cost_alternative": rng.integers(0, 4, n)}
    share = rng.uniform(0, 1)
    extra = costs["cost_primary"] - costs["cost_alternative"]
    # Every ratio of the small integers above is a multiple of 1/6; the set changes nowhere else.
    grid = np.sort(np.concatenate([np.arange(0, 61) / 6, np.arange(0, 61) / 6 + 1e-6]))
    kept = [w for w in grid if np.mean(X[:, 0] - w * extra > 1e-9) <= share]
    if not kept:
        with pytest.raises(BudgetError, match="max_share"):
            tune_threshold(GIVEN, X, max_share=share, **costs)
        return
    assert tune_threshold(GIVEN, X, max_share=share, **costs).w == pytest.approx(kept[0], abs=2e-6)


def test_queries_that_are_cheaper_with_the_primary_model_join_it_as_w_grows():
    X = column([-1.0, -1.0, 1.0])
    costs = {"cost_primary": [1.0, 1.0, 2.0], "cost_alternative": [2.0, 2.0, 1.0]}
    low, high = (
        tune_threshold(GIVEN, X, **budget, **costs)
        for budget in ({"max_share": 0.4}, {"max_cost": 1.0})
    )
    assert (low.w, low.usage_ratio) == (0.0, pytest.approx(1 / 3))
    assert high.w == pytest.approx(1.0)
    assert high.apply(GIVEN).predict(X, **costs).tolist() == ["primary", "primary", "alternative"]


def test_a_gain_of_zero_joins_a_cheaper_primary_model_at_once():
    costs = {"cost_primary": [1e-6], "cost_alternative": [2e-6]}
    tuned = tune_threshold(GIVEN, column([0.0]), max_cost=1.5e-6, **costs)
    assert 0 < tuned.w < 1e-290
    assert tuned.usage_ratio == 1.0


def test_a_budget_that_is_not_reached_leaves_w_at_zero():
    tuned = tune_threshold(UNIT, column([1.0, -1.0, -2.0, -3.0]), max_share=0.9)
    assert (tuned.w, tuned.usage_ratio, tuned.n_tied) == (0.0, 0.25, 0)


def test_ties_at_the_threshold_are_counted_and_said():
    tuned = tune_threshold(UNIT, column([1.0, 1.0, 1.0, 2.0]), max_share=0.5)
    assert (tuned.w, tuned.usage_ratio, tuned.n_tied) == (1.0, 0.25, 3)
    assert "3 queries are tied at w" in tuned.summary()


def test_ties_that_leave_nothing_unused_are_not_mentioned():
    tuned = tune_threshold(UNIT, column([1.0, 1.0, 2.0, 2.0]), max_share=0.5)
    assert (tuned.usage_ratio, tuned.n_tied) == (0.5, 0)
    assert "tied" not in tuned.summary()


def test_at_unit_cost_all_three_budgets_are_the_share():
    X = column(np.random.default_rng(0).normal(size=50))
    budgets = ("max_share", "max_cost", "max_cost_ratio")
    assert len({tune_threshold(UNIT, X, **{name: 0.3}).w for name in budgets}) == 1


def test_the_realised_gain_is_that_of_the_gold_labels_sent_to_the_primary_model():
    gold = np.array([0.5, np.nan, 2.0, -1.0])
    tuned = tune_threshold(UNIT, column([1.0, 3.0, 2.0, -5.0]), max_share=0.5, gold=gold)
    realised = np.array([0.0, 2.0, 0.0])
    assert tuned.gain == pytest.approx(realised.mean())
    assert tuned.gain_se == pytest.approx(realised.std(ddof=1) / np.sqrt(3))
    assert tuned.n_gold == 3
    assert "3 gold labels" in tuned.summary()


def test_every_estimate_of_the_summary_carries_its_standard_error():
    lines = str(tune_threshold(UNIT, column([1.0, 2.0, 3.0]), max_share=0.5)).splitlines()
    assert all("s.e." in line for line in lines if not line.startswith("w = "))


def test_apply_changes_a_copy_and_keeps_the_fitted_parts():
    X = column([1.0, 2.0, 3.0, 4.0])
    router = ThresholdRouter(LinearRegression(), w=7.0).fit(X, X[:, 0])
    tuned = tune_threshold(router, X, max_share=0.5).apply(router)
    assert router.w == 7.0
    assert tuned.model_ is router.model_
    assert tuned.predict(X).tolist() == ["alternative"] * 2 + ["primary"] * 2


def test_a_pipeline_that_ends_in_a_router_is_tuned_and_copied():
    X = column([1.0, 2.0, 3.0, 4.0])
    pipeline = make_pipeline(StandardScaler(), ThresholdRouter(LinearRegression()))
    pipeline.fit(X, X[:, 0] - 2)
    tuned = tune_threshold(pipeline, X, max_share=0.25).apply(pipeline)
    assert tuned.predict(X).tolist() == ["alternative"] * 3 + ["primary"]
    assert pipeline[-1].w == 0.0


def test_a_tuned_threshold_cannot_be_changed():
    tuned = tune_threshold(UNIT, column([1.0]), max_share=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        tuned.w = 1.0


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "No budget is given; give exactly one of max_share, max_cost, max_cost_ratio"),
        ({"max_share": 0.5, "max_cost": 1.0}, "2 budgets are given"),
        ({"max_share": 1.5}, "max_share is 1.5; give a share from 0 to 1"),
        ({"max_share": -0.1}, "max_share is -0.1"),
        ({"max_cost": float("nan")}, "max_cost is nan"),
        ({"max_cost": "cheap"}, "max_cost is 'cheap'"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(budget, message):
    with pytest.raises(BudgetError, match=message):
        tune_threshold(UNIT, column([1.0, 2.0]), **budget)


def test_a_budget_that_cannot_be_met_names_the_least_possible_one_and_that_one_can_be_met():
    X = column([1.0, 2.0, 3.0])
    costs = {"cost_primary": [1 / 3, 1 / 3, 0.2], "cost_alternative": [0.1, 0.1, 0.2]}
    with pytest.raises(BudgetError, match=r"max_cost=0.1 cannot be met: .* 3 queries") as failure:
        tune_threshold(GIVEN, X, max_cost=0.1, **costs)
    least = float(str(failure.value).split(" is ")[1].split(";")[0])
    assert tune_threshold(GIVEN, X, max_cost=least, **costs).mean_cost <= least


def test_a_ratio_to_a_primary_model_that_costs_nothing_is_refused():
    with pytest.raises(BudgetError, match="the primary model costs nothing"):
        tune_threshold(
            GIVEN, column([1.0]), max_cost_ratio=0.5, cost_primary=[0.0], cost_alternative=[1.0]
        )


def test_wrong_data_are_named():
    X = column([1.0, 2.0])
    with pytest.raises(DataError, match=r"gold has shape \(3,\) where X has 2 rows"):
        tune_threshold(UNIT, X, max_share=0.5, gold=[1, 2, 3])
    with pytest.raises(DataError, match="gold is missing in all 2 rows"):
        tune_threshold(UNIT, X, max_share=0.5, gold=[np.nan, np.nan])
    with pytest.raises(DataError, match="gold is infinite in 1 row of 2"):
        tune_threshold(UNIT, X, max_share=0.5, gold=[np.inf, 1])
    with pytest.raises(DataError, match="X holds no queries"):
        tune_threshold(UNIT, np.empty((0, 1)), max_share=0.5)
    with pytest.raises(MetaRouterError, match="UnitCost does not use latency"):
        tune_threshold(UNIT, X, max_share=0.5, latency=[1, 2])
    with pytest.raises(MetaRouterError, match="router is a FirstFeature, but only"):
        tune_threshold(FirstFeature(), X, max_share=0.5)


@given(
    psi_hat=arrays(float, 12, elements=st.floats(1e-300, 1e300)),
    extra=arrays(float, 12, elements=st.floats(1e-300, 1e300)),
    share=st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_the_share_is_kept_at_the_edges_of_floating_point(psi_hat, extra, share):
    with np.errstate(all="ignore"):
        assume(np.all(np.isfinite(psi_hat / extra)))
        costs = {"cost_primary": extra, "cost_alternative": np.zeros(12)}
        tuned = tune_threshold(GIVEN, column(psi_hat), max_share=share, **costs)
    assert tuned.usage_ratio <= share

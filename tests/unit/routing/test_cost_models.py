from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.routing import GivenCost, ThresholdRouter, TokenCost, TokenRates, UnitCost

X = np.arange(8.0).reshape(4, 2)
LARGE = TokenRates(input=2.5, output=10.0, fixed=0.001)
SMALL = TokenRates(input=0.15, output=0.6)


@parametrize_with_checks([UnitCost(), GivenCost(), TokenCost(LARGE, SMALL, output_tokens=(9, 9))])
def test_cost_models_are_scikit_learn_estimators(estimator, check):
    check(estimator)


def test_unit_cost_is_one_unit_for_the_primary_model_on_every_query():
    np.testing.assert_array_equal(UnitCost().costs(X), [[0.0, 1.0]] * 4)
    np.testing.assert_array_equal(UnitCost().extra_cost(["a text", "another"]), [1.0, 1.0])


def test_token_cost_is_the_formula_of_remark_2():
    cost = TokenCost(primary=LARGE, alternative=SMALL)
    tokens = np.array([100, 200, 300, 400])
    answers = np.column_stack([tokens * 2, tokens * 3])
    costs = cost.costs(X, input_tokens=tokens, output_tokens=answers)
    np.testing.assert_allclose(costs[:, 0], 0.15e-6 * tokens + 0.6e-6 * answers[:, 0])
    np.testing.assert_allclose(costs[:, 1], 2.5e-6 * tokens + 1e-5 * answers[:, 1] + 0.001)
    np.testing.assert_allclose(
        cost.extra_cost(X, input_tokens=tokens, output_tokens=answers), costs[:, 1] - costs[:, 0]
    )


def test_models_may_count_input_tokens_differently():
    cost = TokenCost(TokenRates(input=1.0), TokenRates(input=1.0), per=1)
    np.testing.assert_array_equal(cost.extra_cost(X, input_tokens=[[5, 7]] * 4), [2.0] * 4)


def test_rates_per_thousand_tokens_are_a_thousand_times_those_per_million():
    per_million = TokenCost(TokenRates(input=2.0), TokenRates())
    per_thousand = TokenCost(TokenRates(input=0.002), TokenRates(), per=1_000)
    np.testing.assert_allclose(
        per_million.extra_cost(X, input_tokens=[1, 2, 3, 4]),
        per_thousand.extra_cost(X, input_tokens=[1, 2, 3, 4]),
    )


def test_generation_limits_stand_in_for_output_tokens_until_these_are_given():
    cost = TokenCost(TokenRates(output=1.0), TokenRates(output=1.0), output_tokens=(10, 30), per=1)
    np.testing.assert_array_equal(cost.costs(X), [[10.0, 30.0]] * 4)
    np.testing.assert_array_equal(cost.costs(X, output_tokens=[1, 2, 3, 4])[:, 1], [1, 2, 3, 4])


def test_output_tokens_are_predicted_by_one_regressor_per_model_and_never_negative():
    cost = TokenCost(
        TokenRates(output=1.0), TokenRates(output=1.0), output_tokens=LinearRegression(), per=1
    )
    counts = np.column_stack([X[:, 0], 2 * X[:, 0] + 5])
    cost.fit(X, output_tokens=counts)
    np.testing.assert_allclose(cost.costs(X), counts, atol=1e-9)
    assert cost.costs([[-100.0, -99.0]]).min() == 0.0


def test_each_model_learns_its_output_tokens_from_the_queries_that_it_has_answered():
    cost = TokenCost(
        TokenRates(output=1.0), TokenRates(output=1.0), output_tokens=LinearRegression(), per=1
    )
    counts = np.array([[1.0, np.nan], [np.nan, 20.0], [5.0, np.nan], [np.nan, 40.0]])
    cost.fit(X, output_tokens=counts)
    np.testing.assert_allclose(cost.costs(X), [[1, 10], [3, 20], [5, 30], [7, 40]], atol=1e-9)


def test_latency_is_a_weighted_extra_cost_from_the_rates_or_as_given():
    cost = TokenCost(
        TokenRates(seconds=1.0, seconds_per_output_token=0.1),
        TokenRates(),
        output_tokens=(10, 20),
        latency_weight=0.5,
    )
    np.testing.assert_allclose(cost.extra_cost(X), [0.5 * (1.0 + 0.1 * 20)] * 4)
    np.testing.assert_allclose(cost.extra_cost(X, latency=[[1.0, 5.0]] * 4), [2.0] * 4)


def test_latency_without_a_weight_costs_nothing():
    cost = TokenCost(TokenRates(seconds=9.0), TokenRates())
    np.testing.assert_array_equal(cost.extra_cost(X, latency=[1, 2, 3, 4]), np.zeros(4))


def test_an_extra_cost_is_negative_where_the_primary_model_is_cheaper():
    given = {"cost_primary": [1, 1, 1, 5], "cost_alternative": [2, 1, 0, 1]}
    np.testing.assert_array_equal(GivenCost().extra_cost(X, **given), [-1, 0, 1, 4])


def test_a_router_hands_per_query_inputs_to_its_cost_model():
    gain = LinearRegression().fit(X, X[:, 0])
    router = ThresholdRouter(gain, TokenCost(TokenRates(input=1.0), TokenRates(), per=1), w=1.0)
    np.testing.assert_allclose(
        router.decision_function(X, input_tokens=[1, 1, 9, 9]), X[:, 0] - [1, 1, 9, 9], atol=1e-9
    )
    assert router.predict(X, input_tokens=[1, 1, 9, 9]).tolist() == [
        "alternative", "primary", "alternative", "alternative",
    ]  # fmt: skip


def test_a_frozen_cost_model_keeps_its_regressors_when_the_router_is_cloned():
    cost = TokenCost(TokenRates(output=1.0), TokenRates(), output_tokens=LinearRegression(), per=1)
    cost.fit(X, output_tokens=X)
    router = clone(ThresholdRouter(LinearRegression(), FrozenEstimator(cost), w=1.0))
    assert router.fit(X, X[:, 0]).decision_function(X).shape == (4,)


def token_cost(**changes):
    return TokenCost(**{"primary": LARGE, "alternative": SMALL, "output_tokens": (9, 9), **changes})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input_tokens is missing where the rates charge for input"),
        ({"input_tokens": [1, 2]}, "input_tokens has 2 rows where X has 4"),
        ({"input_tokens": [1, -2, -3, 4]}, r"negative in 2 rows of 4 \(the first is row 1\)"),
        ({"input_tokens": [1, 2, np.nan, 4]}, "missing or infinite in 1 row of 4"),
        ({"input_tokens": np.ones((4, 3))}, r"input_tokens has shape \(4, 3\)"),
        ({"input_tokens": 7}, r"input_tokens has shape \(\)"),
        ({"input_tokens": ["a"] * 4}, "input_tokens must hold numbers"),
        ({"input_tokens": [1] * 4, "output_tokens": [1]}, "output_tokens has 1 row where X has 4"),
        ({"input_tokens": [1] * 4, "latency": [-1] * 4}, "latency is negative in 4 rows"),
        ({"input_tokens": [1] * 4, "cost_primary": [1] * 4}, "TokenCost does not use cost_primary"),
    ],
)
def test_wrong_per_query_inputs_are_named(inputs, message):
    with pytest.raises(MetaRouterError, match=message):
        token_cost().costs(X, **inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primary": {"input": 1}}, "primary is .*; give a TokenRates"),
        ({"latency_weight": -1}, "latency_weight is -1"),
        ({"latency_weight": float("nan")}, "latency_weight is nan"),
        ({"per": 0}, "per is 0"),
        ({"output_tokens": 5}, "output_tokens is 5; give a tuple of 2"),
        ({"output_tokens": (1, -5)}, "each a number of at least 0"),
        ({"output_tokens": "many"}, "output_tokens is 'many'"),
    ],
)
def test_wrong_parameters_of_token_cost_are_named(changes, message):
    with pytest.raises(MetaRouterError, match=message):
        token_cost(**changes).costs(X, input_tokens=[1] * 4)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), "2", None, True])
def test_a_rate_is_a_finite_number_of_at_least_zero(rate):
    with pytest.raises(MetaRouterError, match=r"The rate output is .*; give a finite number"):
        TokenRates(output=rate)


def test_output_tokens_that_come_from_nowhere_are_asked_for():
    with pytest.raises(DataError, match="output_tokens is missing"):
        token_cost(output_tokens=None).costs(X, input_tokens=[1] * 4)
    predicted = token_cost(output_tokens=LinearRegression())
    with pytest.raises(MetaRouterError, match="is not fitted; call TokenCost"):
        predicted.costs(X, input_tokens=[1] * 4)
    with pytest.raises(DataError, match="nothing to fit it on"):
        predicted.fit(X)
    with pytest.raises(DataError, match="holds 1 count of the primary model in 4 rows"):
        predicted.fit(X, output_tokens=[[1, 1], [1, np.nan], [1, np.nan], [1, np.nan]])


def test_given_cost_asks_for_both_columns():
    with pytest.raises(DataError, match="GivenCost needs cost_alternative"):
        GivenCost().costs(X, cost_primary=[1] * 4)
    with pytest.raises(MetaRouterError, match=r"UnitCost does not use latency \(.* takes nothing"):
        UnitCost().costs(X, latency=[1] * 4)

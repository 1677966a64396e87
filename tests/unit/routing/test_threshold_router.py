from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from metarouter.exceptions import MetaRouterError
from metarouter.routing import GivenCost, MetaRouter, ThresholdRouter, UnitCost

COMPARES_NUMBERS = (
    "scikit-learn subtracts predictions from one another, names cannot be subtracted; "
    "the same check passes with models=(0, 1)"
)
NAMES_CANNOT_BE_SUBTRACTED = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
        "check_estimators_pickle",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit_idempotent",
    ),
    COMPARES_NUMBERS,
)


def expected_failures(router):
    return NAMES_CANNOT_BE_SUBTRACTED if router.models == ("alternative", "primary") else {}


@parametrize_with_checks(
    [
        ThresholdRouter(Ridge(), models=(0, 1)),
        ThresholdRouter(MetaRouter(regressor=Ridge()), models=(0, 1)),
        ThresholdRouter(Ridge()),
    ],
    expected_failed_checks=expected_failures,
)
def test_threshold_router_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, X[:, 0] + 0.1 * rng.normal(size=60)


def test_the_decision_is_gain_minus_w_times_extra_cost(data):
    router = ThresholdRouter(LinearRegression(), w=0.25).fit(*data)
    X = data[0]
    np.testing.assert_allclose(router.decision_function(X), router.predict_gain(X) - 0.25)


def test_a_query_goes_to_the_primary_model_only_above_zero():
    zero = ThresholdRouter(DummyRegressor()).fit([[0.0]], [0.0])
    assert zero.predict([[1.0]]).tolist() == ["alternative"]


def test_models_are_named_alternative_first(data):
    router = ThresholdRouter(LinearRegression(), models=("small", "large")).fit(*data)
    names = router.predict(data[0])
    np.testing.assert_array_equal(names == "large", router.decision_function(data[0]) > 0)


def test_an_infinite_w_decides_by_cost_alone(data):
    X = data[0][:3]
    router = ThresholdRouter(LinearRegression(), GivenCost(), w=np.inf).fit(*data)
    costs = {"cost_primary": [2.0, 1.0, 0.0], "cost_alternative": [1.0, 1.0, 1.0]}
    decision = router.decision_function(X, **costs)
    np.testing.assert_array_equal(decision, [-np.inf, router.predict_gain(X)[1], np.inf])


@given(w=st.floats(0, 5), more=st.floats(0, 5), seed=st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_the_usage_ratio_never_rises_with_w_at_unit_cost(w, more, seed):
    X = np.random.default_rng(seed).normal(size=(30, 1))
    model = LinearRegression().fit(X, X[:, 0])
    share = [np.mean(ThresholdRouter(model, w=v).predict(X) == "primary") for v in (w, w + more)]
    assert share[1] <= share[0]


def test_a_fitted_model_is_taken_as_it_is(data):
    model = LinearRegression().fit(*data)
    router = ThresholdRouter(model)
    np.testing.assert_array_equal(router.predict_gain(data[0]), model.predict(data[0]))
    assert not hasattr(router, "model_")


def test_fit_leaves_the_model_that_was_given_untouched(data):
    model = LinearRegression()
    ThresholdRouter(model).fit(*data)
    assert not hasattr(model, "coef_")


def test_a_frozen_model_survives_clone_and_fit(data):
    model = LinearRegression().fit(*data)
    router = clone(ThresholdRouter(FrozenEstimator(model))).fit(data[0], -data[1])
    np.testing.assert_array_equal(router.predict_gain(data[0]), model.predict(data[0]))


def test_without_a_model_the_gain_comes_from_a_meta_router(data):
    X, y = data
    is_gold = np.arange(60) % 2 == 0
    router = ThresholdRouter().fit(X, y, is_gold=is_gold)
    assert isinstance(router.model_, MetaRouter)
    assert router.model_.n_gold_ == 30


def test_an_unfitted_router_says_so(data):
    for router in (ThresholdRouter(), ThresholdRouter(LinearRegression())):
        with pytest.raises(NotFittedError):
            router.predict(data[0])


def test_w_and_cost_may_be_changed_after_fitting(data):
    router = ThresholdRouter(LinearRegression()).fit(*data)
    router.set_params(w=0.5, cost=UnitCost())
    np.testing.assert_allclose(
        router.decision_function(data[0]), router.predict_gain(data[0]) - 0.5
    )


def test_a_threaded_forest_decides_the_same_every_time(data):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 3))
    forest = RandomForestRegressor(60, n_jobs=2, random_state=0).fit(X, rng.normal(size=500))
    gains = [ThresholdRouter(forest).predict_gain(X) for _ in range(3)]
    np.testing.assert_array_equal(gains[0], gains[1])
    np.testing.assert_array_equal(gains[0], gains[2])


def test_reordered_columns_are_refused(data):
    frame = pd.DataFrame(data[0], columns=["a", "b", "c"])
    router = ThresholdRouter(LinearRegression()).fit(frame, data[1])
    assert router.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="same order as they were in fit"):
        router.predict(frame[["b", "a", "c"]])


def test_another_number_of_features_is_refused(data):
    router = ThresholdRouter(LinearRegression()).fit(*data)
    assert router.n_features_in_ == 3
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
        router.predict(data[0][:, :2])


def test_metadata_reaches_fit_and_predict_inside_a_pipeline(data):
    X, y = data
    is_gold = np.arange(60) % 2 == 0
    with sklearn.config_context(enable_metadata_routing=True):
        router = (
            ThresholdRouter(MetaRouter(regressor=Ridge(), random_state=0), GivenCost(), w=1.0)
            .set_fit_request(is_gold=True, sample_weight=True, groups=True)
            .set_predict_request(cost_primary=True, cost_alternative=True)
        )
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), router)
        pipeline.fit(X, y, is_gold=is_gold, sample_weight=np.ones(60), groups=np.arange(60))
        assert pipeline[-1].model_.n_preference_ == 30
        costs = {"cost_primary": np.full(60, 1e6), "cost_alternative": np.zeros(60)}
        assert set(pipeline.predict(X, **costs)) == {"alternative"}


def test_metadata_reaches_fit_inside_cross_validation(data):
    X, y = data
    is_gold = np.arange(60) % 2 == 0

    def mean_gain(router, X, y):
        return float(np.mean(np.where(router.predict(X) == "primary", y, 0.0)))

    with sklearn.config_context(enable_metadata_routing=True):
        model = MetaRouter(regressor=ExtraTreesRegressor(5), sources="gold", random_state=0)
        router = ThresholdRouter(model).set_fit_request(is_gold=True)
        scores = cross_validate(
            router, X, y, params={"is_gold": is_gold}, cv=3, scoring=mean_gain, error_score="raise"
        )
        search = GridSearchCV(router, {"w": [0.0, 100.0]}, cv=3, scoring=mean_gain)
        search.fit(X, y, is_gold=is_gold)
    assert np.all(np.isfinite(scores["test_score"]))
    assert search.best_params_ == {"w": 0.0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"w": -0.5}, "w is -0.5; give a number of at least 0"),
        ({"w": float("nan")}, "w is nan"),
        ({"w": "high"}, "w is 'high'"),
        ({"models": ("only",)}, r"models is \('only',\); give two different names"),
        ({"models": ("a", "a")}, "give two different names"),
        ({"models": ("a", "b", "c")}, "give two different names"),
        ({"models": "ab"}, "models is 'ab'"),
        ({"models": ("a", 1)}, "give two different names"),
        ({"cost": 1.0}, "cost is 1.0; give an object with extra_cost"),
    ],
)
def test_wrong_parameters_are_named(data, parameters, message):
    router = ThresholdRouter(LinearRegression(), **parameters)
    with pytest.raises(MetaRouterError, match=message):
        router.fit(*data)
    fitted = ThresholdRouter(LinearRegression()).fit(*data).set_params(**parameters)
    with pytest.raises(MetaRouterError, match=message):
        fitted.predict(data[0])


def test_a_regressor_that_does_not_take_is_gold_is_told_apart_from_a_meta_router(data):
    with pytest.raises(MetaRouterError, match="KNeighborsRegressor does not take is_gold or"):
        ThresholdRouter(KNeighborsRegressor()).fit(
            *data, is_gold=np.ones(60, bool), sample_weight=np.ones(60)
        )


def test_gains_that_are_not_one_finite_number_per_query_are_refused(data):
    X, y = data
    two = ThresholdRouter(LinearRegression().fit(X, np.column_stack([y, y])))
    with pytest.raises(MetaRouterError, match=r"numbers of shape \(2,\) per row; fit it on one"):
        two.predict(X)

    class Broken(LinearRegression):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(MetaRouterError, match="no finite gain for 60 of 60 queries"):
        ThresholdRouter(Broken().fit(X, y)).predict(X)

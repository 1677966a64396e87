from __future__ import annotations

import time

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter import FitLedger, MetaRouter, ThresholdRouter
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import (
    fit_model,
    is_bagged_forest,
    predict_mean,
    predict_probability,
    run_jobs,
    weight_parameter,
)

RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.normal(size=(60, 3)), RNG.normal(size=60), RNG.integers(1, 4, 60)
SEARCH = GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1]}, cv=2)


def test_the_given_estimator_is_left_untouched() -> None:
    given = LinearRegression()
    assert fit_model(given, X, Y) is not given
    assert not hasattr(given, "coef_")


def test_fits_rows_and_seconds_are_counted() -> None:
    with FitLedger() as ledger:
        model = fit_model(LinearRegression(), X, Y)
        fit_model(LinearRegression(), X[:10], Y[:10])
        seconds = ledger.seconds
        predict_mean(model, X)
    assert (ledger.fits, ledger.rows, ledger.reused) == (2, 70, 0)
    assert 0 < seconds < ledger.seconds
    fit_model(LinearRegression(), X, Y)
    assert ledger.fits == 2


def test_the_inner_of_two_ledgers_counts_and_can_be_merged() -> None:
    with FitLedger() as outer:
        with FitLedger() as inner:
            fit_model(LinearRegression(), X, Y)
        assert (outer.fits, inner.fits) == (0, 1)
        outer.merge(inner)
    assert (outer.fits, outer.rows) == (1, 60)


def test_a_ledger_ends_with_its_block_even_when_a_fit_fails() -> None:
    with pytest.raises(ValueError, match="NaN"), FitLedger() as ledger:
        fit_model(LinearRegression(), X, np.full(60, np.nan))
    fit_model(LinearRegression(), X, Y)
    assert ledger.fits == 0


def test_a_second_inside_a_learner_of_learners_is_counted_once() -> None:
    class Slow(LinearRegression):
        def predict(self, X):
            time.sleep(0.02)
            return super().predict(X)

    router = ThresholdRouter(MetaRouter(regressor=Slow())).fit(X, Y)
    start = time.perf_counter()
    with FitLedger() as ledger:
        router.predict_gain(X)
    assert 0.02 <= ledger.seconds <= time.perf_counter() - start


@pytest.mark.parametrize(
    "other",
    [
        (Ridge(), X, Y, None),
        (LinearRegression(positive=True), X, Y, None),
        (LinearRegression(), X + 1, Y, None),
        (LinearRegression(), X, -Y, None),
        (LinearRegression(), X, Y, WEIGHT),
    ],
)
def test_only_equal_fits_are_reused(other) -> None:
    with FitLedger(reuse=True) as ledger:
        first = fit_model(LinearRegression(), X, Y)
        assert fit_model(LinearRegression(), X.copy(), Y.copy()) is first
        assert fit_model(*other) is not first
    assert (ledger.fits, ledger.reused) == (2, 1)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_jobs_keep_their_order_and_are_counted_in_the_pool(n_jobs) -> None:
    jobs = [lambda i=i: (i, fit_model(LinearRegression(), X, Y))[0] for i in range(6)]
    with FitLedger() as ledger:
        assert run_jobs(jobs, n_jobs) == list(range(6))
    assert (ledger.fits, ledger.rows) == (6, 360)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_workers_know_the_settings_of_scikit_learn(n_jobs) -> None:
    with sklearn.config_context(assume_finite=True):
        seen = run_jobs([lambda: sklearn.get_config()["assume_finite"]] * 2, n_jobs)
    assert seen == [True, True]


@pytest.mark.parametrize(
    ("estimator", "parameter"),
    [
        (Ridge(), "sample_weight"),
        (make_pipeline(StandardScaler(), Ridge()), "ridge__sample_weight"),
        (SEARCH, "ridge__sample_weight"),
        (KNeighborsRegressor(), None),
        (make_pipeline(StandardScaler(), KNeighborsRegressor()), None),
    ],
)
def test_weights_find_the_learner_inside(estimator, parameter) -> None:
    assert weight_parameter(estimator) == parameter


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("estimator", [make_pipeline(StandardScaler(), Ridge()), SEARCH])
def test_weighted_fits_do_not_depend_on_metadata_routing(estimator, routing) -> None:
    with sklearn.config_context(enable_metadata_routing=routing):
        model = fit_model(estimator, X, Y, WEIGHT)
    expected = estimator.fit(X, Y, ridge__sample_weight=WEIGHT).predict(X)
    np.testing.assert_array_equal(predict_mean(model, X), expected)


def test_a_learner_without_weights_is_refused_where_they_are_needed() -> None:
    fit_model(KNeighborsRegressor(), X, Y)
    with pytest.raises(MetaRouterError, match=r"^KNeighborsRegressor takes no sample_weight.*\.$"):
        fit_model(KNeighborsRegressor(), X, Y, WEIGHT)


def test_rows_that_weigh_nothing_teach_nothing() -> None:
    with pytest.raises(DataError, match="zero in all 60 rows that Ridge is fitted on; give some"):
        fit_model(Ridge(), X, Y, np.zeros(60))


def test_forests_predict_the_same_bits_every_time() -> None:
    forest = ExtraTreesRegressor(30, n_jobs=2, random_state=0)
    predictions = [predict_mean(fit_model(forest, X, Y), X) for _ in range(3)]
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[0], predictions[2])


def test_probability_is_that_of_gold_also_where_one_source_is_all_there_is() -> None:
    is_gold = Y > 0
    model = fit_model(LogisticRegression(), X, is_gold)
    np.testing.assert_array_equal(predict_probability(model, X), model.predict_proba(X)[:, 1])
    for source in (True, False):
        certain = fit_model(ExtraTreesClassifier(3), X, np.full(60, source))
        np.testing.assert_array_equal(predict_probability(certain, X), np.full(60, source))


def test_only_forests_that_draw_bags_have_out_of_bag_predictions() -> None:
    assert is_bagged_forest(ExtraTreesRegressor(bootstrap=True))
    assert not is_bagged_forest(ExtraTreesRegressor())
    assert not is_bagged_forest(LinearRegression())

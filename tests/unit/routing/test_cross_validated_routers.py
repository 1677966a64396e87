"""Routers can be searched over and cross-validated with scikit-learn's own tools."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from metarouter import MetaRouter, ThresholdRouter, ZeroShift
from metarouter.datasets import make_judged_queries
from metarouter.exceptions import DataError
from metarouter.routing import GivenCost

X = np.array([[-1.0], [0.5], [1.0], [2.0]])
GAIN = np.array([-1.0, 0.5, 1.0, 2.0])


def test_the_score_is_the_net_gain_of_what_is_sent() -> None:
    router = ThresholdRouter(LinearRegression(), w=0.6, models=("small", "large")).fit(X, GAIN)
    assert router.score(X, GAIN) == pytest.approx((0.4 + 1.4) / 4)
    assert router.score(X, GAIN, is_gold=[True, True, True, False]) == pytest.approx(0.4 / 3)
    assert router.score(X, GAIN, sample_weight=[0, 0, 0, 2]) == pytest.approx(1.4)
    assert router.classes_[(router.decision_function(X) > 0).astype(int)].tolist() == (
        router.predict(X).tolist()
    )


def test_costs_enter_the_score_and_an_infinite_price_leaves_the_gain() -> None:
    costs = {"cost_primary": np.array([1.0, 1.0, 2.0, 1.0]), "cost_alternative": np.ones(4)}
    router = ThresholdRouter(LinearRegression(), cost=GivenCost(), w=1.5).fit(X, GAIN)
    assert router.score(X, GAIN, **costs) == pytest.approx((0.5 + 2.0) / 4)
    router.set_params(w=np.inf)
    assert router.score(X, GAIN, **costs) == pytest.approx((0.5 + 2.0) / 4)


def test_a_score_without_gold_rows_is_refused() -> None:
    router = ThresholdRouter(LinearRegression()).fit(X, GAIN)
    with pytest.raises(DataError, match="None of 4 rows is gold"):
        router.score(X, GAIN, is_gold=np.zeros(4, bool))
    with pytest.raises(DataError, match="one of each"):
        router.score(X, GAIN[:3])


def test_default_folds_of_interleaved_rows_hold_both_sources() -> None:
    rows = make_judged_queries(400, gold_share=0.1, random_state=0).training_rows().interleaved()
    shares = [rows.is_gold[test].mean() for _, test in KFold(5).split(rows.X)]
    assert np.ptp(shares) < 0.03
    plain = make_judged_queries(400, gold_share=0.1, random_state=0).training_rows()
    order = np.lexsort([rows.query, ~rows.is_gold])
    assert np.array_equal(rows.y[order], plain.y)
    assert np.array_equal(rows.X[order], plain.X)


def test_searches_and_cross_validation_take_is_gold() -> None:
    rows = make_judged_queries(300, gold_share=0.3, random_state=0).training_rows().interleaved()
    with sklearn.config_context(enable_metadata_routing=True):
        model = MetaRouter(shift=ZeroShift(), regressor=Ridge(), random_state=0)
        router = ThresholdRouter(model.set_fit_request(is_gold=True), w=0.1)
        router.set_fit_request(is_gold=True).set_score_request(is_gold=True)
        grid = {"model__regressor__alpha": [0.1, 1e6]}
        search = GridSearchCV(router, grid).fit(rows.X, rows.y, is_gold=rows.is_gold)
        scores = cross_validate(router, rows.X, rows.y, params={"is_gold": rows.is_gold})
    assert search.best_params_ == {"model__regressor__alpha": 0.1}
    assert search.best_score_ > 0
    assert np.isfinite(scores["test_score"]).all()
    train, test = next(iter(KFold(5).split(rows.X)))
    by_hand = ThresholdRouter(clone(model), w=0.1).fit(
        rows.X[train], rows.y[train], is_gold=rows.is_gold[train]
    )
    assert scores["test_score"][0] == pytest.approx(
        by_hand.score(rows.X[test], rows.y[test], is_gold=rows.is_gold[test])
    )

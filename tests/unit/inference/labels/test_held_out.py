from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

from metarouter import DRLearner, MetaRouter, RLearner
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.labels._held_out import as_held_out, held_out_predictions
from metarouter.inference.labels._labels import LabelTable

SEEN: list[np.ndarray] = []


class Watching(RegressorMixin, BaseEstimator):
    """Remembers what it was fitted on."""

    def fit(self, X, y):
        SEEN.append(np.asarray(X)[:, 0].copy())
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_a_fold_is_predicted_by_models_of_earlier_folds_only(make):
    data = make.labelled(200)
    rows = data.training_rows()
    SEEN.clear()
    # Calibration would fit it on parts of the earlier folds too.
    model = MetaRouter(sources="gold", regressor=Watching(), calibrate=False)
    found = held_out_predictions(data, model, random_state=0)
    assert len(SEEN) == 3
    for number, seen in zip((2, 3, 4), SEEN, strict=True):
        earlier = rows.is_gold & np.isin(rows.X[:, 0], seen)
        assert set(found.fold[earlier]) <= {-1, *range(2, number)}
        later = rows.is_gold & (found.fold >= number)
        assert not np.isin(rows.X[later, 0], seen).any()


def test_cross_fitting_predicts_every_row_by_a_model_of_the_others(make):
    data = make.labelled(200)
    found = held_out_predictions(data, make.router(), scheme="cross_fit", random_state=0)
    assert np.isfinite(found.shift).all()
    assert sorted(set(found.fold)) == [0, 1, 2, 3, 4]


def test_rows_that_only_trained_have_no_prediction(make):
    found = held_out_predictions(make.labelled(200), make.router(), random_state=0)
    assert np.isnan(found.shift[found.fold < 0]).all()
    assert np.isfinite(found.gain[found.fold >= 0]).all()


def test_groups_and_both_labels_of_a_query_stay_in_one_fold(make):
    data = make.labelled(200, both=True, groups=np.arange(200) // 2)
    found = held_out_predictions(data, make.router(), random_state=0)
    groups = data.training_rows().groups
    for group in np.unique(groups):
        assert len(set(found.fold[groups == group])) == 1


def test_predictions_are_in_units_of_the_preference_labels(make):
    small, large = (
        held_out_predictions(make.labelled(unit=unit), make.router(), random_state=0)
        for unit in (1.0, 10.0)
    )
    np.testing.assert_allclose(small.shift, large.shift, rtol=1e-6)
    np.testing.assert_allclose(small.gain, large.gain, rtol=1e-6)


def test_the_model_that_was_given_is_left_alone(make):
    # causalml fits the user's own model and leaves it fitted.
    line = LinearRegression()
    model = MetaRouter(RLearner(line, "constant", line), line)
    held_out_predictions(make.labelled(200), model, random_state=0)
    assert not hasattr(model, "shift_")
    assert not hasattr(line, "coef_")


def test_a_shift_learner_predicts_no_gain(make):
    line = LinearRegression()
    data = make.labelled(200)
    found = held_out_predictions(data, DRLearner(line, "constant", line), random_state=0)
    assert np.isnan(found.gain).all()
    with pytest.raises(MetaRouterError, match="hold no gain for"):
        as_held_out(LabelTable(data, {}), found, "gain")


def test_the_same_seed_gives_the_same_folds(make):
    data = make.labelled(200)
    one, two = (held_out_predictions(data, make.router(), random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one.shift, two.shift)


def test_arrays_follow_queries_for_queries_and_labels_for_labels(make):
    # Here every query has one label, so that the length does not tell which order is meant.
    data = make.labelled(100)
    table = LabelTable(data, {})
    by_query = np.arange(100.0)
    of_queries = as_held_out(table, by_query, "shift")
    of_labels = as_held_out(LabelTable(table.rows, {}), by_query[table.rows.query], "shift")
    np.testing.assert_array_equal(of_queries.shift, table.rows.query)
    np.testing.assert_array_equal(of_labels.shift, table.rows.query)
    with pytest.raises(DataError, match=r"shape \(3,\), but there are 100 queries"):
        as_held_out(table, np.ones(3), "shift")


def test_choices_that_mean_nothing_are_refused(make):
    data = make.labelled(100)
    with pytest.raises(MetaRouterError, match="scheme is 'loo'; give 'cross_fit' or 'forward'"):
        held_out_predictions(data, scheme="loo")
    with pytest.raises(MetaRouterError, match="n_folds=2 is too few"):
        held_out_predictions(data, n_folds=2)
    with pytest.raises(MetaRouterError, match="model is LinearRegression\\(\\); give a MetaRouter"):
        held_out_predictions(data, LinearRegression())


def test_groups_that_fill_no_folds_are_refused_in_one_sentence(make):
    with pytest.raises(DataError, match="5 folds need as many groups, but there are 1; choose"):
        held_out_predictions(make.labelled(groups=np.zeros(600)))

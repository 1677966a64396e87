"""Tests of a table of labels take one set of options."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter import inference
from metarouter.exceptions import MetaRouterError
from metarouter.inference import LabelOptions
from metarouter.inference.labels import LabelTable, predict_folds

TESTS = (
    inference.best_linear_projection,
    inference.calibration_test,
    inference.check_data,
    inference.mean_shift_test,
    inference.nuisance_quality,
    inference.overlap_report,
    inference.sensitivity_analysis,
    inference.sorted_group_effects,
)


@pytest.mark.parametrize("test", TESTS)
def test_what_is_no_option_is_refused_by_name(test, make):
    with pytest.raises(TypeError, match="'leevl'; the options of a test of labels are nuisances"):
        test(make.labelled(60), leevl=0.9)


@pytest.mark.parametrize("test", TESTS)
def test_a_level_out_of_range_is_refused_before_anything_is_fitted(test, make):
    with pytest.raises(MetaRouterError, match="level"):
        test(make.labelled(60), level=95)


def test_options_reach_the_labels(make):
    table = LabelTable(make.labelled(60), LabelOptions(scaling=2.0, level=0.8))
    assert (table.labels.factor, table.level) == (2.0, 0.8)


@pytest.mark.parametrize(("scheme", "first"), [("forward", 2), ("cross_fit", 0)])
def test_folds_are_predicted_by_rows_that_do_not_hold_them(scheme, first):
    fold = np.repeat(np.arange(4), 3)

    def predict(train, test):
        assert not np.intersect1d(fold[train], fold[test]).size
        if scheme == "forward":
            assert fold[train].max() < fold[test].min()
        return {"number": np.full(test.size, float(fold[test][0]))}

    columns, predicted = predict_folds(fold, scheme, predict)
    held = fold >= first
    assert (columns["number"][held] == fold[held]).all()
    assert np.isnan(columns["number"][~held]).all()
    assert (predicted == np.where(held, fold, -1)).all()

from __future__ import annotations

import numpy as np
import pytest
from oracles.inference_tests import calibration

from metarouter.exceptions import MetaRouterError
from metarouter.inference.bias._mean_shift import mean_shift_test
from metarouter.inference.bias._predictions import calibration_test
from metarouter.inference.labels import (
    HeldOutPredictions,
    fitted_nuisances,
    held_out_predictions,
    scaled_labels,
)
from metarouter.nuisance import ALL_NUISANCES


def true_shift(data):
    return -0.5 + 0.5 * data.X[:, 1]


def test_coefficients_are_those_of_grfs_regression_with_hc3_errors(make):
    api = pytest.importorskip("statsmodels.api")
    data = make.labelled()
    labels = scaled_labels(data)
    fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
    held_out = held_out_predictions(data, make.router(), random_state=0)
    found = calibration_test(data, held_out, nuisances=fitted)
    coefficient, design, outcome = calibration(
        labels.y,
        labels.is_gold,
        fitted.marginal_outcome_,
        fitted.propensity_,
        held_out.shift,
        held_out.fold.tolist(),
    )
    np.testing.assert_allclose(found.coefficient, coefficient, rtol=1e-9)
    theirs = api.OLS(outcome, design).fit(cov_type="HC3")
    np.testing.assert_allclose(found.se, theirs.bse, rtol=1e-7)


def test_the_true_shift_is_calibrated(make):
    data = make.labelled(4000)
    test = calibration_test(
        data, true_shift(data), nuisances=make.recipe(), scaling=None, random_state=0
    )
    assert (test.lower < 1).all()
    assert (test.upper > 1).all()
    assert (test.p_calibrated > 0.01).all()
    assert test.p_value[1] < 1e-6


def test_exaggerated_differences_have_a_slope_below_one(make):
    data = make.labelled(4000)
    truth = true_shift(data)
    test = calibration_test(
        data,
        truth.mean() + 4 * (truth - truth.mean()),
        nuisances=make.recipe(),
        scaling=None,
        random_state=0,
    )
    assert test.coefficient[1] == pytest.approx(0.25, abs=0.07)
    assert test.p_calibrated[1] < 1e-6
    assert str(test.verdict) == "CAUTION"
    assert "exaggerated" in test.reason


def test_reversed_differences_fail(make):
    data = make.labelled(4000)
    truth = true_shift(data)
    test = calibration_test(data, -truth, nuisances=make.recipe(), scaling=None, random_state=0)
    assert str(test.verdict) == "FAIL"
    assert test.p_value[1] > 0.99


def test_gains_are_tested_on_gold_labels_alone(make):
    data = make.labelled(2000)
    psi = 0.5 + data.X[:, 0] + data.X[:, 1] / 2
    test = calibration_test(data, psi, effect="gain", scaling=None)
    assert (test.n_gold, test.n_preference) == (data.n_gold, 0)
    assert (test.lower < 1).all()
    assert (test.upper > 1).all()
    assert str(test.verdict) == "PASS"


def test_the_mean_is_taken_by_fold(make):
    data = make.labelled(400)
    fold = np.arange(400) % 2
    by_label = data.training_rows().query
    prediction = np.where(fold == 0, 5.0, -5.0) + true_shift(data)[by_label]
    empty = np.full(400, np.nan)
    test = calibration_test(
        data,
        HeldOutPredictions(prediction, empty, fold, "given"),
        nuisances=make.recipe(),
        scaling=None,
        random_state=0,
    )
    assert test.coefficient[1] == pytest.approx(1, abs=0.6)  # the jump of 10 is no difference


@pytest.mark.slow
def test_the_sign_of_a_mean_from_the_same_labels_is_no_evidence(make):
    # With one mean over all folds the one-sided test of grf has, without any shift, the p value
    # of |t|: it rejects in one of ten samples. By fold it has the sign of what other folds said.
    rejected, rejected_by_fold = 0, 0
    for seed in range(40):
        data = make.labelled(300, mean=0.0, slope=0.0, tilt=0.0, seed=seed)
        labels = scaled_labels(data, None)
        fitted = fitted_nuisances(labels, make.recipe(), ALL_NUISANCES, 0)
        held_out = held_out_predictions(
            data, make.router(), scheme="cross_fit", scaling=None, random_state=seed
        )
        overall = mean_shift_test(
            data, method="overlap", nuisances=fitted, scaling=None, alternative="greater"
        )
        naive = overall.p_value if np.mean(held_out.shift) > 0 else 1 - overall.p_value
        rejected += naive < 0.2
        test = calibration_test(data, held_out, nuisances=fitted, scaling=None)
        rejected_by_fold += test.p_value[0] < 0.2
    assert rejected / 40 > 0.3  # nominal 0.2
    assert rejected_by_fold / 40 < 0.2 + 3 * np.sqrt(0.16 / 40)


def test_too_few_gold_labels_give_no_number(make):
    data = make.labelled(120)
    test = calibration_test(data, make.router())
    assert data.n_gold < 50
    assert str(test.verdict) == "INCONCLUSIVE"
    assert test.needed == 50
    assert np.isnan(test.coefficient).all()


def test_an_open_verdict_says_how_many_labels_would_do(make):
    data = make.labelled(200, slope=0.3)
    test = calibration_test(
        data, make.router(), nuisances=make.recipe(), scaling=None, random_state=0
    )
    assert str(test.verdict) == "INCONCLUSIVE"
    assert test.needed > test.n_gold
    assert f"{test.needed} held-out gold labels" in test.summary()


def test_one_shift_for_all_has_no_differences_to_test(make):
    with pytest.raises(MetaRouterError, match="the same for all 600 labels"):
        calibration_test(make.labelled(), np.full(600, -0.5), nuisances=make.recipe())


def test_the_picture_marks_zero_and_one(make):
    data = make.labelled()
    ax = calibration_test(data, true_shift(data), nuisances=make.recipe(), random_state=0).plot()
    assert {line.get_xdata()[0] for line in ax.lines[1:]} == {0.0, 1.0}

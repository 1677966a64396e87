from __future__ import annotations

import numpy as np
import pytest

from metarouter import DRLearner, FitLedger
from metarouter.datasets import LabelledQueries
from metarouter.exceptions import DataError
from metarouter.inference._limits import Verdict
from metarouter.inference.bias import mean_shift_test
from metarouter.inference.diagnostics._diagnostics import check_data


def test_all_checks_stand_in_one_table(make):
    found = check_data(make.labelled(), nuisances=make.recipe(), random_state=0)
    frame = found.to_frame()
    assert len(frame) == len(found.checks) == 11
    assert set(frame.verdict) <= {verdict.value for verdict in Verdict}
    for check in found.checks:
        assert check.claim in found.summary()


def test_a_model_is_checked_too_where_one_is_given(make):
    data = make.labelled(1000)
    found = check_data(data, model=make.router(), nuisances=make.recipe(), random_state=0)
    assert [check.quantity for check in found.checks[-2:]] == ["calibration slope"] * 2
    learner = make.router().shift
    only_shift = check_data(data, model=learner, nuisances=make.recipe(), random_state=0)
    assert only_shift.gain_calibration is None
    assert len(only_shift.checks) == 12


def test_nuisances_are_fitted_once_for_all_checks(make):
    with FitLedger() as ledger:
        check_data(make.labelled(), benchmark=None, nuisances=make.recipe(), random_state=0)
    assert ledger.fits == 4 * 5


def test_numbers_are_those_of_the_single_checks(make):
    data = make.labelled()
    found = check_data(data, nuisances=make.recipe(), random_state=0)
    alone = mean_shift_test(data, nuisances=make.recipe(), random_state=0)
    assert found.mean_shift.value == alone.value


def test_rows_of_labels_give_the_same_verdicts_as_queries(make):
    data = make.labelled()
    one, other = (
        check_data(given, nuisances=make.recipe(), random_state=0)
        for given in (data, data.training_rows())
    )
    assert [check.verdict for check in one.checks] == [check.verdict for check in other.checks]


def test_bias_is_reported_and_not_held_against_the_data(make):
    found = check_data(
        make.labelled(4000, mean=-1.0, tilt=0.0), nuisances=make.recipe(), random_state=0
    )
    assert str(found.mean_shift.verdict) == "FAIL"
    assert str(found.verdict) == "PASS"


@pytest.mark.parametrize("n", [2, 12, 40])
def test_few_gold_labels_are_inconclusive_everywhere_and_never_an_error(make, n):
    data = make.labelled(n + 200, tilt=0.0)
    gold = np.where(np.arange(n + 200) < n // 2, 1.0 + data.X[:, 0], np.nan)
    preference = np.where(np.isnan(gold), data.X[:, 1], np.nan)
    found = check_data(LabelledQueries(data.X, gold, preference), model=DRLearner(), random_state=0)
    for check in found.checks:
        if check.quantity == "preference labels":
            continue
        assert check.verdict is Verdict.INCONCLUSIVE
        assert check.needed in (30, 50)


def test_one_source_alone_is_inconclusive_too(make):
    data = make.labelled(200)
    found = check_data(LabelledQueries(data.X, np.full(200, np.nan), data.X[:, 0]))
    assert found.checks[0].measured.value == 0
    assert str(found.verdict) == "INCONCLUSIVE"


def test_labels_that_never_vary_are_said_to(make):
    data = make.labelled()
    constant = np.where(np.isnan(data.gold), np.nan, 1.0)
    with pytest.raises(DataError, match="gold labels equal 1"):
        check_data(LabelledQueries(data.X, constant, data.preference))


def test_the_same_seed_gives_the_same_table(make):
    data = make.labelled(300)
    one, two = (check_data(data, nuisances=make.recipe(), random_state=1) for _ in range(2))
    assert one.summary() == two.summary()


def test_the_picture_is_that_of_the_overlap(make):
    ax = check_data(make.labelled(), nuisances=make.recipe(), benchmark=None).plot()
    assert "propensity" in ax.get_xlabel()

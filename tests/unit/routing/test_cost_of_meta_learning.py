"""Remark 3 of Meta-Router: meta-learners cost a few fits of the learner inside, in linear time."""

from __future__ import annotations

import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from two_sources import two_sources

from metarouter import DRLearner, EPLearner, FitLedger, MetaRouter, RLearner, ZeroShift

MEAN, SHARE = DummyRegressor(), DummyClassifier()


def cost(shift, n: int, **given) -> tuple[int, float]:
    """Count fits, and the rows of all fits in units of the rows of the data."""
    data = two_sources(n)
    with FitLedger() as ledger:
        MetaRouter(shift, MEAN, **given).fit(data.X, data.y, data.is_gold)
    return ledger.fits, ledger.rows / n


@pytest.mark.parametrize(
    ("shift", "fits"),
    [
        (RLearner(MEAN, SHARE, MEAN, cv=5), 12),
        (DRLearner(MEAN, SHARE, MEAN, cv=5), 17),
        (EPLearner(MEAN, SHARE, MEAN, cv=5), 17),
    ],
)
@pytest.mark.parametrize("n", [200, 800])
def test_a_meta_router_costs_ten_fits_of_the_whole_data(shift, fits: int, n: int) -> None:
    found, rows = cost(shift, n, calibrate=False)
    assert found == fits
    assert rows == pytest.approx(10, abs=0.05)
    assert cost(ZeroShift(), n, calibrate=False) == (1, 1.0)


@pytest.mark.parametrize("n", [200, 800])
def test_calibration_costs_ten_more_and_no_nuisance(n: int) -> None:
    shift = RLearner(MEAN, SHARE, MEAN, cv=5)
    fits, rows = cost(shift, n)
    gold_share = two_sources(n).is_gold.mean()
    assert fits == 12 + 10
    assert rows == pytest.approx(10 + 10 - 2 * gold_share, abs=0.05)

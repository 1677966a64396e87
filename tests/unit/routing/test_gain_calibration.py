"""psi-hat in the units that it claims: the slope of gold labels on it, and their level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, Ridge
from two_sources import two_sources

from metarouter import (
    ConstantShift,
    DRLearner,
    EPLearner,
    FitLedger,
    KnownShift,
    MetaRouter,
    RLearner,
    ZeroShift,
)
from metarouter.datasets import make_judged_queries
from metarouter.evaluation import efficiency_gain_curve
from metarouter.nuisance import Nuisances
from metarouter.routing._gain_calibration import GainCalibration, calibrate_gain

RNG = np.random.default_rng(0)
LINE = LinearRegression()
FOREST = ExtraTreesRegressor(40, bootstrap=True, min_samples_leaf=5)
CHEAP = {"outcome": FOREST, "propensity": "constant", "final": FOREST, "method": "oob"}


def slope_of(outcome, prediction) -> float:
    centred = prediction - prediction.mean()
    return float(centred @ outcome / (centred @ centred))


def test_many_labels_give_least_squares_and_few_give_hardly_a_change() -> None:
    prediction, noise = RNG.normal(size=40_000), RNG.normal(size=40_000)
    gold = 0.5 + 3 * prediction + noise
    many = calibrate_gain(prediction, gold)
    assert many.slope == pytest.approx(3.0, abs=0.02)
    assert many.level == pytest.approx(0.5, abs=0.02)
    few = calibrate_gain(prediction[:12], 0.5 + 3 * prediction[:12] + 10 * noise[:12])
    assert 0.3 < few.slope < 1.8


def test_slope_is_the_mean_of_the_posterior_by_quadrature() -> None:
    prediction = RNG.normal(size=60)
    gold = 0.4 * prediction + RNG.normal(size=60)
    centred = prediction - prediction.mean()
    spread = centred @ centred
    estimate = centred @ gold / spread
    residual = gold - gold.mean() - estimate * centred
    variance = np.sum((centred * residual) ** 2) / spread**2 * 60 / 58
    grid = np.linspace(1e-4, 6, 60_001)
    log_mass = -((grid - 1) ** 2) / (2 * 0.5**2) - (grid - estimate) ** 2 / (2 * variance)
    mass = np.exp(log_mass - log_mass.max())
    expected = mass @ grid / mass.sum()
    assert calibrate_gain(prediction, gold).slope == pytest.approx(expected, abs=1e-3)


@given(st.integers(0, 10_000), st.floats(-50, 50), st.floats(0.01, 100), st.integers(3, 40))
def test_the_line_always_rises(seed: int, slope: float, noise: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=n)
    found = calibrate_gain(prediction, slope * prediction + noise * rng.normal(size=n))
    assert np.isfinite(found.level)
    assert found.slope > 0


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_another_unit_of_gold_labels_and_predictions_changes_the_level_alone(unit: float) -> None:
    prediction = RNG.normal(size=50)
    gold = 0.3 + 2 * prediction + RNG.normal(size=50)
    found, other = calibrate_gain(prediction, gold), calibrate_gain(unit * prediction, unit * gold)
    assert other.slope == pytest.approx(found.slope)
    assert other.level == pytest.approx(unit * found.level)


def test_equal_predictions_keep_their_slope_and_find_their_level() -> None:
    found = calibrate_gain(np.full(1000, 0.2), RNG.normal(0.7, 0.1, size=1000))
    assert found.slope == 1.0
    assert found.transform(np.array([0.2]))[0] == pytest.approx(0.7, abs=0.02)


def test_labels_of_weight_zero_and_weights_by_a_constant_change_nothing() -> None:
    prediction, gold = RNG.normal(size=(2, 80))
    weight = RNG.exponential(size=80)
    found = calibrate_gain(prediction, gold, weight)
    scaled = calibrate_gain(prediction, gold, 7 * weight)
    longer = calibrate_gain(np.r_[prediction, 50.0], np.r_[gold, -50.0], np.r_[weight, 0.0])
    for other in (scaled, longer):
        assert other.slope == pytest.approx(found.slope)
        assert other.level == pytest.approx(found.level)


def test_labels_that_come_in_groups_say_less() -> None:
    # Ten copies of thirty labels: a slope of 3 is believed less when it is known that they are.
    prediction = RNG.normal(size=30)
    gold = 3 * prediction + 4 * RNG.normal(size=30)
    groups = np.tile(np.arange(30), 10)
    copies = (np.tile(prediction, 10), np.tile(gold, 10))
    alone = calibrate_gain(*copies).slope
    grouped = calibrate_gain(*copies, groups=groups).slope
    assert abs(grouped - 1) < abs(alone - 1)


SHIFTS = {
    "r": RLearner(**CHEAP),
    "dr": DRLearner(**CHEAP),
    "ep": EPLearner(**CHEAP),
    "pooled": ZeroShift(),
    "constant": ConstantShift(),
    "known": KnownShift(0.3),
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_curves_do_not_change(shift: str) -> None:
    data = two_sources(300, seed=1)
    raw, calibrated = (
        MetaRouter(SHIFTS[shift], FOREST, calibrate=calibrate, random_state=0).fit(
            data.X, data.y, data.is_gold
        )
        for calibrate in (False, True)
    )
    new = two_sources(200, seed=2)
    expected = efficiency_gain_curve(new.psi, raw.predict(new.X))
    found = efficiency_gain_curve(new.psi, calibrated.predict(new.X))
    np.testing.assert_allclose(found.efficiency_gain, expected.efficiency_gain, atol=1e-12)
    assert calibrated.calibration_ != GainCalibration()
    assert raw.calibration_ == GainCalibration()


@pytest.mark.parametrize("sources", ["both", "gold", "preference"])
def test_slope_of_gold_on_the_gain_is_one_within_its_error(sources: str) -> None:
    # Ridge of this strength tells queries apart less than it should.
    slopes, raw_slopes, levels = [], [], []
    for seed in range(12):
        data = two_sources(600, seed=seed, noise=0.5, shift=lambda X: np.full(len(X), -1.0))
        model = MetaRouter(ConstantShift(), Ridge(300.0), sources=sources, random_state=seed)
        model.fit(data.X, data.y, data.is_gold)
        new = two_sources(2000, seed=1000 + seed)
        gain = model.predict(new.X)
        slopes.append(slope_of(new.psi, gain))
        raw_slopes.append(slope_of(new.psi, gain / model.calibration_.slope))
        levels.append(np.mean(gain - new.psi))
    error = np.std(slopes, ddof=1) / np.sqrt(12)
    assert np.mean(raw_slopes) > 1.4
    # What is left over is the shrinkage towards 1 by a prior of half a unit.
    assert abs(np.mean(slopes) - 1) < 0.05 + 2 * error
    assert abs(np.mean(levels)) < 0.05


def test_default_router_is_calibrated_on_the_generator() -> None:
    slopes, raw_slopes = [], []
    for seed in range(3):
        queries = make_judged_queries(700, 8, gold_share=0.2, random_state=seed)
        rows = queries.training_rows()
        shift = DRLearner(propensity="constant", method="oob")
        model = MetaRouter(shift, random_state=seed).fit(rows.X, rows.y, is_gold=rows.is_gold)
        new = make_judged_queries(4000, 8, random_state=100 + seed)
        gain = model.predict(new.X)
        slopes.append(slope_of(new.truth.psi, gain))
        raw_slopes.append(slope_of(new.truth.psi, gain / model.calibration_.slope))
    error = np.std(slopes, ddof=1) / np.sqrt(3)
    assert np.mean(raw_slopes) > 1.2
    assert abs(np.mean(slopes) - 1) < 3 * error + 0.02


def test_a_pooled_router_is_brought_to_the_level_of_gold_labels() -> None:
    data = two_sources(2000, shift=lambda X: np.full(len(X), -1.0), gold_share=0.2)
    model = MetaRouter(ZeroShift(), LINE, random_state=0).fit(data.X, data.y, data.is_gold)
    assert model.predict(data.X).mean() == pytest.approx(data.psi.mean(), abs=0.1)


def test_nothing_is_calibrated_without_a_source_or_with_fewer_than_ten_gold_labels() -> None:
    data = two_sources(100)
    assert MetaRouter(regressor=LINE).fit(data.X, data.y).calibration_ == GainCalibration()
    few = np.arange(100) < 9
    model = MetaRouter(ZeroShift(), LINE).fit(data.X, data.y, few)
    assert model.calibration_ == GainCalibration()
    weight = np.where(data.is_gold & (np.cumsum(data.is_gold) > 9), 0.0, 1.0)
    model = MetaRouter(ZeroShift(), LINE).fit(data.X, data.y, data.is_gold, sample_weight=weight)
    assert model.calibration_ == GainCalibration()


def test_groups_are_held_out_whole() -> None:
    # Each query has both labels with one error: a regression that has seen the preference label
    # knows the gold one.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = rng.normal(size=200)
    model = MetaRouter(ZeroShift(), ExtraTreesRegressor(20), random_state=0)
    model.fit(
        np.vstack([X, X]),
        np.r_[y, y],
        np.arange(400) < 200,
        groups=np.tile(np.arange(200), 2),
    )
    assert model.calibration_.slope < 0.5
    assert (
        MetaRouter(ZeroShift(), LINE)
        .fit(X, y, np.arange(200) < 100, groups=np.zeros(200))
        .calibration_
        == GainCalibration()
    )


def test_nuisances_are_not_fitted_again() -> None:
    data = two_sources(200)
    nuisances = Nuisances(outcome=LINE, propensity="constant", cv=2, random_state=0)
    for shift, fits in ((RLearner, 2), (DRLearner, 4), (EPLearner, 4)):
        with FitLedger() as ledger:
            router = MetaRouter(shift(final=LINE, nuisances=nuisances), LINE, random_state=0)
            router.fit(data.X, data.y, data.is_gold)
        # Two stages of the fit itself, and of each of five folds.
        assert ledger.fits == fits + 2 + 5 * 2


def test_results_are_the_same_for_every_number_of_workers() -> None:
    data = two_sources(150)
    lines = [
        MetaRouter(DRLearner(**CHEAP, n_jobs=n), FOREST, random_state=0, n_jobs=n)
        .fit(data.X, data.y, data.is_gold)
        .calibration_
        for n in (1, 2)
    ]
    assert lines[0] == lines[1]

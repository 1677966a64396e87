from __future__ import annotations

import numpy as np
import pytest
from oracles.dr_learner import dr_learner
from oracles.meta_router import meta_router
from oracles.r_learner import r_learner
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from two_sources import two_sources

from metarouter import (
    ConstantShift,
    DRLearner,
    FitLedger,
    KnownShift,
    RLearner,
    ZeroShift,
)
from metarouter.datasets import make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.nuisance import Nuisances
from metarouter.routing.meta_router import MetaRouter

LINE, LOGIT = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
DATA = two_sources(300, confounding=0.5)
FOLDS = list(StratifiedKFold(4, shuffle=True, random_state=0).split(DATA.X, DATA.is_gold))
R, DR = RLearner(LINE, LOGIT, LINE, cv=FOLDS), DRLearner(LINE, LOGIT, LINE, cv=FOLDS)


def router(shift=None, regressor=LINE, **given) -> MetaRouter:
    return MetaRouter(shift, regressor, **{"random_state": 0, "calibrate": False, **given})


def fitted(shift=None, data=DATA, **given) -> MetaRouter:
    return router(shift, **given).fit(data.X, data.y, data.is_gold)


def root_mean_square(error) -> float:
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize(
    ("shift", "learn"),
    [
        (R, lambda X, y, t: r_learner(X, y, t, FOLDS)),
        (DR, lambda X, y, t: dr_learner(X, y, t, FOLDS, clip=0.01)),
        (ZeroShift(), lambda X, y, t: np.zeros(5)),
        (ConstantShift(), lambda X, y, t: np.array([y[t].mean() - y[~t].mean(), 0, 0, 0, 0])),
    ],
    ids=["r_learner", "dr_learner", "pooled", "linear_scaling"],
)
def test_meta_router_is_the_algorithm_of_the_paper(shift, learn) -> None:
    expected = meta_router(DATA.X, DATA.y, DATA.is_gold, learn)
    np.testing.assert_allclose(fitted(shift).predict(DATA.X), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("regressor", [LINE, RandomForestRegressor(10), KNeighborsRegressor()])
def test_without_a_source_it_is_its_regressor(regressor) -> None:
    model = router(regressor=regressor).fit(DATA.X, DATA.y)
    if "random_state" in regressor.get_params():
        regressor.set_params(random_state=0)
    np.testing.assert_array_equal(
        model.predict(DATA.X), regressor.fit(DATA.X, DATA.y).predict(DATA.X)
    )
    assert not hasattr(model, "shift_")


def test_gold_only_is_the_regressor_on_the_gold_rows() -> None:
    spoilt = np.where(DATA.is_gold, DATA.y, 7.0)
    model = router(sources="gold").fit(DATA.X, spoilt, DATA.is_gold)
    alone = LinearRegression().fit(DATA.X[DATA.is_gold], DATA.y[DATA.is_gold])
    np.testing.assert_array_equal(model.predict(DATA.X), alone.predict(DATA.X))


def test_preference_only_is_the_regressor_on_the_preference_rows_in_gold_units() -> None:
    alone = LinearRegression().fit(DATA.X[~DATA.is_gold], DATA.y[~DATA.is_gold]).predict(DATA.X)
    unit = np.std(DATA.y[DATA.is_gold]) / np.std(DATA.y[~DATA.is_gold])
    np.testing.assert_allclose(fitted(sources="preference").predict(DATA.X), unit * alone)


def test_preference_labels_alone_are_left_in_their_own_units() -> None:
    model = router(sources="preference").fit(DATA.X, DATA.y, np.zeros(300, dtype=bool))
    np.testing.assert_allclose(
        model.predict(DATA.X), LinearRegression().fit(DATA.X, DATA.y).predict(DATA.X)
    )


@pytest.mark.parametrize("scaling", ["variance", "max", "wasserstein"])
@pytest.mark.parametrize("shift", [R, DR, ZeroShift(), ConstantShift()])
def test_predictions_are_in_gold_units(shift, scaling) -> None:
    before = fitted(shift, scaling=scaling).predict(DATA.X)
    in_cents = np.where(DATA.is_gold, 100 * DATA.y, DATA.y)
    after = router(shift, scaling=scaling).fit(DATA.X, in_cents, DATA.is_gold).predict(DATA.X)
    np.testing.assert_allclose(after, 100 * before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scaling", ["variance", "max", "wasserstein", None])
@pytest.mark.parametrize("shift", [R, DR], ids=["r_learner", "dr_learner"])
def test_a_judge_on_another_scale_is_corrected_whatever_the_scaling(shift, scaling) -> None:
    data = two_sources(4000, confounding=0.5, noise=0.5)
    y = np.where(data.is_gold, data.y, 3 * data.y)
    model = router(shift.set_params(cv=5), scaling=scaling).fit(data.X, y, data.is_gold)
    assert root_mean_square(model.predict(data.X) - data.psi) < 0.15


def test_learned_shifts_beat_no_shift_and_nothing_beats_the_known_one() -> None:
    errors = {"known": [], "r": [], "dr": [], "zero": []}
    for seed in range(5):
        data = two_sources(1000, confounding=0.5, seed=seed)
        shifts = {
            "known": KnownShift(lambda X: -1 + X[:, 1]),
            "r": RLearner(LINE, LOGIT, LINE),
            "dr": DRLearner(LINE, LOGIT, LINE),
            "zero": ZeroShift(),
        }
        for name, shift in shifts.items():
            psi_hat = fitted(shift, data, scaling=None).predict(data.X)
            errors[name].append(root_mean_square(psi_hat - data.psi))
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["known"] < min(mean["r"], mean["dr"])
    assert max(mean["r"], mean["dr"]) < mean["zero"] / 3


def test_a_biased_judge_biases_the_pooled_router_by_its_share() -> None:
    data = two_sources(20_000, shift=lambda X: np.full(len(X), -1.0), gold_share=0.2)
    bias = fitted(ZeroShift(), data, scaling=None).predict(data.X).mean() - data.psi.mean()
    assert bias == pytest.approx(0.8, abs=0.03)
    bias = fitted(ConstantShift(), data, scaling=None).predict(data.X).mean() - data.psi.mean()
    assert bias == pytest.approx(0.0, abs=0.05)


def test_an_unbiased_judge_needs_no_correction() -> None:
    data = two_sources(4000, shift=lambda X: np.zeros(len(X)))
    pooled = fitted(ZeroShift(), data, scaling=None).predict(data.X)
    for shift in (RLearner(LINE, LOGIT, LINE), DRLearner(LINE, LOGIT, LINE)):
        corrected = fitted(shift, data, scaling=None).predict(data.X)
        assert root_mean_square(corrected - pooled) < 0.15


def test_default_router_learns_the_gain_from_few_gold_labels() -> None:
    queries = make_judged_queries(2000, 6, bias=1.0, random_state=0)
    rows = queries.training_rows()
    given = {"is_gold": rows.is_gold, "groups": rows.groups}
    psi_hat = MetaRouter(random_state=0).fit(rows.X, rows.y, **given).predict(queries.X)
    assert np.corrcoef(psi_hat, queries.truth.psi)[0, 1] > 0.7


def test_fits_are_counted_in_full() -> None:
    for shift, fits in ((RLearner(LINE, LOGIT, LINE), 11), (DRLearner(LINE, LOGIT, LINE), 16)):
        with FitLedger() as ledger:
            fitted(shift)
        assert ledger.fits == fits + 1


def test_results_are_the_same_for_every_number_of_workers() -> None:
    # A last bit that differs in the shift could become another split of the next forest.
    first, second = (
        MetaRouter(DRLearner(cv=2, n_jobs=n), random_state=0, n_jobs=n).fit(
            DATA.X, DATA.y, DATA.is_gold
        )
        for n in (1, 2)
    )
    np.testing.assert_array_equal(first.predict(DATA.X), second.predict(DATA.X))


def test_shared_nuisances_must_be_fitted_on_scaled_labels() -> None:
    nuisances = Nuisances(outcome=LINE, propensity=LOGIT).fit(DATA.X, DATA.y, DATA.is_gold)
    shift = RLearner(final=LINE, nuisances=nuisances)
    assert fitted(shift, scaling=None).shift_.nuisances_ is nuisances
    with pytest.raises(MetaRouterError, match=r"labels \(after scaling\)"):
        fitted(shift)


def test_score_is_r2_on_gold_labels_only() -> None:
    model = fitted(ZeroShift())
    spoilt = np.where(DATA.is_gold, DATA.y, 1e6)
    gold = DATA.is_gold
    expected = model.score(DATA.X[gold], DATA.y[gold])
    assert model.score(DATA.X, spoilt, is_gold=gold) == pytest.approx(expected)
    with pytest.raises(DataError, match="none of the 300 labels is gold, so there is nothing to"):
        model.score(DATA.X, DATA.y, is_gold=~gold & gold)
    with pytest.raises(DataError, match="X has 300 rows but y has 2"):
        model.score(DATA.X, DATA.y[:2])


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.ones(2), r"sample_weight has shape \(2,\) but there are 300 labels"),
        (np.full(300, -1.0), "sample_weight is negative in 300 of 300 rows"),
        (np.full(300, np.nan), "sample_weight is NaN in 300 of 300 rows"),
        (np.where(DATA.is_gold, 0, 1), f"sample_weight is zero in all {DATA.is_gold.sum()} gold"),
        ("heavy", "sample_weight has shape"),
    ],
)
def test_score_names_what_is_wrong_with_the_weights(weight, words) -> None:
    with pytest.raises(DataError, match=words) as raised:
        fitted(ZeroShift()).score(DATA.X, DATA.y, DATA.is_gold, weight)
    assert "\n" not in str(raised.value)


def test_score_needs_no_weight_on_preference_labels() -> None:
    model, gold = fitted(ZeroShift()), DATA.is_gold
    assert model.score(DATA.X, DATA.y, gold, gold * 2.0) == model.score(DATA.X, DATA.y, gold)


@pytest.mark.parametrize(
    ("given", "is_gold", "words"),
    [
        ({"sources": "all"}, DATA.is_gold, "sources is 'all'; give 'both', 'gold' or"),
        ({"scaling": "sd"}, DATA.is_gold, "scaling is 'sd'; give 'max', 'variance' or"),
        ({"sources": "gold"}, ~(DATA.is_gold | True), "none of the 300 labels is a gold label"),
        ({"sources": "preference"}, None, "none of the 300 labels is a preference label"),
        ({"n_jobs": 0}, DATA.is_gold, "n_jobs is 0; give a whole number"),
        ({"random_state": -1}, DATA.is_gold, "random_state is -1; give a whole number"),
        ({"random_state": 2**32}, DATA.is_gold, "random_state is 4294967296"),
        ({}, DATA.is_gold | True, "all 300 labels are gold and none is a preference label"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_sentence(given, is_gold, words) -> None:
    with pytest.raises(MetaRouterError, match=words) as raised:
        router(ZeroShift(), **given).fit(DATA.X, DATA.y, is_gold)
    assert "\n" not in str(raised.value)


def test_a_regressor_without_weights_is_refused_only_when_there_are_weights() -> None:
    model = router(ZeroShift(), KNeighborsRegressor())
    model.fit(DATA.X, DATA.y, DATA.is_gold)
    with pytest.raises(MetaRouterError, match="KNeighborsRegressor takes no sample_weight"):
        model.fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=np.ones(300))


@pytest.mark.parametrize("scaling", ["variance", "max", "wasserstein", None])
def test_weights_of_two_and_rows_given_twice_are_the_same(scaling) -> None:
    times = np.random.default_rng(0).integers(0, 3, 300)
    weighted, repeated = (router(ConstantShift(), scaling=scaling) for _ in range(2))
    weighted.fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=times)
    repeated.fit(*(np.repeat(values, times, axis=0) for values in (DATA.X, DATA.y, DATA.is_gold)))
    np.testing.assert_allclose(weighted.predict(DATA.X), repeated.predict(DATA.X), atol=1e-10)

"""Nuisances that several learners share, and what all shift learners have in common."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from two_sources import two_sources

from metarouter import DRLearner, FitLedger, RLearner
from metarouter.exceptions import MetaRouterError
from metarouter.nuisance import Nuisances

DATA = two_sources(200)
LINE, LOGIT = LinearRegression(), LogisticRegression()
FOREST = RandomForestRegressor(5, min_samples_leaf=5)


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
@pytest.mark.parametrize("outcome", [LINE, FOREST])
def test_shared_nuisances_give_what_own_ones_with_the_same_seed_give(learner, outcome) -> None:
    shared = Nuisances(outcome=outcome, propensity=LOGIT, random_state=3)
    shared.fit(DATA.X, DATA.y, DATA.is_gold)
    own = learner(outcome, LOGIT, LINE, random_state=3).fit(DATA.X, DATA.y, DATA.is_gold)
    borrowed = learner(final=LINE, nuisances=shared).fit(DATA.X, DATA.y, DATA.is_gold)
    np.testing.assert_array_equal(own.predict(DATA.X), borrowed.predict(DATA.X))


def test_learners_with_fitted_nuisances_fit_their_final_stage_only() -> None:
    with FitLedger() as ledger:
        shared = Nuisances(outcome=LINE, propensity=LOGIT).fit(DATA.X, DATA.y, DATA.is_gold)
        assert ledger.fits == 4 * 5
        for learner in (RLearner, DRLearner):
            learner(final=LINE, nuisances=shared).fit(DATA.X, DATA.y, DATA.is_gold)
    assert ledger.fits == 4 * 5 + 2


def test_a_ledger_lets_r_and_dr_share_the_propensity_fits() -> None:
    with FitLedger(reuse=True) as ledger:
        for learner in (RLearner, DRLearner):
            learner(LINE, LOGIT, LINE, random_state=0).fit(DATA.X, DATA.y, DATA.is_gold)
    assert (ledger.fits, ledger.reused) == (11 + 16 - 5, 5)


def test_fitted_nuisances_know_their_data_from_any_container() -> None:
    shared = Nuisances(outcome=LINE, propensity=LOGIT).fit(DATA.X, DATA.y, DATA.is_gold)
    frame = pd.DataFrame({f"x{j}": DATA.X[:, j] for j in range(4)})
    RLearner(final=LINE, nuisances=shared).fit(frame, DATA.y.tolist(), DATA.is_gold.astype(int))
    with pytest.raises(MetaRouterError, match="fitted on other data than these 200 rows"):
        RLearner(final=LINE, nuisances=shared).fit(DATA.X, DATA.y + 1, DATA.is_gold)


def test_learners_never_touch_what_they_were_given() -> None:
    # econml 0.17 fits the caller's models in place, causalml 0.18 too.
    outcome, final = FOREST, make_pipeline(StandardScaler(), RandomForestRegressor(5))
    unfitted = Nuisances(outcome=outcome, propensity=LOGIT)
    RLearner(final=final, nuisances=unfitted, random_state=1).fit(DATA.X, DATA.y, DATA.is_gold)
    fitted = clone(unfitted).fit(DATA.X, DATA.y, DATA.is_gold)
    DRLearner(final=final, nuisances=fitted, random_state=1).fit(DATA.X, DATA.y, DATA.is_gold)
    DRLearner(outcome, LOGIT, final, random_state=1).fit(DATA.X, DATA.y, DATA.is_gold)
    for given in (outcome, final[-1], LOGIT):
        assert given.random_state is None
        assert not hasattr(given, "n_features_in_")
    assert unfitted.random_state is fitted.random_state is None


def test_fitted_nuisances_stay_fitted_when_cloned_and_unfitted_ones_are_copied_deep() -> None:
    unfitted = Nuisances(outcome=FOREST)
    assert clone(unfitted).outcome is not FOREST
    fitted = Nuisances(outcome=LINE, propensity=LOGIT).fit(DATA.X, DATA.y, DATA.is_gold)
    assert clone(RLearner(nuisances=fitted)).nuisances is fitted


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_the_same_seed_gives_the_same_shift_and_another_seed_another(learner) -> None:
    def shift(seed: int):
        return learner(LINE, LOGIT, LINE, random_state=seed).fit(DATA.X, DATA.y, DATA.is_gold)

    np.testing.assert_array_equal(shift(1).predict(DATA.X), shift(1).predict(DATA.X))
    assert not np.array_equal(shift(1).predict(DATA.X), shift(2).predict(DATA.X))


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_an_unbiased_judge_has_no_shift(learner) -> None:
    data = two_sources(4000, shift=lambda X: np.zeros(len(X)), confounding=0.5)
    shift = learner(LINE, LOGIT, LINE, random_state=0).fit(data.X, data.y, data.is_gold)
    assert np.abs(shift.predict(data.X)).mean() < 0.1


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_default_forests_see_a_heterogeneous_shift(learner) -> None:
    data = two_sources(3000, noise=0.5)
    shift = learner(random_state=0).fit(data.X, data.y, data.is_gold).predict(data.X)
    assert shift.mean() == pytest.approx(-1, abs=0.15)
    assert np.corrcoef(shift, data.delta)[0, 1] > 0.9


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
def test_without_a_source_there_is_no_bias_and_nothing_is_fitted(learner) -> None:
    with FitLedger() as ledger:
        shift = learner().fit(DATA.X, DATA.y)
    assert ledger.fits == 0
    np.testing.assert_array_equal(shift.predict(DATA.X), np.zeros(200))
    assert shift.in_overlap_.all()

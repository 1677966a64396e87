from __future__ import annotations

import numpy as np
import pytest
from oracles.dr_learner import dr_learner
from oracles.regressions import line
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from two_sources import two_sources

from metarouter import DRLearner, FitLedger, PropensityPolicy
from metarouter.exceptions import DataError
from metarouter.overlap import OverlapWarning

LINE, LOGIT = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)


def linear_dr_learner(**parameters) -> DRLearner:
    given = {"outcome": LINE, "propensity": LOGIT, "final": LINE, "random_state": 0}
    return DRLearner(**(given | parameters))


@pytest.mark.parametrize("weighted", [False, True])
def test_dr_learner_regresses_the_pseudo_outcome_of_the_paper(weighted: bool) -> None:
    data = two_sources(300, confounding=0.5)
    weight = data.rng.exponential(size=300) if weighted else None
    folds = list(StratifiedKFold(4, shuffle=True, random_state=1).split(data.X, data.is_gold))
    ours = linear_dr_learner(cv=folds).fit(data.X, data.y, data.is_gold, sample_weight=weight)
    coefficients = dr_learner(data.X, data.y, data.is_gold, folds, weight, clip=0.01)
    np.testing.assert_allclose(ours.predict(data.X), line(coefficients, data.X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("pooled_outcome", [False, True])
def test_dr_learner_recovers_a_linear_shift(pooled_outcome: bool) -> None:
    data = two_sources(5000, confounding=0.5)
    learner = linear_dr_learner(pooled_outcome=pooled_outcome)
    error = learner.fit(data.X, data.y, data.is_gold).predict(data.X) - data.delta
    assert np.sqrt(np.mean(error**2)) < 0.2


WRONG = {
    "propensity": {"propensity": DummyClassifier()},
    "outcome": {"outcome": DummyRegressor()},
    "both": {"propensity": DummyClassifier(), "outcome": DummyRegressor()},
}


@pytest.mark.parametrize("which", WRONG)
def test_dr_learner_is_consistent_unless_both_nuisances_are_wrong(which: str) -> None:
    data = two_sources(20_000, confounding=1.0)
    learner = linear_dr_learner(**WRONG[which]).fit(data.X, data.y, data.is_gold)
    bias = np.abs(learner.final_.intercept_ + 1) + np.abs(learner.final_.coef_ - [0, 1, 0, 0]).sum()
    assert bias > 0.5 if which == "both" else bias < 0.3


@pytest.mark.parametrize(("pooled_outcome", "fits"), [(False, 16), (True, 11)])
def test_dr_learner_fits_its_nuisances_once_per_fold_and_one_final(
    pooled_outcome: bool, fits: int
) -> None:
    data = two_sources(200)
    with FitLedger() as ledger:
        linear_dr_learner(pooled_outcome=pooled_outcome).fit(data.X, data.y, data.is_gold)
    assert ledger.fits == fits


def test_propensities_of_a_forest_are_predicted_out_of_fold() -> None:
    # causalml 0.18 predicts them on the rows that they were fitted on, where a forest without a
    # leaf bound knows every source.
    data = two_sources(300)
    forest = RandomForestClassifier(30)
    learner = linear_dr_learner(propensity=forest).fit(data.X, data.y, data.is_gold)
    propensity = learner.nuisances_.propensity_
    in_sample = forest.fit(data.X, data.is_gold).predict_proba(data.X)[:, 1]
    assert np.corrcoef(in_sample, data.is_gold)[0, 1] > 0.9
    assert np.corrcoef(propensity, data.is_gold)[0, 1] < 0.3


def test_a_propensity_of_zero_is_refused_and_not_divided_by() -> None:
    data = two_sources(200)
    certain = DummyClassifier(strategy="constant", constant=False)
    learner = linear_dr_learner(propensity=certain, policy=PropensityPolicy(clip=None))
    n_gold = int(data.is_gold.sum())
    with pytest.raises(DataError, match=rf"{n_gold} of 200 labels could not have come from"):
        learner.fit(data.X, data.y, data.is_gold)


def test_trimmed_rows_teach_no_shift() -> None:
    data = two_sources(2000, confounding=2.0)
    learner = linear_dr_learner(policy=PropensityPolicy(trim=0.1))
    with FitLedger() as ledger, pytest.warns(OverlapWarning, match=r"were trimmed\.$"):
        learner.fit(data.X, data.y, data.is_gold)
    inside = learner.in_overlap_
    assert 0 < (~inside).sum() == learner.nuisances_.overlap_.n_trimmed
    rows_of_nuisances = 2 * 4 * 2000
    assert ledger.rows == rows_of_nuisances + inside.sum()

from __future__ import annotations

import numpy as np
import pytest
from oracles.r_learner import r_learner
from oracles.regressions import line
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from two_sources import two_sources

from metarouter import FitLedger, RLearner
from metarouter.exceptions import MetaRouterError

LINE, LOGIT = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)


def linear_r_learner(**parameters) -> RLearner:
    return RLearner(LINE, LOGIT, LINE, random_state=0, **parameters)


@pytest.mark.parametrize("weighted", [False, True])
def test_r_learner_minimises_the_r_loss_of_the_paper(weighted: bool) -> None:
    data = two_sources(300, confounding=0.5)
    weight = data.rng.exponential(size=300) if weighted else None
    folds = list(StratifiedKFold(4, shuffle=True, random_state=1).split(data.X, data.is_gold))
    ours = linear_r_learner(cv=folds).fit(data.X, data.y, data.is_gold, sample_weight=weight)
    theirs = line(r_learner(data.X, data.y, data.is_gold, folds, weight), data.X)
    # LogisticRegression stops at a gradient of 1e-10, Newton's method goes on to machine precision.
    np.testing.assert_allclose(ours.predict(data.X), theirs, rtol=0, atol=1e-6)


def test_r_learner_recovers_a_linear_shift() -> None:
    data = two_sources(5000, confounding=0.5)
    error = linear_r_learner().fit(data.X, data.y, data.is_gold).predict(data.X) - data.delta
    assert np.sqrt(np.mean(error**2)) < 0.15


def test_r_learner_is_the_same_for_every_number_of_workers() -> None:
    data = two_sources(200)
    shifts = [
        RLearner(random_state=0, n_jobs=n).fit(data.X, data.y, data.is_gold).predict(data.X)
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*shifts)


def test_r_learner_fits_two_nuisances_per_fold_and_one_final() -> None:
    data = two_sources(200)
    with FitLedger() as ledger:
        linear_r_learner(cv=5).fit(data.X, data.y, data.is_gold)
    assert ledger.fits == 11
    assert ledger.rows == 2 * 4 * 200 + 200


def test_r_learner_needs_a_final_learner_that_takes_weights() -> None:
    data = two_sources(100)
    learner = RLearner(LINE, LOGIT, KNeighborsRegressor())
    with pytest.raises(MetaRouterError, match=r"^KNeighborsRegressor takes no sample_weight"):
        learner.fit(data.X, data.y, data.is_gold)

from __future__ import annotations

import numpy as np
import pytest
from oracles.ep_learner import cosine_products, ep_learner
from oracles.regressions import line
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from two_sources import two_sources

from metarouter import DRLearner, EPLearner, FitLedger, PropensityPolicy
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.nuisance import Nuisances
from metarouter.overlap import OverlapWarning
from metarouter.shift._sieve import cosine_basis

LINE, LOGIT = LinearRegression(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)


def linear_ep_learner(**parameters) -> EPLearner:
    given = {"outcome": LINE, "propensity": LOGIT, "final": LINE, "random_state": 0}
    return EPLearner(**(given | parameters))


@pytest.mark.parametrize("interaction_order", [1, 2, 3])
def test_basis_is_the_ordered_list_of_cosine_products(interaction_order: int) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    found = cosine_basis(X, 17, interaction_order)
    np.testing.assert_allclose(found, cosine_products(X, 17, interaction_order), atol=1e-12)


def test_a_larger_basis_contains_a_smaller_one() -> None:
    X = np.random.default_rng(0).normal(size=(10, 4))
    np.testing.assert_array_equal(cosine_basis(X, 30)[:, :8], cosine_basis(X, 7))


@pytest.mark.parametrize("weighted", [False, True])
def test_ep_learner_regresses_the_difference_of_the_debiased_outcomes(weighted: bool) -> None:
    data = two_sources(300, 3, confounding=0.5)
    weight = data.rng.exponential(size=300) if weighted else None
    folds = list(StratifiedKFold(4, shuffle=True, random_state=1).split(data.X, data.is_gold))
    sizes = (0, 3, 9)
    ours = linear_ep_learner(cv=folds, n_basis=sizes)
    ours.fit(data.X, data.y, data.is_gold, sample_weight=weight)
    coefficients, size = ep_learner(
        data.X, data.y, data.is_gold, folds, sizes, weight=weight, clip=0.01
    )
    assert len(ours.sieve_coefficients_) == size + 1
    np.testing.assert_allclose(ours.predict(data.X), line(coefficients, data.X), rtol=0, atol=1e-6)


def test_ep_learner_recovers_a_linear_shift() -> None:
    data = two_sources(5000, confounding=0.5)
    error = linear_ep_learner().fit(data.X, data.y, data.is_gold).predict(data.X) - data.delta
    assert np.sqrt(np.mean(error**2)) < 0.2


WRONG = {
    "propensity": {"propensity": DummyClassifier()},
    "outcome": {"outcome": DummyRegressor()},
    "both": {"propensity": DummyClassifier(), "outcome": DummyRegressor()},
}


@pytest.mark.parametrize("which", ["propensity", "outcome"])
def test_ep_learner_is_consistent_unless_both_nuisances_are_wrong(which: str) -> None:
    # With enough of a sieve, which is why there is no third case: it corrects both.
    data = two_sources(20_000, confounding=1.0)
    learner = linear_ep_learner(**WRONG[which]).fit(data.X, data.y, data.is_gold)
    bias = np.abs(learner.final_.intercept_ + 1) + np.abs(learner.final_.coef_ - [0, 1, 0, 0]).sum()
    assert bias < 0.3


def test_validation_takes_no_sieve_where_nothing_is_left_over() -> None:
    data = two_sources(2000)
    chosen = linear_ep_learner().fit(data.X, data.y, data.is_gold).sieve_coefficients_
    assert len(chosen) == 1
    # Constant outcome models leave the whole signal to the sieve.
    rest = linear_ep_learner(outcome=DummyRegressor()).fit(data.X, data.y, data.is_gold)
    assert len(rest.sieve_coefficients_) > 4


def test_a_sieve_has_five_labels_of_the_rarer_source_for_each_function() -> None:
    data = two_sources(400, 30, gold_share=0.1)
    learner = linear_ep_learner(outcome=DummyRegressor(), propensity="constant")
    learner.fit(data.X, data.y, data.is_gold)
    assert len(learner.sieve_coefficients_) <= data.is_gold.sum() / 5


def test_single_labels_are_not_divided_by_their_propensity() -> None:
    # One gold label in fifty: the doubly robust pseudo-outcome of a gold row is fifty residuals.
    data = two_sources(3000, gold_share=0.02, noise=2.0)
    forest = RandomForestRegressor(30, min_samples_leaf=5, max_features=1 / 3)
    errors = []
    for learner in (EPLearner, DRLearner):
        shift = learner(forest, "constant", forest, method="oob", random_state=0)
        errors.append(
            np.mean((shift.fit(data.X, data.y, data.is_gold).predict(data.X) - data.delta) ** 2)
        )
    assert errors[0] < errors[1]


def test_nuisances_of_a_dr_learner_are_shared() -> None:
    data = two_sources(200)
    nuisances = Nuisances(outcome=LINE, propensity=LOGIT, random_state=0)
    nuisances.fit(data.X, data.y, data.is_gold)
    with FitLedger() as ledger:
        shared = linear_ep_learner(nuisances=nuisances).fit(data.X, data.y, data.is_gold)
    assert ledger.fits == 1
    alone = linear_ep_learner().fit(data.X, data.y, data.is_gold)
    np.testing.assert_allclose(shared.predict(data.X), alone.predict(data.X), atol=1e-10)


def test_the_same_seed_gives_the_same_shift_for_every_number_of_workers() -> None:
    data = two_sources(150)
    forest = ExtraTreesRegressor(40, bootstrap=True, min_samples_leaf=5)
    shifts = [
        EPLearner(forest, "constant", forest, random_state=3, n_jobs=n_jobs, method=method).fit(
            data.X, data.y, data.is_gold
        )
        for method in ("cv", "oob")
        for n_jobs in (1, 2)
    ]
    predictions = [shift.predict(data.X) for shift in shifts]
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[2], predictions[3])


def test_trimmed_rows_teach_no_shift() -> None:
    data = two_sources(2000, confounding=2.0)
    learner = linear_ep_learner(policy=PropensityPolicy(trim=0.1))
    with FitLedger() as ledger, pytest.warns(OverlapWarning, match=r"were trimmed\.$"):
        learner.fit(data.X, data.y, data.is_gold)
    assert ledger.rows == 2 * 4 * 2000 + learner.in_overlap_.sum()
    assert not learner.in_overlap_.all()


def test_five_gold_labels_and_a_constant_feature_are_enough() -> None:
    data = two_sources(60, seed=2)
    gold = np.zeros(60, dtype=bool)
    gold[:5] = True
    X = np.column_stack([data.X, np.ones(60)])
    shift = linear_ep_learner(outcome=DummyRegressor(), propensity="constant", cv=2)
    assert np.isfinite(shift.fit(X, data.y, gold).predict(X)).all()


@pytest.mark.parametrize("bad", [-1, 2.5, (), (3, -1), "many", True])
def test_a_wrong_number_of_basis_functions_is_refused(bad) -> None:
    data = two_sources(100)
    with pytest.raises(MetaRouterError, match=r"n_basis is .*; give a whole number"):
        linear_ep_learner(n_basis=bad).fit(data.X, data.y, data.is_gold)


@pytest.mark.parametrize("bad", [0, 1.5, None])
def test_a_wrong_interaction_order_is_refused(bad) -> None:
    data = two_sources(100)
    with pytest.raises(MetaRouterError, match=r"interaction_order is .*; give a whole number"):
        linear_ep_learner(interaction_order=bad).fit(data.X, data.y, data.is_gold)


def test_a_propensity_of_zero_is_refused_and_not_divided_by() -> None:
    data = two_sources(200)
    certain = DummyClassifier(strategy="constant", constant=False)
    learner = linear_ep_learner(propensity=certain, policy=PropensityPolicy(clip=None))
    with pytest.raises(DataError, match=r"of 200 labels could not have come from .* an EP-learner"):
        learner.fit(data.X, data.y, data.is_gold)

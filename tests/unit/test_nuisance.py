from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from two_sources import two_sources

from metarouter import FitLedger, PropensityPolicy
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.nuisance import Nuisances

LINE, LOGIT = LinearRegression(), LogisticRegression()
DATA = two_sources(200)
NAMES = ("marginal_outcome_", "propensity_", "gold_outcome_", "preference_outcome_")


def linear(**given) -> Nuisances:
    return Nuisances(**({"outcome": LINE, "propensity": LOGIT, "random_state": 0} | given))


@pytest.mark.parametrize("pooled_outcome", [False, True])
def test_every_nuisance_is_predicted_by_a_model_that_never_saw_the_row(pooled_outcome) -> None:
    weight = DATA.rng.exponential(size=200)
    nuisances = linear(pooled_outcome=pooled_outcome, policy=PropensityPolicy(clip=None))
    nuisances.fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=weight)
    X, y, t, ones = DATA.X, DATA.y, DATA.is_gold, np.ones
    expected = {name: np.empty(200) for name in NAMES}
    for train, test in nuisances.folds_:
        w = weight[train]
        expected["marginal_outcome_"][test] = LINE.fit(X[train], y[train], w).predict(X[test])
        chance = LOGIT.fit(X[train], t[train], w).predict_proba(X[test])[:, 1]
        expected["propensity_"][test] = chance
        pooled = LinearRegression().fit(np.c_[X, t][train], y[train], w)
        for source, name in ((True, "gold_outcome_"), (False, "preference_outcome_")):
            own = train[t[train] == source]
            expected[name][test] = (
                pooled.predict(np.c_[X[test], source * ones(len(test))])
                if pooled_outcome
                else LINE.fit(X[own], y[own], weight[own]).predict(X[test])
            )
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(nuisances, name), values, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(12, 40))
@settings(max_examples=40, deadline=None)
def test_no_fold_separates_the_rows_of_a_group(seed, cv, n_groups) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 20)])
    X = rng.normal(size=(len(groups), 2))
    is_gold = np.concatenate([np.arange(n_groups) % 2 == 0, rng.random(20) < 0.5])
    mean = DummyRegressor()
    nuisances = Nuisances(outcome=mean, propensity=DummyClassifier(strategy="prior"), cv=cv)
    nuisances.set_params(random_state=seed).fit(X, X[:, 0], is_gold, groups=groups)
    tested = np.concatenate([test for _, test in nuisances.folds_])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(groups)))
    for train, test in nuisances.folds_:
        assert not set(groups[train]) & set(groups[test])
        assert 0 < is_gold[train].sum() < len(train)


def test_folds_are_stratified_by_source() -> None:
    folds = linear(cv=4).fit(DATA.X, DATA.y, DATA.is_gold).folds_
    counts = [int(DATA.is_gold[test].sum()) for _, test in folds]
    assert max(counts) - min(counts) <= 1


def test_folds_are_seeded() -> None:
    # Those of causalml 0.18 are not.
    first, again = (linear().fit(DATA.X, DATA.y, DATA.is_gold) for _ in range(2))
    other = linear(random_state=1).fit(DATA.X, DATA.y, DATA.is_gold)
    np.testing.assert_array_equal(first.folds_[0][1], again.folds_[0][1])
    assert not np.array_equal(first.folds_[0][1], other.folds_[0][1])


def test_nuisances_are_the_same_for_every_number_of_workers_and_global_random_state() -> None:
    forests = {
        "outcome": ExtraTreesRegressor(8, min_samples_leaf=5, n_jobs=2),
        "propensity": RandomForestClassifier(8, min_samples_leaf=5, n_jobs=2),
    }
    one, two = (Nuisances(**forests, cv=2, random_state=0, n_jobs=n) for n in (1, 2))
    with FitLedger() as first:
        one.fit(DATA.X, DATA.y, DATA.is_gold)
    np.random.seed(1)  # noqa: NPY002
    with FitLedger() as second:
        two.fit(DATA.X, DATA.y, DATA.is_gold)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (first.fits, first.rows) == (second.fits, second.rows) == (8, 2 * 200 + 200)


def test_a_constant_propensity_is_the_weighted_gold_share_and_costs_no_fit() -> None:
    weight = DATA.rng.exponential(size=200)
    with FitLedger() as ledger:
        nuisances = linear(propensity="constant")
        nuisances.fit(DATA.X, DATA.y, DATA.is_gold, sample_weight=weight)
    assert ledger.fits == 3 * 5
    np.testing.assert_allclose(nuisances.propensity_, np.average(DATA.is_gold, weights=weight))


def test_propensities_pass_through_the_policy() -> None:
    policy = PropensityPolicy(clip=0.3)
    with pytest.warns(UserWarning, match="were clipped to"):
        nuisances = linear(policy=policy).fit(DATA.X, DATA.y, DATA.is_gold)
    assert nuisances.propensity_.min() >= 0.3
    assert nuisances.overlap_.n_clipped > 0


def forest(**given):
    return RandomForestRegressor(**({"n_estimators": 40, "min_samples_leaf": 5} | given))


OUT_OF_BAG = {
    "outcome": forest(),
    "propensity": RandomForestClassifier(40, min_samples_leaf=5),
    "method": "oob",
    "random_state": 0,
}


def test_out_of_bag_predictions_are_those_of_the_forests_themselves() -> None:
    X, y, gold = DATA.X, DATA.y, DATA.is_gold
    nuisances = Nuisances(**OUT_OF_BAG).fit(X, y, gold)
    scored = {"random_state": 0, "oob_score": True}
    marginal = forest(**scored).fit(X, y)
    np.testing.assert_allclose(nuisances.marginal_outcome_, marginal.oob_prediction_)
    classifier = RandomForestClassifier(40, min_samples_leaf=5, **scored).fit(X, gold)
    np.testing.assert_allclose(nuisances.propensity_, classifier.oob_decision_function_[:, 1])
    own = forest(**scored).fit(X[gold], y[gold])
    np.testing.assert_allclose(nuisances.gold_outcome_[gold], own.oob_prediction_)
    np.testing.assert_allclose(nuisances.gold_outcome_[~gold], own.predict(X[~gold]))


@pytest.mark.parametrize(("pooled_outcome", "fits"), [(False, 4), (True, 3)])
def test_out_of_bag_needs_one_fit_per_nuisance(pooled_outcome, fits) -> None:
    with FitLedger() as ledger:
        nuisances = Nuisances(**OUT_OF_BAG, pooled_outcome=pooled_outcome)
        nuisances.fit(DATA.X, DATA.y, DATA.is_gold)
    assert ledger.fits == fits
    assert nuisances.folds_ == []
    assert np.isfinite(nuisances.gold_outcome_ - nuisances.preference_outcome_).all()


def test_one_source_needs_no_nuisance() -> None:
    with FitLedger() as ledger:
        nuisances = Nuisances().fit(DATA.X, DATA.y)
    assert ledger.fits == 0
    assert not hasattr(nuisances, "propensity_")


REFUSED = {
    "too few gold rows": (
        {"cv": 7},
        {"is_gold": np.arange(200) < 6},
        DataError,
        "cv=7 needs at least 7 gold rows, one in each fold, but found 6; lower cv to 6, or add "
        "gold labels.",
    ),
    "one preference row": (
        {},
        {"is_gold": np.arange(200) > 0},
        DataError,
        "cv=5 needs at least 5 preference rows, one in each fold, but found 1; add preference",
    ),
    "too few gold groups": (
        {"cv": 3},
        {"is_gold": np.arange(200) < 6, "groups": np.arange(200) // 3},
        DataError,
        "cv=3 needs at least 3 gold groups, one in each fold, but found 2; lower cv to 2",
    ),
    "one fold": ({"cv": 1}, {}, MetaRouterError, "cv is 1; give a whole number of at least 2"),
    "a splitter that tears groups apart": (
        {"cv": KFold(4)},
        {"groups": np.arange(200) % 20},
        MetaRouterError,
        "a fold of cv separates the rows of 20 of 20 groups",
    ),
    "folds that leave rows out": (
        {"cv": [(np.arange(100), np.arange(100, 150))]},
        {},
        MetaRouterError,
        "the test folds of cv hold 50 of 200 rows (50 entries)",
    ),
    "unknown method": (
        {"method": "bootstrap"},
        {},
        MetaRouterError,
        "method is 'bootstrap'; give 'cv' or 'oob'.",
    ),
    "unknown propensity": (
        {"propensity": "randomised"},
        {},
        MetaRouterError,
        "propensity is 'randomised'; give an estimator with fit and predict_proba, 'constant', or "
        "None.",
    ),
    "out of bag without bags": (
        {"method": "oob"},
        {},
        MetaRouterError,
        "method='oob' needs forests with bootstrap=True, not LinearRegression",
    ),
    "out of bag with forests of whole samples": (
        {"method": "oob", "outcome": ExtraTreesRegressor(5), "propensity": "constant"},
        {},
        MetaRouterError,
        "method='oob' needs forests with bootstrap=True, not ExtraTreesRegressor",
    ),
    "out of bag with groups": (
        {"method": "oob"},
        {"groups": np.arange(200) // 2},
        MetaRouterError,
        "method='oob' cannot keep the rows of a group together; use method='cv'.",
    ),
    "a propensity that predicts means": (
        {"propensity": LINE},
        {},
        MetaRouterError,
        "propensity is LinearRegression(); give an estimator with fit and predict_proba",
    ),
    "a propensity that predicts classes": (
        {"propensity": make_pipeline(StandardScaler(), RidgeClassifier())},
        {},
        MetaRouterError,
        "; give an estimator with fit and predict_proba, 'constant', or None.",
    ),
    "a propensity out of bag that predicts means": (
        OUT_OF_BAG | {"propensity": forest()},
        {},
        MetaRouterError,
        "; give an estimator with fit and predict_proba, 'constant', or None.",
    ),
    "a source that weighs nothing in a fold": (
        {},
        {"sample_weight": ~DATA.is_gold | (np.arange(200) == np.argmax(DATA.is_gold))},
        DataError,
        "where nothing can be learned; leave out rows of weight 0, or give more of the "
        f"{DATA.is_gold.sum()} gold rows a positive weight.",
    ),
    "no workers": ({"n_jobs": 0}, {}, MetaRouterError, "n_jobs is 0; give"),
    "half a worker": ({"n_jobs": 0.5}, {}, MetaRouterError, "n_jobs is 0.5"),
    "a seed below zero": ({"random_state": -1}, {}, MetaRouterError, "random_state is -1"),
    "a word as seed": ({"random_state": "a"}, {}, MetaRouterError, "random_state is 'a'"),
    "out of bag with few trees": (
        OUT_OF_BAG | {"outcome": forest(n_estimators=2)},
        {},
        DataError,
        "rows are in the bag of every tree",
    ),
}


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_cross_fitted_is_refused_in_one_sentence(case: str) -> None:
    parameters, given, error, expected = REFUSED[case]
    with pytest.raises(error) as raised:
        linear(**parameters).fit(DATA.X, DATA.y, **({"is_gold": DATA.is_gold} | given))
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_groups_of_single_rows_may_go_out_of_bag_or_through_any_splitter() -> None:
    alone = np.arange(200)
    Nuisances(**OUT_OF_BAG).fit(DATA.X, DATA.y, DATA.is_gold, groups=alone)
    linear(cv=StratifiedKFold(3)).fit(DATA.X, DATA.y, DATA.is_gold, groups=alone)

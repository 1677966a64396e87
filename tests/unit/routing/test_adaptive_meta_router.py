"""The adaptive router pools, corrects, ignores or inverts, and breaks on no labels."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter import AdaptiveMetaRouter, FitLedger, ThresholdRouter, load_router, save_router
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.kernel_learner import AveragedKernelRidge
from metarouter.routing._preference_score import unreliable_mass


def labelled(judge, n_gold=60, n_judged=300, noise=0.7, seed=0):
    """Gold labels of psi = x_0 + x_1 / 2 and labels of a judge with mean judge(X)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_gold + n_judged, 4))
    is_gold = np.arange(len(X)) < n_gold
    y = np.where(is_gold, psi(X), judge(X)) + noise * rng.normal(size=len(X))
    return X, y, is_gold


def psi(X):
    return X[:, 0] + X[:, 1] / 2


def fitted(judge, **given) -> AdaptiveMetaRouter:
    X, y, is_gold = labelled(judge, **given)
    return AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold)


def quality(model) -> float:
    X = np.random.default_rng(9).normal(size=(500, 4))
    return float(np.corrcoef(model.predict(X), psi(X))[0, 1])


NEW = np.random.default_rng(9).normal(size=(500, 4))
HONEST = fitted(psi)
GOLD_ONLY = AdaptiveMetaRouter(random_state=0).fit(*(a[:60] for a in labelled(psi)[:2]))


def test_an_honest_judge_is_pooled_and_better_than_gold_alone() -> None:
    assert HONEST.borrowing_.mode in ("corrected", "pooled")
    assert HONEST.borrowing_.correlation > 0.7
    assert quality(HONEST) > quality(GOLD_ONLY)


def test_an_inverted_judge_is_turned_round() -> None:
    model = fitted(lambda X: -psi(X))
    assert model.slope_ < 0
    assert model.borrowing_.correlation < -0.5
    assert model.borrowing_.mode == "inverted"
    assert quality(model) > 0.8


@pytest.mark.parametrize(
    "judge", [lambda X: X[:, 2] - X[:, 3], lambda X: np.zeros(len(X))], ids=["other", "noise"]
)
def test_a_judge_that_knows_nothing_is_hardly_used(judge) -> None:
    model = fitted(judge)
    assert abs(model.borrowing_.correlation) < 0.35
    assert quality(model) > quality(GOLD_ONLY) - 0.1


def test_twenty_gold_labels_correct_a_judge_that_sees_half_of_the_gain() -> None:
    # One draw of twenty labels says little: the mean over a few.
    models = [fitted(lambda X: X[:, 0] - X[:, 2], n_gold=20, seed=seed) for seed in range(5)]
    scores = [np.corrcoef(model.preference_score_.predict(NEW), psi(NEW))[0, 1] for model in models]
    assert np.mean([quality(model) for model in models]) > np.mean(scores)


def test_the_rows_of_all_fits_grow_in_proportion_to_the_preference_labels() -> None:
    rows = []
    for m in (1000, 2000):
        with FitLedger() as ledger:
            fitted(psi, n_judged=m)
        rows.append(ledger.rows)
    assert rows[1] < 2.05 * rows[0]


@pytest.mark.slow
def test_twenty_thousand_preference_labels_are_better_than_three_hundred() -> None:
    model = fitted(psi, n_judged=20_000)
    assert model.n_preference_ == 20_000
    assert quality(model) > 0.97
    assert quality(model) > quality(HONEST)


def test_noise_of_the_judge_raises_the_prior_mass_of_a_useless_score() -> None:
    masses = [unreliable_mass(z) for z in (-2.0, 0.0, 1.0, 3.0, 10.0)]
    assert masses == sorted(masses, reverse=True)
    assert masses[0] == masses[1] > 0.5
    assert masses[-1] < 1e-6


def test_a_judge_of_one_opinion_changes_nothing_but_the_kernel() -> None:
    X, y, is_gold = labelled(psi)
    model = AdaptiveMetaRouter(random_state=0).fit(X, np.where(is_gold, y, 1.0), is_gold)
    assert model.slope_ == 0
    assert model.borrowing_.ignored == pytest.approx(1)
    assert quality(model) > 0.6


@pytest.mark.parametrize("n_gold", [1, 2, 3, 5, 20])
def test_few_gold_labels_are_enough_to_fit(n_gold) -> None:
    with pytest.warns(UserWarning, match="gold labels are") if n_gold == 1 else nullcontext():
        model = fitted(psi, n_gold=n_gold)
    gain, deviation = model.predict(NEW, return_std=True)
    assert np.isfinite(gain).all()
    assert np.isfinite(deviation).all() == (n_gold > 1)
    assert quality(model) > 0.5


def test_gold_labels_of_one_value_leave_the_preference_score_at_their_level() -> None:
    X, y, is_gold = labelled(psi)
    y[is_gold] = 1.0
    with pytest.warns(UserWarning, match="All 60 gold labels are 1: the gain is the preference"):
        model = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold)
    score = model.preference_score_.predict(NEW)
    expected = 1 + score - model.preference_score_.predict(X[is_gold]).mean()
    np.testing.assert_allclose(model.predict(NEW), expected)
    assert "all 60 gold labels are equal" in str(model.borrowing_)


def test_without_preference_labels_it_is_a_regression_of_the_gold_labels() -> None:
    X, y, is_gold = labelled(psi)
    named = AdaptiveMetaRouter(random_state=0).fit(X[:60], y[:60], is_gold[:60])
    np.testing.assert_array_equal(named.predict(NEW), GOLD_ONLY.predict(NEW))
    assert named.preference_score_ is None
    assert named.slope_ == 0
    assert quality(named) > 0.6


def test_without_gold_labels_it_says_what_to_do() -> None:
    X, y, is_gold = labelled(psi)
    model = AdaptiveMetaRouter()
    with pytest.raises(DataError, match="all 300 labels are preference labels and none is gold"):
        model.fit(X[60:], y[60:], is_gold[60:])
    assert not hasattr(model, "n_features_in_")


def test_gain_does_not_depend_on_the_units_of_either_label() -> None:
    X, y, is_gold = labelled(psi)
    scaled = np.where(is_gold, 10 * y + 3, 0.1 * y - 5)
    model = AdaptiveMetaRouter(random_state=0).fit(X, scaled, is_gold)
    np.testing.assert_allclose(model.predict(NEW), 10 * HONEST.predict(NEW) + 3, atol=1e-6)
    assert model.slope_ == pytest.approx(100 * HONEST.slope_)


def test_a_gold_label_of_weight_two_is_a_label_of_half_the_variance() -> None:
    X, y, is_gold = labelled(psi)
    weight = np.where(np.arange(len(y)) < 30, 0.04, 1.0)  # thirty labels of five times the noise
    y[:30] = psi(X[:30]) + 5 * (y[:30] - psi(X[:30]))
    told = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, sample_weight=weight)
    not_told = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold)
    assert quality(told) > quality(not_told)


def test_rows_of_weight_zero_are_left_out() -> None:
    X, y, is_gold = labelled(psi)
    weight = (np.arange(len(y)) % 3 > 0).astype(float)
    kept = weight > 0
    model = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, sample_weight=weight)
    alone = AdaptiveMetaRouter(random_state=0).fit(
        X[kept], y[kept], is_gold[kept], sample_weight=weight[kept]
    )
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))


def test_what_gold_labels_of_one_group_share_is_not_taken_for_a_function_of_the_query() -> None:
    rng = np.random.default_rng(1)
    X, y, is_gold = labelled(psi, n_gold=90, noise=0.1)
    source = np.repeat(np.arange(30), 3)
    X[:90] = X[:90:3][source] + 0.1 * rng.normal(size=(90, 4))  # near copies with one error
    y[:90] = psi(X[:90]) + 1.5 * rng.normal(size=30)[source]
    groups = np.concatenate([source, 100 + np.arange(300)])
    grouped = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, groups=groups)
    alone = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold)
    assert quality(grouped) > quality(alone)


def test_heteroscedastic_gold_labels_do_not_upset_it() -> None:
    X, y, is_gold = labelled(psi, n_gold=100)
    y[:100] += np.random.default_rng(2).normal(size=100) * 4 * (X[:100, 2] > 1)
    assert quality(AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold)) > 0.7


def paired_labels(n_gold=40, n_judged=600, seed=3):
    """Gold queries with both labels whose errors are alike."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_gold + n_judged, 4))
    error = rng.normal(size=len(X))
    verdict = psi(X) + error
    gold = psi(X)[:n_gold] + error[:n_gold] + 0.2 * rng.normal(size=n_gold)
    rows = np.vstack([X[:n_gold], X])
    groups = np.concatenate([np.arange(n_gold), np.arange(len(X))])
    return rows, np.concatenate([gold, verdict]), np.arange(len(rows)) < n_gold, groups


def test_paired_labels_help_where_preference_labels_are_many() -> None:
    X, y, is_gold, groups = paired_labels()
    used = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, groups=groups)
    unused = AdaptiveMetaRouter(paired=False, random_state=0).fit(X, y, is_gold, groups=groups)
    assert used.n_paired_ == 40
    assert used.uses_pairs_
    assert not unused.uses_pairs_
    error, without = (np.std(model.predict(NEW) - psi(NEW)) for model in (used, unused))
    assert error < without


def test_paired_labels_are_not_used_where_preference_labels_are_few() -> None:
    X, y, is_gold, groups = paired_labels(n_judged=100)
    model = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, groups=groups)
    assert model.n_paired_ == 40
    assert not model.uses_pairs_
    assert AdaptiveMetaRouter(paired=True).fit(X, y, is_gold, groups=groups).uses_pairs_


def test_rows_of_one_group_with_other_features_are_no_pair() -> None:
    X, y, is_gold = labelled(psi)
    model = AdaptiveMetaRouter(random_state=0).fit(X, y, is_gold, groups=np.zeros(len(y)))
    assert model.n_paired_ == 0


def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    X, y, is_gold = labelled(psi)
    parallel = AdaptiveMetaRouter(random_state=0, n_jobs=2).fit(X, y, is_gold)
    np.testing.assert_array_equal(parallel.predict(NEW), HONEST.predict(NEW))


def test_trees_are_averaged_as_the_forest_itself_does() -> None:
    score = HONEST.preference_score_
    kernel = score.kernel_.predict(NEW)
    np.testing.assert_allclose(
        score.predict(NEW), (score.forest_.predict(NEW) + kernel) / 2, rtol=0, atol=1e-14
    )


def test_columns_in_other_units_do_not_drown_the_rest() -> None:
    X, y, is_gold = labelled(psi)
    model = AdaptiveMetaRouter(random_state=0).fit(X * [1, 1, 1e6, 1e-3], y, is_gold)
    gain = model.predict(NEW * [1, 1, 1e6, 1e-3])
    assert np.corrcoef(gain, psi(NEW))[0, 1] > 0.8


def test_it_routes_is_searched_saved_and_loaded(path) -> None:
    X, y, is_gold = labelled(psi)
    with sklearn.config_context(enable_metadata_routing=True):
        model = AdaptiveMetaRouter(random_state=0).set_fit_request(is_gold=True)
        model.set_score_request(is_gold=True)
        folds = StratifiedKFold(2).split(X, is_gold)
        pipeline = make_pipeline(StandardScaler(), model)
        search = GridSearchCV(
            pipeline, {"adaptivemetarouter__paired": ["auto", False]}, cv=list(folds)
        ).fit(X, y, is_gold=is_gold)
    assert search.best_score_ > 0.2
    router = ThresholdRouter(HONEST, w=0.3).fit(X, y, is_gold=is_gold)
    save_router(router, path)
    loaded = load_router(path)
    np.testing.assert_array_equal(loaded.predict(NEW), router.predict(NEW))
    for ours, theirs in zip(
        loaded.model_.predict(NEW, return_std=True), HONEST.predict(NEW, True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.model_.borrowing_ == HONEST.borrowing_


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda X: csr_array(X), "parse"),
        (lambda X: np.where(X > 2, np.nan, X), "X is NaN in"),
        (lambda X: X[:, :2], "expecting 4 features"),
    ],
)
def test_broken_features_are_refused(broken, message) -> None:
    with pytest.raises((DataError, TypeError), match=message):
        HONEST.predict(broken(NEW))


def test_reordered_columns_are_refused() -> None:
    X, y, is_gold = labelled(psi)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = AdaptiveMetaRouter(random_state=0).fit(frame, y, is_gold)
    np.testing.assert_array_equal(model.predict(frame), HONEST.predict(X))
    with pytest.raises(DataError, match="feature names"):
        model.predict(frame[list("bacd")])


def test_an_unknown_setting_is_refused() -> None:
    X, y, is_gold = labelled(psi)
    with pytest.raises(MetaRouterError, match="paired is 'often'; give True or False"):
        AdaptiveMetaRouter(paired="often").fit(X, y, is_gold)


def test_kernel_ridge_finds_a_smooth_function_and_a_constant_one() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.sin(2 * X[:, 0])
    model = AveragedKernelRidge(random_state=0).fit(X, y + 0.2 * rng.normal(size=200))
    assert np.corrcoef(model.predict(NEW[:, :3]), np.sin(2 * NEW[:, 0]))[0, 1] > 0.9
    assert model.weights_.sum() == pytest.approx(1)
    flat = AveragedKernelRidge(random_state=0).fit(X, np.full(200, 3.0))
    np.testing.assert_array_equal(flat.predict(X), 3.0)

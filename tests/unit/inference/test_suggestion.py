from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression

from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.planning._suggestion import (
    inclusion_probabilities,
    least_known,
    suggest_labels,
    systematic_sample,
)


@pytest.fixture(scope="module")
def pool() -> LabelledQueries:
    return make_judged_queries(300, 6, gold_share=0.2, pairing=1.0, random_state=0)


@pytest.fixture(scope="module")
def model(pool: LabelledQueries) -> Any:
    gold = pool.has_gold
    return BayesianRidge().fit(pool.X[gold], pool.gold[gold])


@given(
    st.lists(st.floats(0.01, 100), min_size=3, max_size=30),
    st.integers(1, 30),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_a_draw_has_as_many_queries_as_asked_for_and_none_twice(
    sizes: list[float], n: int, seed: int
) -> None:
    n = min(n, len(sizes))
    probability = inclusion_probabilities(np.array(sizes), n)
    assert np.isclose(probability.sum(), n)
    assert ((probability > 0) & (probability <= 1 + 1e-12)).all()
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = systematic_sample(probability, order, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == n


def test_every_query_is_drawn_with_its_probability() -> None:
    probability = inclusion_probabilities(np.array([8.0, 1.0, 3.0, 2.0, 6.0]), 3)
    rng = np.random.default_rng(0)
    counts = np.zeros(5)
    for _ in range(4000):
        counts[systematic_sample(probability, rng.permutation(5), rng)] += 1
    np.testing.assert_allclose(counts / 4000, probability, atol=0.025)


@pytest.mark.parametrize("strategy", ["threshold", "uncertainty", "variance", "design", "random"])
def test_only_queries_without_gold_labels_are_chosen(
    strategy: Any, pool: LabelledQueries, model: Any
) -> None:
    suggestion = suggest_labels(pool, model, 30, strategy=strategy, random_state=0)
    assert len(set(suggestion.rows.tolist())) == 30
    assert not pool.has_gold[suggestion.rows].any()
    free = ~pool.has_gold
    assert np.isclose(suggestion.inclusion_probability[free].sum(), 30)
    np.testing.assert_array_equal(suggestion.inclusion_probability[~free], 1.0)
    again = suggest_labels(pool, model, 30, strategy=strategy, random_state=0)
    np.testing.assert_array_equal(again.rows, suggestion.rows)


def test_queries_near_the_threshold_are_likelier(pool: LabelledQueries, model: Any) -> None:
    gain = model.predict(pool.X)
    suggestion = suggest_labels(
        pool, model, 30, strategy="threshold", threshold=0.5, random_state=0
    )
    free = ~pool.has_gold
    probability = suggestion.inclusion_probability[free]
    near = np.abs(gain[free] - 0.5)
    assert (
        probability[near < np.quantile(near, 0.2)].mean()
        > 1.5 * probability[near > np.quantile(near, 0.8)].mean()
    )
    assert probability.min() >= 0.2 * 30 / free.sum()


def test_weights_make_gold_labels_stand_for_all_queries(model: Any) -> None:
    everything = make_judged_queries(
        400, 6, gold_share=1.0, pairing=1.0, heterogeneity=1.0, random_state=1
    )
    truth = (everything.gold - everything.preference).mean()
    known = np.zeros(400, dtype=bool)
    known[:40] = True
    pool = replace(everything, gold=np.where(known, everything.gold, np.nan))
    plain, weighed = [], []
    for seed in range(300):
        suggestion = suggest_labels(pool, model, 40, threshold=1.0, random_state=seed)
        labelled = suggestion.with_labels(pool, everything.gold[suggestion.rows])
        gold = labelled.has_gold
        shift = (labelled.gold - labelled.preference)[gold]
        plain.append(shift.mean())
        weighed.append(np.sum(labelled.weight[gold] * shift) / 400)
    error = np.std(weighed) / np.sqrt(300)
    assert abs(np.mean(weighed) - truth) < 4 * error
    assert abs(np.mean(weighed) - truth) < abs(np.mean(plain) - truth)


def test_new_labels_and_weights_go_into_the_table(pool: LabelledQueries, model: Any) -> None:
    suggestion = suggest_labels(pool, model, 10, random_state=0)
    labels = np.arange(10.0)
    labels[3] = np.nan
    labelled = suggestion.with_labels(pool, labels)
    assert labelled.n_gold == pool.n_gold + 9
    frame = suggestion.to_frame()
    there = frame.row[np.isfinite(labels)]
    np.testing.assert_allclose(labelled.weight[there], frame.weight[np.isfinite(labels)])
    np.testing.assert_array_equal(labelled.weight[pool.has_gold], 1.0)
    with pytest.raises(DataError, match="10 queries were chosen"):
        suggestion.with_labels(pool, [1.0])
    with pytest.raises(DataError, match="gold holds no numbers"):
        suggestion.with_labels(pool, ["good"] * 10)
    with pytest.raises(DataError, match="gold is infinite"):
        suggestion.with_labels(pool, np.full(10, np.inf))
    with pytest.raises(DataError, match="made for 300 queries, but there are 60"):
        suggestion.with_labels(pool.subset(np.arange(60)), np.zeros(10))


def test_models_with_deviations_of_their_own_are_asked_for_them(pool: LabelledQueries) -> None:
    gold = pool.has_gold
    process = GaussianProcessRegressor(alpha=1.0).fit(pool.X[gold], pool.gold[gold])
    assert len(suggest_labels(pool, process, 5, strategy="uncertainty", random_state=0).rows) == 5


def test_a_model_without_deviations_is_refused(pool: LabelledQueries) -> None:
    line = LinearRegression().fit(pool.X, pool.preference)
    with pytest.raises(MetaRouterError, match="gives no standard deviations"):
        suggest_labels(pool, line, 5, strategy="uncertainty")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 1000}, "have no gold label, but 1000"),
        ({"floor": 0.0}, "floor"),
        ({"strategy": "luck"}, "strategy is 'luck'; give 'design'"),
        ({"threshold": [0.0, 1.0]}, r"threshold has shape \(2,\)"),
        ({"threshold": np.nan}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"random_state": -1}, "random_state"),
        ({"strategy": "variance", "model": None}, "needs a fitted model"),
        ({"queries": np.zeros((5, 2))}, "queries is"),
    ],
)
def test_a_suggestion_that_cannot_be_made_is_refused(
    options: dict[str, Any], match: str, pool: LabelledQueries, model: Any
) -> None:
    with pytest.raises(MetaRouterError, match=match):
        suggest_labels(**{"queries": pool, "model": model, **options})


def test_texts_are_no_features_yet() -> None:
    texts = LabelledQueries(pd.DataFrame({"prompt": ["a", "b"]}), np.full(2, np.nan), np.zeros(2))
    with pytest.raises(DataError, match="encode text as numbers"):
        suggest_labels(texts, None, 1)


def test_a_handful_of_gold_labels_says_nothing_of_variances(model: Any) -> None:
    few = make_judged_queries(100, 6, gold_share=0.02, random_state=0)
    with pytest.raises(DataError, match="begin with strategy='random'"):
        suggest_labels(few, model, 5, strategy="variance")


def test_a_design_is_the_greedy_d_optimal_one() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3)) * [3.0, 1.0, 0.3]
    labelled = np.array([4, 7])
    centred = X - X.mean(axis=0)
    Z = np.column_stack([np.full(30, 10.0), centred / np.sqrt((centred**2).sum(axis=1).mean())])
    chosen = list(labelled)
    for _ in range(6):
        others = [row for row in range(30) if row not in chosen]
        information = [np.eye(4) + Z[[*chosen, row]].T @ Z[[*chosen, row]] / 3 for row in others]
        chosen.append(others[int(np.argmax([np.linalg.slogdet(m)[1] for m in information]))])
    assert least_known(X, labelled, 6).tolist() == chosen[2:]


def test_a_design_is_chosen_without_a_model_and_but_for_the_floor_without_chance(
    pool: LabelledQueries,
) -> None:
    draws = [
        suggest_labels(pool, None, 40, strategy="design", random_state=seed) for seed in (0, 1)
    ]
    certain = [set(d.rows[d.inclusion_probability[d.rows] == 1]) for d in draws]
    assert certain[0] == certain[1]
    assert len(certain[0]) == 30
    assert set(draws[0].rows) != set(draws[1].rows)
    alone = suggest_labels(pool, None, 1, strategy="design", random_state=0)
    assert alone.inclusion_probability[alone.rows] == pytest.approx(1 / (~pool.has_gold).sum())


def test_weights_of_a_design_make_gold_labels_stand_for_all_queries() -> None:
    full = make_judged_queries(200, 6, gold_share=1.0, pairing=1.0, random_state=1)
    pool = replace(full, gold=np.where(np.arange(200) < 20, full.gold, np.nan))
    means = []
    for seed in range(200):
        suggestion = suggest_labels(pool, None, 40, strategy="design", random_state=seed)
        labelled = suggestion.with_labels(pool, full.gold[suggestion.rows])
        gold = labelled.has_gold
        means.append(np.sum(labelled.weight[gold] * labelled.gold[gold]) / 200)
    assert abs(np.mean(means) - full.gold.mean()) < 4 * np.std(means) / np.sqrt(200)

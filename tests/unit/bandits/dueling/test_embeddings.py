"""Categories separate, and models are embedded by what they are good at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.dueling import contrastive_loss, weights
from sklearn.base import clone

from bandits.dueling import CategoryEncoder, ModelEmbeddings
from bandits.dueling.model_embeddings import WEIGHTINGS, category_weights

RNG = np.random.default_rng(0)
LABELS = np.repeat(["law", "math", "code"], 8)
CENTRES = {"law": RNG.standard_normal(12), "math": RNG.standard_normal(12)}
CENTRES["code"] = CENTRES["math"] + 0.5 * RNG.standard_normal(12)
QUERIES = np.array([CENTRES[c] for c in LABELS]) + 1.5 * RNG.standard_normal((24, 12))


def contrast(unit, labels):
    """Mean similarity within categories minus that between them."""
    similar = unit @ unit.T
    same = labels[:, None] == labels[None, :]
    off = ~np.eye(len(labels), dtype=bool)
    return similar[same & off].mean() - similar[~same].mean()


def test_training_moves_queries_of_one_category_together():
    pytest.importorskip("torch")
    start = CategoryEncoder(epochs=0).fit(QUERIES, LABELS)
    tuned = CategoryEncoder(random_state=0).fit(QUERIES, LABELS)
    assert (
        contrast(tuned.transform(QUERIES), LABELS)
        > contrast(start.transform(QUERIES), LABELS) + 0.3
    )
    # Seven partners share the numerator, so that the loss cannot fall below log 7.
    assert tuned.loss_[-1] - np.log(7) < 0.3 * (tuned.loss_[0] - np.log(7))
    found, before = (np.mean(e.predict(QUERIES) == LABELS) for e in (tuned, start))
    assert found > before  # 22 and 19 of 24


def test_the_loss_is_the_supervised_contrastive_one():
    pytest.importorskip("torch")
    encoder = CategoryEncoder(4, epochs=1, temperature=0.3).fit(QUERIES, LABELS)
    start = CategoryEncoder(4, epochs=0).fit(QUERIES, LABELS)
    oracle = contrastive_loss(start.transform(QUERIES), LABELS, 0.3)
    assert encoder.loss_[0] == pytest.approx(oracle, abs=1e-9)


def test_without_training_the_encoder_is_the_generic_one_and_needs_no_torch():
    encoder = CategoryEncoder(epochs=0).fit(QUERIES, LABELS)
    unit = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True)
    assert encoder.transform(QUERIES) == pytest.approx(unit)
    narrow = CategoryEncoder(5, epochs=0).fit(QUERIES, LABELS).transform(QUERIES)
    assert narrow.shape == (24, 5)
    assert np.linalg.norm(narrow, axis=1) == pytest.approx(1)


def test_category_embeddings_are_means_over_queries():
    encoder = CategoryEncoder(epochs=0).fit(QUERIES, LABELS)
    assert encoder.categories_.tolist() == ["code", "law", "math"]
    law = encoder.transform(QUERIES)[LABELS == "law"].mean(axis=0)
    assert encoder.category_embeddings_[1] == pytest.approx(law)


def test_categories_are_clusters_where_none_are_given():
    clear = np.repeat(np.eye(12)[:3], 8, axis=0) + 0.05 * RNG.standard_normal((24, 12))
    encoder = CategoryEncoder(n_categories=3, epochs=0, random_state=0).fit(clear)
    for start in (0, 8, 16):
        assert len(set(encoder.labels_[start : start + 8])) == 1
    assert len(set(encoder.labels_)) == 3


def test_the_same_seed_gives_the_same_encoder():
    pytest.importorskip("torch")
    one, other = (CategoryEncoder(6, epochs=5, random_state=1).fit(QUERIES) for _ in range(2))
    assert (one.head_ == other.head_).all()
    assert clone(one).get_params()["epochs"] == 5


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(WEIGHTINGS),
    st.integers(1, 6),
    st.sampled_from([0.1, 1.0, 3.0]),
    st.booleans(),
)
def test_weights_are_those_of_the_formulas(seed, weighting, tau, temperature, hard):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, size=(4, 3)) / 4  # with ties
    found = category_weights(scores, weighting, tau=tau, temperature=temperature, hard=hard)
    assert found == pytest.approx(weights(scores.tolist(), weighting, tau, temperature, hard))
    assert found.sum(axis=1) == pytest.approx(1)


def test_a_zeroed_score_keeps_weight_unless_the_mask_is_hard():
    scores = np.array([[0.9, 0.2], [0.1, 0.8]])
    soft = category_weights(scores, "excel_perf_cost", tau=1)
    assert soft[0, 1] == pytest.approx(1 / (1 + np.exp(0.9)))
    assert category_weights(scores, "excel_perf_cost", tau=1, hard=True)[0].tolist() == [1, 0]


def test_cost_counts_in_all_weightings_but_perf():
    performance, cost = np.array([[0.9, 0.1], [0.5, 0.4]]), np.array([[2.0, 2.0], [0.0, 0.1]])
    for weighting in WEIGHTINGS:
        free = ModelEmbeddings(weighting, tau=1).fit(np.eye(2), performance, cost)
        charged = ModelEmbeddings(weighting, tau=1, cost_weight=1.0).fit(
            np.eye(2), performance, cost
        )
        assert (free.weights_ == charged.weights_).all() == (weighting == "perf")


def test_a_newcomer_is_ranked_among_the_others():
    model = ModelEmbeddings("excel_mask", tau=1, hard=True)
    model.fit(np.eye(2), [[0.9, 0.2], [0.3, 0.5]])
    assert model.embed([0.95, 0.1]).tolist() == [1.0, 0.0]
    assert model.embed([0.1, 0.1]).tolist() == [0.5, 0.5]

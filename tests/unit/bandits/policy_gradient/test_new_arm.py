"""A model that comes with a handful of evaluations is called where it is good, with no training."""

from __future__ import annotations

import numpy as np
import pytest

from bandits import BaRP
from bandits.policy_gradient._heads import HEADS, Sizes
from bandits.policy_gradient._new_arm import Evaluations, placed_embedding
from bandits.policy_gradient._parameters import Layout
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n_weights", [2, 3])
@pytest.mark.parametrize("head", HEADS)
def test_logits_are_inner_products_of_features_and_embeddings(head, n_weights):
    layout = Layout(head, Sizes(6, 4, n_weights, 5, 3))
    flat = layout.drawn(RNG)
    x = RNG.normal(size=(7, 6)).astype(np.float32)
    w = RNG.dirichlet(np.ones(n_weights), 7).astype(np.float32)
    theta = layout.views(flat)
    logits = layout.of_head.forward(theta, x, w)[0]
    features, embeddings = layout.of_head.features(theta, x, w), layout.embeddings(flat)
    np.testing.assert_allclose(features @ embeddings, logits, atol=1e-5)
    layout.embed(flat, 1, embeddings[:, 3])
    np.testing.assert_array_equal(layout.embeddings(flat)[:, 1], embeddings[:, 3])


def test_an_embedding_is_the_ridge_regression_towards_the_others():
    features, targets = RNG.normal(size=(9, 4)), RNG.normal(size=9)
    embeddings, noise = RNG.normal(size=(4, 3)), RNG.uniform(0.5, 2, 9)
    precision = features.T @ (features / noise[:, None]) + np.diag(1 / embeddings.var(axis=1))
    centre = embeddings.mean(axis=1)
    step = np.linalg.solve(precision, features.T @ ((targets - features @ centre) / noise))
    evaluations = Evaluations(features, targets, 2 * noise, np.arange(9))
    ours = placed_embedding(evaluations, embeddings, 0.5)
    np.testing.assert_allclose(ours, centre + step, atol=1e-10)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    skill = np.array([[2, 0, 0, 0], [0, 2, 0, 0], [-2, 0, 0, 0], [1.5, 1.5, 0, 0]]).T
    quality = 1 / (1 + np.exp(-X @ skill))
    return X, quality, np.tile([0.6, 0.3, 0.1, 0.2], (400, 1))


def trained(world, n_arms=3, **parameters):
    X, quality, cost = world
    settings = {"estimator": "doubly_robust", "learning_rate": 0.01, "epochs": 30, "batch_size": 32}
    settings |= {"cost_cap": 1.0, "arms": list("abcd")[:n_arms], "random_state": 0, **parameters}
    return BaRP(**settings).fit(X, quality[:, :n_arms], cost[:, :n_arms])


@pytest.mark.parametrize("head", HEADS)
def test_forty_evaluations_get_most_of_what_training_anew_gets(world, head):
    X, quality, cost = world
    router = trained(world, head=head)
    rewards = 0.7 * quality - 0.3 * cost
    rows = np.arange(400)

    def earned(router):
        arms = router.predict(X, preference=(0.7, 0.3))
        return rewards[rows, ["abcd".index(arm) for arm in arms]].mean()

    before, others = earned(router), router.decision_function(X)
    router.add_arm("d", X=X[:40], quality=quality[:40, 3], cost=cost[:40, 3])
    np.testing.assert_allclose(router.decision_function(X)[:, :3], others, atol=1e-6)
    with_training = earned(trained(world, n_arms=4, head=head))
    # Of a linear head features and preference do not meet: its line bends from query to query.
    share = 0.25 if head == "linear" else 0.75
    assert earned(router) > before + share * (with_training - before)


def test_a_bad_model_is_not_called(world):
    X = world[0]
    router = trained(world)
    router.add_arm("d", X=X[:40], quality=np.zeros(40), cost=np.ones(40))
    assert (router.predict(X) == "d").mean() < 0.01


def test_evaluations_that_are_no_feedback_add_no_arm(world):
    X = world[0]
    router = trained(world, epochs=1)
    with pytest.raises(DataError, match="quality is NaN"):
        router.add_arm("d", X=X[:3], quality=[1.0, np.nan, 0.0], cost=[0.1, 0.1, 0.1])
    with pytest.raises(DataError, match="train with estimator='doubly_robust'"):
        trained(world, estimator="reinforce", epochs=1).add_arm(
            "d", X=X[:3], quality=[1.0, 0.5, 0.0], cost=[0.1, 0.1, 0.1]
        )
    with pytest.raises(DataError, match="X has shape"):
        router.add_arm("d", X=5.0, quality=[1.0], cost=[0.1])
    with pytest.raises(DataError, match="X is missing"):
        router.add_arm("d", quality=[1.0], cost=[0.1])
    with pytest.raises(DataError, match=r"quality is 1e\+60 in row 1; give numbers of at most"):
        router.add_arm("d", X=X[:2], quality=[1.0, 1e60], cost=[0.1, 0.1])
    assert router.arms_ == ["a", "b", "c"]
    assert router.predict_proba(X).shape == (400, 3)

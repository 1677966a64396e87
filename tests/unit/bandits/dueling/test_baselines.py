"""The rivals choose as their papers say, from one regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from bandits.dueling import (
    VACDB,
    BestSoFar,
    BradleyTerryRouter,
    CoLSTIM,
    DuelingLinUCB,
    MaxInP,
    RandomPairs,
)
from bandits.dueling._regression import BradleyTerry
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
EMBEDDINGS, X = RNG.standard_normal((4, 5)), RNG.standard_normal((80, 5))
ALL = [RandomPairs, BestSoFar, BradleyTerryRouter, DuelingLinUCB, MaxInP, VACDB, CoLSTIM]


def fed(cls, n=80, **settings):
    rng = np.random.default_rng(1)
    pair = rng.integers(4, size=(n, 2))
    router = cls(EMBEDDINGS, random_state=0, **settings)
    return router.partial_fit(X[:n], pair[:, 0], pair[:, 1], rng.choice([-1, 1], size=n))


def parts(router, x):
    features = router._design(x[None])[0] * router._scaled_arms
    regression = router._regression
    covariance = np.linalg.inv(
        np.eye(5) * regression.penalty + regression.duels[0].T @ regression.duels[0]
    )
    width = np.array(
        [[np.sqrt((a - b) @ covariance @ (a - b)) for b in features] for a in features]
    )
    return features @ regression.coef, width


def test_the_regression_is_scikit_learns_and_its_widths_those_of_the_inverse():
    z, target = RNG.standard_normal((150, 4)), RNG.integers(2, size=150).astype(float)
    regression = BradleyTerry(4, penalty=2.0)
    for row, won in zip(z, target, strict=True):
        regression.add(row, won)
    regression.refit()
    twin = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10).fit(z, target)
    assert regression.coef == pytest.approx(twin.coef_[0], abs=1e-3)
    features = RNG.standard_normal((3, 4))
    inverse = np.linalg.inv(2 * np.eye(4) + z.T @ z)
    wanted = [np.sqrt((a - b) @ inverse @ (a - b)) for a in features for b in features]
    assert regression.widths(features).ravel() == pytest.approx(wanted, abs=1e-7)
    assert regression.lengths(features)[0] == pytest.approx(
        np.sqrt(features[0] @ inverse @ features[0])
    )


def test_dueling_linucb_takes_the_best_sum_with_its_bonus():
    router = fed(DuelingLinUCB, width=1.5)
    for x in X[:20]:
        utility, width = parts(router, x)
        value = utility[:, None] + utility[None, :] + 1.5 * width
        table = router.pair_probabilities(x[None])[0]
        assert (table > 0).tolist() == (value >= value.max() - 1e-9).tolist()


def test_maxinp_takes_the_least_known_pair_of_those_that_may_be_best():
    router = fed(MaxInP, width=0.3)
    for x in X[:20]:
        utility, width = parts(router, x)
        alive = [
            i for i in range(4)
            if all(utility[i] - utility[j] + 0.3 * width[i, j] >= 0 for j in range(4))
        ]  # fmt: skip
        table = router.pair_probabilities(x[None])[0]
        i, j = np.unravel_index(table.argmax(), table.shape)
        assert {i, j} <= set(alive)
        assert width[i, j] == pytest.approx(max(width[a, b] for a in alive for b in alive))


def test_colstim_calls_the_toughest_rival_and_knows_no_propensities():
    router = fed(CoLSTIM, width=0.8)
    first, second, chance = router.sample_pair(X)
    assert np.isnan(chance).all()
    for x, i, j in zip(X, first, second, strict=True):
        utility, width = parts(router, x)
        rival = utility + 0.8 * width[i]
        rival[i] = -np.inf
        assert j == rival.argmax()
    with pytest.raises(DataError, match="no closed form"):
        router.pair_probabilities(X)


def test_colstim_with_one_shared_perturbation_of_size_zero_is_greedy():
    router = fed(CoLSTIM, clip=1e-9)
    assert router.sample_pair(X)[0].tolist() == router.predict(X).tolist()


def test_vacdb_explores_until_a_layer_is_sure_and_then_drops_arms():
    router = VACDB(EMBEDDINGS, width=0.5, n_layers=3, random_state=0)
    x = X[:1]
    layers = []
    for _ in range(400):
        first, second, _ = router.sample_pair(x)
        utility = EMBEDDINGS @ x[0]
        won = 1 if utility[first[0]] >= utility[second[0]] else -1
        layers.append(router._descend((router._design(x)[0] * router._scaled_arms), None)[0])
        router.partial_fit(x, first, second, [won])
    assert layers[0] == 0
    assert layers[-1] == 2
    assert layers == sorted(layers)
    assert router.predict(x)[0] == (EMBEDDINGS @ x[0]).argmax()


def test_vacdb_weighs_every_duel_to_the_precision_of_its_layer():
    router = VACDB(EMBEDDINGS, random_state=0)
    first, second, _ = router.sample_pair(X[:1])
    z = (router._design(X[:1])[0] * router._scaled_arms)[[first[0], second[0]]]
    length = router._layers[0].lengths((z[0] - z[1])[None])[0]
    router.partial_fit(X[:1], first, second, [1])
    weight = router._layers[0].duels[2][0]
    assert weight == pytest.approx(min(1.0, 0.5 / length))


def test_the_best_so_far_has_the_highest_share_of_wins():
    router = BestSoFar(EMBEDDINGS, random_state=0).fit(
        X[:4], [0, 0, 1, 2], [1, 1, 2, 2], [-1, -1, 0, 1]
    )
    shares = expit(router.decision_function(X[:1])[0])
    # Arm 1: two wins and a tie; arm 2: a tie, its duel with itself left out.
    assert shares == pytest.approx([1 / 4, 3.5 / 5, 1.5 / 3, 1 / 2])


def test_supervised_bradley_terry_explores_with_one_arm_only():
    router = fed(BradleyTerryRouter, epsilon=0.2)
    table = router.pair_probabilities(X)
    best = router.predict(X)
    assert table.sum(axis=2)[np.arange(80), best] == pytest.approx(1)
    assert table[np.arange(80), best, best] == pytest.approx(0.8 + 0.05)


@pytest.mark.parametrize("cls", [DuelingLinUCB, MaxInP, CoLSTIM, VACDB])
def test_settings_that_make_no_sense_are_refused(cls):
    for change in ({"width": -1}, {"prior_variance": 0}):
        with pytest.raises(DataError, match=next(iter(change))):
            cls(EMBEDDINGS, **change).sample_pair(X)
    for cls, change in (
        (BestSoFar, "epsilon"),
        (BradleyTerryRouter, "epsilon"),
        (CoLSTIM, "shared"),
    ):
        with pytest.raises(DataError, match=f"{change} is 2"):
            cls(EMBEDDINGS, **{change: 2}).sample_pair(X)

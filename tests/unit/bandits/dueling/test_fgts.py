"""FGTSRouter: pairs and their probabilities, learning, arms that come and go, files, mistakes."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.dueling import pair_table
from scipy.stats import chi2
from sklearn.base import clone

from bandits import FGTSRouter, load_bandit
from bandits.dueling import (
    VACDB,
    BestSoFar,
    BradleyTerryRouter,
    CoLSTIM,
    DuelingLinUCB,
    MaxInP,
    RandomPairs,
)
from metarouter.exceptions import DataError, RouterFileError

ARMS = ("small", "medium", "large", "huge")
RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.standard_normal((4, 6))
X = RNG.standard_normal((200, 6))
ALL = [
    FGTSRouter,
    RandomPairs,
    BestSoFar,
    BradleyTerryRouter,
    DuelingLinUCB,
    MaxInP,
    VACDB,
    CoLSTIM,
]


def router(cls=FGTSRouter, **settings):
    return cls(EMBEDDINGS, arms=ARMS, random_state=0, **settings)


def log(n=60, seed=1):
    rng = np.random.default_rng(seed)
    pair = rng.choice(ARMS, size=(n, 2))
    return X[:n], pair[:, 0], pair[:, 1], rng.choice([-1, 0, 1], size=n)


def learned(cls=FGTSRouter, **settings):
    return router(cls, **settings).partial_fit(*log())


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("propensity", [False, True])
def test_pairs_are_drawn_with_their_probabilities(distinct, propensity):
    fitted = learned(distinct=distinct, uniform=0.2)
    statistic, freedom = 0.0, 0
    for x in X[:6]:
        wanted = fitted.pair_probabilities(x[None])[0]
        many = np.tile(x, (3000, 1))
        first, second, chance = fitted.sample_pair(many, propensity=propensity)
        cells = [[ARMS.index(a), ARMS.index(b)] for a, b in zip(first, second, strict=True)]
        i, j = np.array(cells).T
        if propensity:
            assert chance == pytest.approx(wanted[i, j])
        seen = np.zeros((4, 4))
        np.add.at(seen, (i, j), 1)
        possible = wanted > 0
        assert seen[~possible].sum() == 0
        expected = 3000 * wanted[possible]
        statistic += ((seen[possible] - expected) ** 2 / expected).sum()
        freedom += possible.sum() - 1
    assert statistic < chi2.ppf(0.9999, freedom)


@pytest.mark.parametrize("cls", [cls for cls in ALL if cls is not CoLSTIM])
@pytest.mark.parametrize("fit", [router, learned])
def test_pairs_of_every_router_come_as_often_as_is_logged(cls, fit):
    fitted = fit(cls)
    for x in X[:3]:
        many = np.tile(x, (2000, 1))
        first, second, chance = fitted.sample_pair(many)
        assert (chance > 0).all()
        pairs, where, seen = np.unique(
            np.char.add(first, second), return_inverse=True, return_counts=True
        )
        expected = np.array([2000 * chance[where == k][0] for k in range(len(pairs))])
        assert chance == pytest.approx(expected[where] / 2000)
        if len(pairs) > 1:
            rest = max(2000 - expected.sum(), 0.0)
            statistic = ((seen - expected) ** 2 / expected).sum() + rest
            assert statistic < chi2.ppf(1 - 1e-6, len(pairs))
        else:
            assert chance[0] == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(1, 6))
def test_probabilities_are_those_of_going_through_all_pairs_of_samples(seed, distinct, n_samples):
    drawn = FGTSRouter(
        EMBEDDINGS, n_samples=n_samples, distinct=distinct, uniform=0.1, random_state=seed
    )
    table = drawn.pair_probabilities(X[:1])[0]
    design = drawn._design(X[:1])
    ones, others = (design * s @ drawn._scaled_arms.T for s in drawn._posterior.samples)
    assert table == pytest.approx(pair_table(ones, others, 0.1, distinct))


def test_distinct_arms_never_meet_themselves():
    first, second, _ = learned(distinct=True).sample_pair(np.tile(X, (5, 1)))
    assert (first != second).all()


def test_one_sample_and_no_uniform_share_is_the_algorithm_of_the_paper():
    paper = router(n_samples=1, uniform=0.0)
    first, second, chance = paper.sample_pair(X)
    assert (chance == 1).all()
    ones, others = (
        paper._design(X) * s[0] @ paper._scaled_arms.T for s in paper._posterior.samples
    )
    assert first.tolist() == [ARMS[k] for k in ones.argmax(axis=1)]
    assert second.tolist() == [ARMS[k] for k in others.argmax(axis=1)]


@pytest.mark.parametrize("sampler", ["sgld", "laplace"])
@pytest.mark.parametrize("mu", [0.0, 0.01])
def test_regret_falls_where_utilities_are_linear(sampler, mu):
    rng = np.random.default_rng(3)
    contexts = rng.standard_normal((500, 6))
    player = FGTSRouter(EMBEDDINGS, sampler=sampler, mu=mu, random_state=1)
    player.sample_pair(contexts[:1])
    theta = rng.standard_normal(6) * 2
    utility = (player._design(contexts) * theta) @ player._scaled_arms.T
    regret = []
    for x, u in zip(contexts, utility, strict=True):
        first, second, _ = player.sample_pair(x[None])
        a, b = int(first[0]), int(second[0])
        won = rng.random() < 1 / (1 + np.exp(u[b] - u[a]))
        player.partial_fit(x[None], first, second, [1 if won else -1])
        regret.append(u.max() - (u[a] + u[b]) / 2)
    assert np.mean(regret[-100:]) < 0.4 * np.mean(regret[:50])
    assert np.mean(player.predict(contexts) == utility.argmax(axis=1)) > 0.85


def test_ties_pull_utilities_together():
    decided = router().fit(X[:60], ["large"] * 60, ["small"] * 60, [1] * 60)
    tied = router().fit(X[:60], ["large"] * 60, ["small"] * 60, [0] * 60)

    def gap(fitted):
        scores = fitted.decision_function(X[:60])
        return np.abs(scores[:, 2] - scores[:, 0]).mean()

    assert gap(tied) < 0.2 * gap(decided)


def test_the_order_in_which_a_duel_is_named_does_not_matter():
    contexts, first, second, outcome = log()
    one = router().fit(contexts, first, second, outcome)
    other = router().fit(contexts, second, first, -outcome)
    assert one.coef_ == pytest.approx(other.coef_, abs=0.02)


def test_the_dial_goes_from_the_best_to_the_cheapest():
    cost = [0.1, 0.2, 0.3, 4.0]
    fitted = FGTSRouter(EMBEDDINGS, arms=ARMS, cost=cost, random_state=0).fit(*log())
    assert fitted.cost_.tolist() == cost
    assert set(fitted.predict(X, preference=(0.0, 1.0))) == {"small"}
    free = router().fit(*log())
    assert fitted.predict(X, preference=(1.0, 0.0)).tolist() == free.predict(X).tolist()
    each = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    mixed = fitted.predict(X, preference=each)
    assert mixed[0::2].tolist() == free.predict(X)[0::2].tolist()
    assert set(mixed[1::2]) == {"small"}
    table = fitted.pair_probabilities(X, preference=each)
    assert table[1::2, 0, 0] == pytest.approx(0.98 + 0.02 / 16)
    with pytest.raises(DataError, match="preference weighs cost"):
        free.predict(X, preference=(0.5, 0.5))


def test_a_model_that_comes_is_known_by_its_embedding_and_one_that_goes_is_not_called():
    rng = np.random.default_rng(2)
    fitted = router()
    contexts = np.abs(rng.standard_normal((300, 6)))
    pair = rng.choice(ARMS[:3], size=(300, 2))
    strength = dict(zip(ARMS, (0, 1, 2, 3), strict=True))
    outcome = [np.sign(strength[a] - strength[b]) for a, b in pair]
    fitted.fit(contexts, pair[:, 0], pair[:, 1], outcome)
    before = fitted.decision_function(contexts)
    fitted.add_arm("twin of large", EMBEDDINGS[2])
    after = fitted.decision_function(contexts)
    assert after[:, 4] == pytest.approx(after[:, 2])
    assert np.corrcoef(before[:, :4].ravel(), after[:, :4].ravel())[0, 1] > 0.999
    fitted.remove_arm("large")
    assert fitted.arms_ == ["small", "medium", "huge", "twin of large"]
    assert "large" not in set(fitted.predict(contexts)) | set(fitted.sample_pair(contexts)[0])
    fitted.partial_fit(contexts[:5], ["twin of large"] * 5, ["huge"] * 5, [1] * 5)
    with pytest.raises(DataError, match="first holds 'large' in row 0"):
        fitted.partial_fit(contexts[:1], ["large"], ["huge"], [1])


def test_feel_good_goes_on_when_arms_change():
    fitted = learned(mu=0.01)
    fitted.remove_arm("medium").add_arm("new", np.ones(6)).partial_fit(
        X[:1], ["new"], ["huge"], [1]
    )
    assert np.isfinite(fitted.coef_).all()


@pytest.mark.parametrize("cls", ALL)
def test_the_same_seed_gives_the_same_router(cls):
    one, other = (learned(cls) for _ in range(2))
    assert one.sample_pair(X)[0].tolist() == other.sample_pair(X)[0].tolist()
    assert (one.decision_function(X) == other.decision_function(X)).all()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("how", ["file", "pickle", "copy"])
def test_saved_and_resumed_to_the_bit(cls, how, tmp_path):
    one = learned(cls).add_arm("new", np.ones(6)).remove_arm("small")
    if how == "file":
        one.save(tmp_path / "router.npz")
        other = load_bandit(tmp_path / "router.npz")
    else:
        other = pickle.loads(pickle.dumps(one)) if how == "pickle" else copy.deepcopy(one)
    for x in X[:30]:
        pairs = [each.sample_pair(x[None]) for each in (one, other)]
        assert [p[0] for p in pairs[0][:2]] == [p[0] for p in pairs[1][:2]]
        for each, (first, second, _) in zip((one, other), pairs, strict=True):
            each.partial_fit(x[None], first, second, [1])
    assert (one.decision_function(X) == other.decision_function(X)).all()
    assert one.n_updates_ == other.n_updates_ == 90


def test_the_feel_good_posterior_is_resumed_too(tmp_path):
    one = learned(mu=0.01)
    one.save(tmp_path / "router.npz")
    other = load_bandit(tmp_path / "router.npz")
    for each in (one, other):
        each.partial_fit(*log(seed=4))
    assert (one._posterior.theta == other._posterior.theta).all()


def test_a_file_that_was_tampered_with_is_refused(tmp_path):
    path = tmp_path / "router.npz"
    learned().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    for name, value in (
        ("learned_rows", arrays["learned_rows"][:, :3]),
        ("learned_facts", arrays["learned_facts"][:5]),
        ("learned_theta", arrays["learned_theta"] * np.nan),
        ("_identity", arrays["_identity"] + 9),
        ("header", np.array(json.dumps({**header, "class": "DuelingReplay"}))),
        ("header", np.array(json.dumps({**header, "learned": {}}))),
    ):
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(RouterFileError):
            load_bandit(path)


def test_a_clone_is_unfitted_and_parameters_are_kept():
    fitted = learned(n_samples=3, eta=0.5)
    again = clone(fitted)
    assert again.get_params()["n_samples"] == 3
    assert not hasattr(again, "arms_")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_samples": 0}, "n_samples is 0"),
        ({"uniform": 2}, "uniform is 2"),
        ({"eta": 0}, "eta is 0"),
        ({"mu": -1}, "mu is -1"),
        ({"step": 1.5}, "step is 1.5"),
        ({"sampler": "hmc"}, "sampler is 'hmc'"),
    ],
)
def test_a_router_that_makes_no_sense_is_refused_and_stays_unfitted(change, message):
    wrong = router().set_params(**change)
    with pytest.raises(ValueError, match=message):
        wrong.sample_pair(X)
    assert not hasattr(wrong, "arms_")

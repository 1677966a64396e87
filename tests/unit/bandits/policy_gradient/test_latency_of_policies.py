"""A policy's dial has a third end: latency, in training, off policy, in use and in files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bandits import BaRP, load_bandit
from bandits.policy_gradient import FullInformationBaRP
from bandits.policy_gradient._heads import HEADS, Sizes
from bandits.policy_gradient._parameters import Layout
from metarouter.exceptions import DataError

N, ARMS = 600, ("wise", "cheap", "fast")
FAST = {"epochs": 40, "batch_size": 64, "learning_rate": 5e-3, "arms": ARMS, "device": "cpu"}


@pytest.fixture(scope="module")
def world():
    """Every arm is the best at one thing, and which is fast depends on the query."""
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], size=(N, 1)) + 0.1 * rng.normal(size=(N, 3))
    quality = np.tile([0.9, 0.3, 0.3], (N, 1))
    cost = np.tile([0.8, 0.1, 0.8], (N, 1))
    slow = X[:, 0] > 0
    latency = np.column_stack([np.full(N, 9.0), np.where(slow, 8.0, 1.0), np.where(slow, 1.0, 8.0)])
    return X, quality, cost, latency


@pytest.fixture(scope="module")
def trained(world):
    return BaRP(**FAST, random_state=0).fit(*world)


def expected(world, w):
    """Names of the best arms."""
    _, quality, cost, latency = world
    rewards = w[0] * quality - w[1] * cost / 0.8 - w[2] * latency / 9.0
    return np.array(ARMS)[rewards.argmax(axis=1)]


DIAL = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.4, 0.0, 0.6), (0.8, 0.2, 0.0)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", [BaRP, FullInformationBaRP])
def test_one_policy_serves_all_three_ends_of_the_dial(world, kind, head):
    router = kind(head, **FAST, random_state=0).fit(*world)
    for w in DIAL:
        assert (router.predict(world[0], w) == expected(world, w)).mean() > 0.95
    assert router.caps_ == [pytest.approx(0.8), pytest.approx(9.0)]


def test_the_default_preference_weighs_all_three_alike(world, trained):
    X = world[0]
    assert_array_equal(
        trained.decision_function(X), trained.decision_function(X, np.full(3, 1 / 3))
    )
    assert_allclose(
        trained.decision_function(X, (0.7, 0.3)), trained.decision_function(X, (0.7, 0.3, 0.0))
    )


def test_fit_reads_one_cell_a_round_and_a_seed_is_a_result(world, trained):
    assert trained.n_revealed_ == FAST["epochs"] * N
    again = BaRP(**FAST, random_state=0).fit(*world)
    assert_array_equal(again.decision_function(world[0]), trained.decision_function(world[0]))


def test_a_log_of_random_arms_teaches_latency_off_policy(world):
    X, *outcomes = world
    arm = np.random.default_rng(1).integers(3, size=N)
    told = [table[np.arange(N), arm] for table in outcomes]
    action = np.array(ARMS)[arm]
    router = BaRP(**FAST, random_state=0)
    router.fit_logged(X, action, *told, propensity=np.full(N, 1 / 3))
    for w in DIAL[:3]:
        assert (router.predict(X, w) == expected(world, w)).mean() > 0.95
    before = router.decision_function(X)
    router.partial_fit(X[:50], action[:50], *(t[:50] for t in told), propensity=np.full(50, 1 / 3))
    assert np.abs(router.decision_function(X) - before).max() > 0
    with pytest.raises(DataError, match="latency is missing, but earlier feedback had it"):
        router.partial_fit(X[:1], action[:1], told[0][:1], told[1][:1])


def test_a_new_arm_is_placed_by_its_latencies_too(world, trained, tmp_path):
    X, tried = world[0], np.arange(60)
    path = tmp_path / "policy.npz"
    trained.save(path)
    shares = []
    for seconds in (0.5, 9.0):
        router = load_bandit(path)
        outcomes = {"quality": np.full(60, 0.3), "cost": np.full(60, 0.8)}
        router.add_arm("new", X=X[tried], **outcomes, latency=np.full(60, seconds))
        shares.append(router.predict_proba(X, (0.1, 0.1, 0.8))[:, 3].mean())
    assert shares[0] > shares[1] + 0.2


@pytest.mark.parametrize("estimator", ["doubly_robust", "reinforce"])
def test_a_training_that_was_stopped_ends_with_the_same_bits(world, tmp_path, estimator):
    path = tmp_path / "training.npz"
    settings = FAST | {"estimator": estimator, "checkpoint": path, "checkpoint_every": 3}
    whole = BaRP(**FAST | {"estimator": estimator, "epochs": 8}, random_state=0).fit(*world)

    class Killed(Exception):
        pass

    stopped = BaRP(**settings | {"epochs": 8}, random_state=0)
    save = stopped.__class__.save

    def dies_after_the_second(self, where):
        save(self, where)
        if self.epochs_done_ == 6:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaRP, "save", dies_after_the_second)
        with pytest.raises(Killed):
            stopped.fit(*world)
    resumed = BaRP(**settings | {"epochs": 8}, random_state=0).fit(*world)
    assert_array_equal(resumed._policy.values, whole._policy.values)
    assert resumed.caps_ == whole.caps_


@given(
    seed=st.integers(0, 10_000),
    mix=st.floats(0.0, 1.0),
    end=st.integers(0, 2),
    shares=st.tuples(st.floats(0.0, 0.99), st.floats(0.0, 0.99)),
)
def test_no_query_moves_against_the_outcome_whose_weight_grows(seed, mix, end, shares):
    rng = np.random.default_rng(seed)
    layout = Layout("trade_off", Sizes(4, 5, 3, 6, 2))
    theta = layout.views(layout.drawn(rng).astype(np.float64))
    x = rng.normal(size=(20, 4))
    others = np.insert([mix, 1.0 - mix], end, 0.0)  # a fixed mix of the other two
    ends = np.eye(3)

    def logits(w):
        return layout.of_head.forward(theta, x, np.array([w]))[0]

    low, high = sorted(shares)
    before, after = (
        logits((1.0 - share) * others + share * ends[end]).argmax(axis=1) for share in (low, high)
    )
    rows = np.arange(len(x))
    of_end, of_others = logits(ends[end]), logits(others)
    assert (of_end[rows, after] >= of_end[rows, before] - 1e-9).all()
    assert (of_others[rows, after] <= of_others[rows, before] + 1e-9).all()

"""Training ends with a moving average of the parameters, and runs as if it did not."""

from __future__ import annotations

import numpy as np
import pytest
from trained_policies import four_skills, same_state

from bandits import BaRP, FullInformationBaRP, load_bandit
from bandits.policy_gradient._trainer import PolicyTrainer
from bandits.policy_gradient._training import Training
from metarouter.exceptions import DataError

DECAY = 0.9


@pytest.fixture(scope="module")
def logs():
    return four_skills(150)


def quick(kind=BaRP, **parameters):
    settings = {"learning_rate": 0.01, "epochs": 6, "batch_size": 32, "cost_cap": 1.0}
    return kind(**{**settings, "averaging": DECAY, "random_state": 0, **parameters})


def feedback(logs, rows):
    X, quality, cost = logs
    arm = rows % 4
    given = {"propensity": np.full(len(rows), 0.25)}
    return (X[rows], arm, quality[rows, arm], cost[rows, arm]), given


def by_fit(logs, router):
    router.fit(*logs)


def by_fixed_logs(logs, router):
    values, given = feedback(logs, np.arange(150))
    router.fit_logged(*values, **given, arms=range(4))


def by_feedback_as_it_comes(logs, router):
    router.set_params(arms=range(4), replay_buffer=50)
    for rows in np.array_split(np.arange(150), 7):
        values, given = feedback(logs, rows)
        router.partial_fit(*values, **given)


@pytest.fixture
def iterates(monkeypatch):
    """Parameters after every step."""
    seen, step = [], PolicyTrainer.step

    def watched(self, estimate):
        step(self, estimate)
        seen.append(self._flat.numpy().astype(np.float64))

    monkeypatch.setattr(PolicyTrainer, "step", watched)
    return seen


@pytest.mark.parametrize("kind", [BaRP, FullInformationBaRP])
@pytest.mark.parametrize("learn", [by_fit, by_fixed_logs])
@pytest.mark.parametrize("head", ["trade_off", "mlp"])
def test_training_ends_with_the_weighted_mean_of_all_iterates(logs, iterates, kind, learn, head):
    router = quick(kind, head=head)
    learn(logs, router)
    weight = DECAY ** np.arange(len(iterates))[::-1]
    mean = np.average(iterates, axis=0, weights=weight)
    assert np.abs(mean - iterates[-1]).max() > 0.005
    np.testing.assert_allclose(router._policy.values[0], mean, atol=1e-5)
    x, w = logs[0].astype(np.float32), np.array([[0.6, 0.4]], dtype=np.float32)
    logits = router._policy.layout.of_head.forward(
        router._policy.layout.views(mean.astype(np.float32)), x, w
    )[0]
    np.testing.assert_allclose(
        router.decision_function(logs[0], preference=(0.6, 0.4)), logits, atol=1e-4
    )


@pytest.mark.parametrize(("n", "batch_size"), [(1, 32), (150, (150, 75, 50)), (150, 10)])
def test_the_average_looks_back_on_two_fifths_of_the_steps_at_most(logs, iterates, n, batch_size):
    quick(averaging=0.999, epochs=3, batch_size=batch_size).fit(*(table[:n] for table in logs))
    n_steps = len(iterates)
    assert n_steps == {1: 3, 150: 1 + 2 + 3 if batch_size != 10 else 45}[n]
    decay = max(0.0, 1 - 2.5 / n_steps)
    weight = decay ** np.arange(n_steps)[::-1]
    router = quick(averaging=0.999, epochs=3, batch_size=batch_size)
    router.fit(*(table[:n] for table in logs))
    mean = np.average(iterates[:n_steps], axis=0, weights=weight)
    np.testing.assert_allclose(router._policy.values[0], mean, atol=1e-5)


@pytest.mark.parametrize("learn", [by_fit, by_fixed_logs])
def test_until_then_training_is_what_it_is_without(logs, learn):
    averaged, plain = quick(), quick(averaging=0.0)
    learn(logs, averaged)
    learn(logs, plain)
    np.testing.assert_array_equal(
        averaged._policy.values[1:3], plain._policy.values[1:]
    )  # Adam's moments
    np.testing.assert_array_equal(averaged.reward_, plain.reward_)
    assert (averaged.decision_function(logs[0]) != plain.decision_function(logs[0])).all()


def test_feedback_as_it_comes_is_not_averaged(logs):
    averaged, plain = quick(), quick(averaging=0.0)
    for router in (averaged, plain):
        by_feedback_as_it_comes(logs, router)
    np.testing.assert_array_equal(averaged._policy.values[:3], plain._policy.values)
    trained = quick().fit(*logs)
    plain = quick(averaging=0.0).fit(*logs)
    plain._policy.values[0] = trained._policy.values[0]  # from one start
    values, given = feedback(logs, np.arange(64))
    for router in (trained, plain):
        router.partial_fit(*values, **given)
    np.testing.assert_array_equal(trained._policy.values[:3], plain._policy.values)


def test_a_killed_training_ends_as_one_that_was_not(logs, tmp_path, monkeypatch):
    whole, epoch, seen = quick().fit(*logs), Training._epoch, []

    def dies_in_the_fourth(self):
        seen.append(self)
        if len(seen) == 4:
            raise KeyboardInterrupt
        epoch(self)

    monkeypatch.setattr(Training, "_epoch", dies_in_the_fourth)
    kept = {"checkpoint": str(tmp_path / "training.npz"), "checkpoint_every": 2}
    with pytest.raises(KeyboardInterrupt):
        quick(**kept).fit(*logs)
    monkeypatch.undo()
    with pytest.raises(DataError, match="averaging differ"):
        quick(averaging=0.5, **kept).fit(*logs)
    resumed = quick(**kept).fit(*logs)
    whole._policy.fingerprint = resumed._policy.fingerprint
    assert same_state(resumed, whole)


@pytest.mark.parametrize("patience", [None, 1])
def test_a_finished_checkpoint_is_the_router_and_stays_it(logs, tmp_path, patience):
    path = tmp_path / "training.npz"
    settings = {"checkpoint": str(path), "checkpoint_every": 4, "patience": patience}
    router = quick(**settings).fit(*logs)
    for again in (load_bandit(path), quick(**settings).fit(*logs), load_bandit(path)):
        assert again.epochs_done_ == router.epochs_done_
        assert same_state(again, router)


def test_from_a_file_it_goes_on_with_the_same_bits(logs, tmp_path):
    router = quick().fit(*logs)
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    np.testing.assert_array_equal(
        router.decision_function(logs[0]), again.decision_function(logs[0])
    )
    values, given = feedback(logs, np.arange(40))
    for one in (router, again):
        one.partial_fit(*values, **given)
    assert same_state(router, again)


def test_an_arm_comes_and_goes_without_touching_the_others(logs):
    router = quick().fit(*logs)
    state, logits = router._policy.values.copy(), router.decision_function(logs[0])
    router.add_arm("new", like=2)
    more = router.decision_function(logs[0])
    np.testing.assert_allclose(more[:, :4], logits, atol=1e-6)
    np.testing.assert_allclose(more[:, 4], logits[:, 2], atol=1e-6)
    router.remove_arm("new")
    np.testing.assert_array_equal(router._policy.values, state)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_off_its_range_is_named(logs, decay):
    with pytest.raises(DataError, match=r"averaging is .*; give a number from 0 to below 1"):
        quick(averaging=decay).fit(*logs)

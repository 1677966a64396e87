"""What a training of BaRP promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from trained_policies import four_skills, quick, same_state

from bandits import FullInformationBaRP, LinUCB, Replay
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import ReplaySource
from bandits.policy_gradient._training import Training
from metarouter.exceptions import DataError
from tests.oracles import barp as oracle


@pytest.fixture(scope="module")
def logs():
    return four_skills()


def test_it_is_algorithm_1_step_for_step(logs):
    router = quick(epochs=3, learning_rate=1e-3)
    seen = []

    class Watched(Training):
        def _draw(self):
            seen.append(super()._draw())
            return seen[-1]

    replay = Replay(*logs)
    router.n_features_in_ = 5
    router._begin(replay.arms, 2)
    phi, head = oracle.make_policy(5, 4)
    start = router._policy.layout.views(router._policy.values[0].copy())
    source = ReplaySource(router._policy, replay)
    Watched(router._policy, Settings.of(router), source, None).run(lambda: None)
    with torch.no_grad():
        layers = [phi[0], phi[2], head[0], head[2]]
        weights = [
            start["A"],
            start["B"],
            np.concatenate([start["W_x"], start["W_u"]]),
            start["V"],
        ]
        for layer, weight, name in zip(layers, weights, ("A", "B", "W", ""), strict=True):
            layer.weight.copy_(torch.as_tensor(weight.T))
            layer.bias.copy_(torch.as_tensor(start[f"b_{name}" if name else "b"]))
    oracle.train(phi, head, *logs, tau=1.0, draws=seen, learning_rate=1e-3)
    trained = router._policy.layout.views(router._policy.values[0])
    np.testing.assert_allclose(trained["V"], head[2].weight.detach().numpy().T, atol=1e-5)
    np.testing.assert_allclose(trained["A"], phi[0].weight.detach().numpy().T, atol=1e-5)
    for w in ((1.0, 0.0), (0.5, 0.5)):
        ours = router.predict(logs[0], preference=w)
        assert (ours == oracle.route(phi, head, logs[0], w)).mean() > 0.99


@pytest.mark.parametrize("head", ["mlp", "linear", "bilinear", "trade_off"])
@pytest.mark.parametrize("estimator", ["reinforce", "doubly_robust"])
def test_it_learns_whom_to_call(logs, head, estimator):
    router = quick(head=head, estimator=estimator, learning_rate=0.01, epochs=40).fit(*logs)
    X, quality, cost = logs
    for w_cost in (0.0, 0.4):
        reward = (1 - w_cost) * quality - w_cost * cost
        arm = router.predict(X, preference=(1 - w_cost, w_cost))
        best_constant, best = reward.mean(axis=0).max(), reward.max(axis=1).mean()
        earned = reward[np.arange(300), arm].mean()
        assert earned > best_constant + 0.6 * (best - best_constant)


def test_the_cells_read_are_the_rounds_played(logs):
    assert quick(epochs=4).fit(*logs).n_revealed_ == 4 * 300


def test_what_a_fit_revealed_is_not_said_of_a_log(logs):
    X, quality, cost = logs
    router = quick(epochs=1, arms=range(4)).fit(*logs)
    router.fit_logged(X, np.zeros(300, int), quality[:, 0], cost[:, 0], propensity=np.ones(300))
    assert not hasattr(router, "n_revealed_")


def test_one_preference_per_row_is_each_row_with_its_own(logs):
    router = quick().fit(*logs)
    w_cost = np.linspace(0, 1, 300)
    each = router.decision_function(logs[0], preference=np.column_stack([1 - w_cost, w_cost]))
    alone = [
        router.decision_function(x[None], preference=(1 - w, w))[0]
        for x, w in zip(logs[0], w_cost, strict=True)
    ]
    np.testing.assert_allclose(each, alone, atol=1e-5)


def test_probabilities_are_the_softmax_of_the_logits(logs):
    router = quick().fit(*logs)
    chance = np.exp(router.decision_function(logs[0]))
    chance /= chance.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(router.predict_proba(logs[0]), chance, atol=1e-12)


class TestResuming:
    @pytest.mark.parametrize("estimator", ["reinforce", "doubly_robust"])
    def test_a_killed_training_ends_as_one_that_was_not(
        self, logs, estimator, tmp_path, monkeypatch
    ):
        whole = quick(estimator=estimator, cost_cap=None).fit(*logs)
        epoch, seen = Training._epoch, []

        def dies_in_the_sixth(self):
            seen.append(self)
            if len(seen) == 6:
                raise KeyboardInterrupt
            epoch(self)

        monkeypatch.setattr(Training, "_epoch", dies_in_the_sixth)
        parameters = {
            "estimator": estimator,
            "cost_cap": None,
            "checkpoint": str(tmp_path / "training.npz"),
            "checkpoint_every": 2,
        }
        with pytest.raises(KeyboardInterrupt):
            quick(**parameters).fit(*logs)
        monkeypatch.undo()
        resumed = quick(**parameters)
        resumed.fit(*logs)
        whole._policy.fingerprint = resumed._policy.fingerprint
        assert same_state(resumed, whole)
        assert resumed.cost_cap_ == whole.cost_cap_
        assert resumed.n_revealed_ == whole.n_revealed_ == 8 * 300
        assert (resumed.sample(logs[0])[0] == whole.sample(logs[0])[0]).all()

    def test_a_checkpoint_of_other_data_or_settings_is_refused(self, logs, tmp_path):
        path = tmp_path / "training.npz"
        quick(epochs=2, checkpoint=path).fit(*logs)
        X, quality, cost = logs
        with pytest.raises(DataError, match="the data differ"):
            quick(epochs=2, checkpoint=path).fit(X, 1 - quality, cost)
        with pytest.raises(DataError, match="entropy differ"):
            quick(epochs=2, entropy=0.1, checkpoint=path).fit(*logs)
        LinUCB(random_state=0).fit(*logs).save(path)
        with pytest.raises(DataError, match="holds a LinUCB"):
            quick(epochs=2, checkpoint=path).fit(*logs)


def test_of_trade_off_the_arms_get_no_dearer_as_cost_weighs_more(logs):
    router = quick(head="trade_off", epochs=3).fit(*logs)
    theta = router._policy.layout.views(router._policy.values[0])
    z = np.maximum(logs[0].astype(np.float32) @ theta["W_x"] + theta["b_W"], 0)
    worth = np.einsum("nh,hmk->nmk", z, theta["V"]) + theta["b"]
    dial = np.linspace(0, 1, 21)
    chosen = np.array([router.predict(logs[0], preference=(1 - w, w)) for w in dial])
    rows = np.arange(300)
    quality, thrift = (np.array([worth[rows, j, arm] for arm in chosen]) for j in (0, 1))
    assert (np.diff(quality, axis=0) <= 1e-5).all()
    assert (np.diff(thrift, axis=0) >= -1e-5).all()
    assert len(np.unique(chosen)) > 1


def test_without_a_cap_it_is_a_quantile_of_the_costs_seen(logs):
    router = quick(cost_cap=None, cost_quantile=0.5, epochs=1).fit(*logs)
    assert router.cost_cap_ in (0.1, 0.2, 0.5, 1.0)
    assert router.cost_cap_ == np.quantile(router._caps.first[:300], 0.5)


def test_training_stops_when_the_reward_no_longer_rises(logs):
    X, _, cost = logs
    router = quick(epochs=50, patience=3).fit(X, np.full((300, 4), 0.5), cost * 0)
    assert len(router.reward_) < 50
    assert router.n_revealed_ == 300 * len(router.reward_)


def test_sizes_of_batches_may_change_from_epoch_to_epoch(logs):
    router = quick(epochs=3, batch_size=(300, 150, 100)).fit(*logs)
    assert router._policy.counts[0] == 1 + 2 + 3


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("head", "cubic", "head is 'cubic'; give 'bilinear'"),
        ("estimator", "magic", "estimator is 'magic'; give 'doubly"),
        ("epochs", 0, "epochs is 0; give a whole number of at least 1"),
        ("learning_rate", -1.0, "learning_rate is -1.0; give a number above 0"),
        ("batch_size", 1.5, "batch_size is 1.5; give a whole number of at least 1"),
        ("cost_quantile", 2.0, "cost_quantile is 2.0; give a number from 0 to 1"),
        ("device", "abacus", "device is 'abacus', and torch finds none of that name"),
    ],
)
def test_parameters_off_their_range_are_named(logs, parameter, value, message):
    with pytest.raises(DataError, match=message):
        quick(**{parameter: value}).fit(*logs)


def test_with_the_outcomes_of_all_arms_the_same_policy_reads_every_cell(logs):
    X, quality, cost = logs
    router = FullInformationBaRP(
        learning_rate=0.01, epochs=25, cost_cap=1.0, batch_size=32, random_state=0
    ).fit(X, quality, cost)
    assert router.n_revealed_ == quality.size
    earned = quality[np.arange(300), router.predict(X, preference=(1.0, 0.0))].mean()
    best_constant, best = quality.mean(axis=0).max(), quality.max(axis=1).mean()
    assert earned > best_constant + 0.6 * (best - best_constant)
    with pytest.raises(DataError, match="NaN in 1 cells"):
        FullInformationBaRP(epochs=1).fit(X, np.where(quality == quality.max(), np.nan, quality))


def test_below_1_the_concentration_draws_the_ends_of_the_dial_more_often(logs):
    router = quick(epochs=1, concentration=0.3).fit(*logs)
    drawn = router._policy.preferences(None, 2000, router.concentration)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
    at_the_ends = (np.abs(drawn[:, 0] - 0.5) > 0.4).mean()
    assert at_the_ends > 0.4  # 0.2 of a uniform draw
    assert abs(drawn[:, 0].mean() - 0.5) < 0.04

from __future__ import annotations

import numpy as np
import pytest
from oracles.reward_models import NaiveReward
from reward_worlds import MODELS, topics_world, trained_offline
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from bandits import BayesianRouter, load_bandit
from bandits.reward_models import OfflineRewardRouter
from metarouter.exceptions import DataError

X, CORRECT, TOPIC = topics_world(600, seed=7)
ROWS = np.arange(600)


def play(router, X, correct, batch=50):
    """Accuracy of every batch while the router sees the chosen model's reward alone."""
    hits = []
    for start in range(0, len(X), batch):
        rows = slice(start, start + batch)
        action, chance = router.sample(X[rows])
        reward = correct[rows][np.arange(len(action)), [MODELS.index(a) for a in action]]
        router.partial_fit(X[rows], action, quality=reward, propensity=chance)
        hits.append(reward.mean())
    return np.array(hits)


@pytest.mark.parametrize("scale", ["reward", "score", "none"])
def test_the_posterior_equals_equations_5_and_6(scale):
    offline = trained_offline()
    router = BayesianRouter(offline, prior_scale=scale, noise_variance=0.3, random_state=0)
    action, _ = router.sample(X)
    reward = CORRECT[ROWS, [MODELS.index(a) for a in action]]
    design = np.column_stack([offline.transform(X), np.ones(600)])
    slope, level = {
        "reward": (offline.reward_slope_, offline.reward_level_),
        "score": (1.0, 0.0),
        "none": (0.0, 0.0),
    }[scale]
    variance = {"reward": 0.02 * slope**2, "score": 0.02, "none": 1.0}[scale]
    for start in range(0, 600, 60):
        rows = slice(start, start + 60)
        router.partial_fit(X[rows], action[rows], quality=reward[rows])
    for k, name in enumerate(MODELS):
        arm = NaiveReward([*(slope * offline.embedding_[k]), level], variance, 0.3)
        for start in range(0, 600, 60):
            mine = (action == name) & (start <= ROWS) & (start + 60 > ROWS)
            arm.learn(design[mine], reward[mine])
        np.testing.assert_allclose(
            router.decision_function(X)[:, k], design @ arm.mean, rtol=0, atol=1e-9
        )
        spread = 0.3 * router.posterior_.variances(design)[:, k]
        expected = np.einsum("ij,jk,ik->i", design, arm.covariance, design)
        np.testing.assert_allclose(spread, expected, rtol=0, atol=1e-9)


def test_the_prior_chooses_before_any_reward():
    router = BayesianRouter(trained_offline(), random_state=0)
    assert (router.predict(X) == trained_offline().predict(X)).all()
    blind = BayesianRouter(trained_offline(), prior_scale="none", random_state=0)
    assert play(router, X, CORRECT)[:4].mean() > play(blind, X, CORRECT)[:4].mean() + 0.1


def test_exploration_does_not_spend_the_gain_of_the_prior():
    frozen = CORRECT[ROWS, [MODELS.index(a) for a in trained_offline().predict(X)]].mean()
    hits = [play(BayesianRouter(trained_offline(), random_state=s), X, CORRECT) for s in range(3)]
    assert np.mean(hits) > frozen - 0.02


def test_data_overrule_a_prior_that_is_wrong():
    turned = np.roll(CORRECT, 1, axis=1)  # everybody's strengths are another's now
    long = np.tile(X, (4, 1)), np.tile(turned, (4, 1))
    router = BayesianRouter(trained_offline(), random_state=0)
    hits = play(router, *long)
    frozen = turned[ROWS, [MODELS.index(a) for a in trained_offline().predict(X)]].mean()
    assert hits[-8:].mean() > frozen + 0.15


def test_propensities_are_the_frequencies_of_choice():
    router = BayesianRouter(trained_offline(), random_state=0)
    play(router, X[:200], CORRECT[:200])
    x = np.repeat(X[:1], 20_000, axis=0)
    action, propensity = router.sample(x)
    chances = router.predict_proba(x[:1])[0]
    frequency = [(action == name).mean() for name in MODELS]
    np.testing.assert_allclose(frequency, chances, atol=0.016)
    chosen = [MODELS.index(name) for name in action]
    np.testing.assert_allclose(propensity, chances[chosen], atol=1e-12)


def test_cells_that_were_not_chosen_are_never_read():
    router = BayesianRouter(trained_offline(), random_state=0).fit(X, CORRECT)
    scores = router.decision_function(X)
    watch = BayesianRouter(trained_offline(), random_state=0)
    watch._begin_with(X, MODELS, 1)
    chosen = []
    for x, row in zip(X, CORRECT, strict=True):
        arm, _ = watch._choose(x[None], np.array([1.0, 0.0]))
        chosen.append(arm[0])
        watch.partial_fit(x[None], [MODELS[arm[0]]], row[arm])
    poisoned = np.full_like(CORRECT, 1e9)
    poisoned[ROWS, chosen] = CORRECT[ROWS, chosen]
    again = BayesianRouter(trained_offline(), random_state=0).fit(X, poisoned)
    assert again.n_revealed_ == 600
    np.testing.assert_array_equal(again.decision_function(X), scores)


def test_a_loaded_router_goes_on_to_the_bit(tmp_path):
    router = BayesianRouter(trained_offline(), random_state=3)
    play(router, X[:200], CORRECT[:200])
    router.add_arm("new").remove_arm("north")
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    assert again.offline.arms_ == list(MODELS)
    for start in range(200, 400, 20):
        rows = slice(start, start + 20)
        action, chance = router.sample(X[rows])
        other, other_chance = again.sample(X[rows])
        assert (action == other).all()
        assert (chance == other_chance).all()
        for learner in (router, again):
            learner.partial_fit(X[rows], action, quality=CORRECT[rows, 0])
    assert (router.decision_function(X) == again.decision_function(X)).all()


def test_a_clone_keeps_the_prior_and_forgets_the_rewards():
    router = BayesianRouter(trained_offline(), random_state=0)
    before = router.decision_function(X)
    play(router, X[:200], CORRECT[:200])
    assert (clone(router).decision_function(X) == before).all()
    frozen = BayesianRouter(FrozenEstimator(trained_offline()), random_state=0)
    assert (frozen.decision_function(X) == before).all()


def test_prices_are_traded_for_accuracy_by_the_dial():
    router = BayesianRouter(trained_offline(), random_state=0, cost_cap=1.0)
    prices = np.array([0.9, 0.1, 0.5, 0.5])
    action, chance = router.sample(X)  # before it is known that there will be prices
    arm = np.array([MODELS.index(a) for a in action])
    router.partial_fit(X, action, CORRECT[ROWS, arm], prices[arm], propensity=chance)
    cheap = router.predict(X, preference=(0.1, 0.9))
    assert (cheap == "east").mean() > 0.9
    assert (router.predict(X, preference=(1.0, 0.0)) != "east").mean() > 0.5


def test_a_model_unknown_offline_begins_with_the_mean_of_the_others():
    router = BayesianRouter(trained_offline(), arms=(*MODELS, "new"), random_state=0)
    scores = router.decision_function(X)
    np.testing.assert_allclose(scores[:, 4], scores[:, :4].mean(axis=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BayesianRouter(OfflineRewardRouter()), "offline is no fitted"),
        (lambda: BayesianRouter("offline"), "offline is no fitted"),
        (lambda: BayesianRouter(trained_offline(), prior_scale="logit"), "prior_scale is 'logit'"),
        (lambda: BayesianRouter(trained_offline(), noise_variance=0), "noise_variance is 0"),
        (lambda: BayesianRouter(trained_offline(), prior_variance=-1), "prior_variance is -1"),
        (lambda: BayesianRouter(trained_offline(), arms=("a", "b")), "No arm of"),
    ],
)
def test_settings_that_fit_nothing_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make().sample(X)


def test_bad_feedback_is_refused_and_nothing_changes():
    router = BayesianRouter(trained_offline(), random_state=0)
    play(router, X[:100], CORRECT[:100])
    before = router.decision_function(X)
    for arguments, message in (
        ((X[:2], ["north", "up"], [1.0, 1.0]), "'up' in row 1, which is no arm"),
        ((X[:2], ["north", "east"], [1.0, np.nan]), "quality"),
        ((X[:2, :3], ["north", "east"], [1.0, 1.0]), "features"),
        ((X[:2], ["north"], [1.0, 1.0]), "action has 1 rows but X has 2"),
    ):
        with pytest.raises(ValueError, match=message):
            router.partial_fit(*arguments)
    with pytest.raises(DataError, match="features, but the offline router was trained on 16"):
        BayesianRouter(trained_offline(), random_state=0).sample(X[:, :5])
    assert (router.decision_function(X) == before).all()

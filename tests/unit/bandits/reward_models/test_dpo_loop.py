from __future__ import annotations

import numpy as np
import pytest
import torch

from bandits import BayesianRouter, Constant
from bandits.reward_models.dpo_loop import TinyPolicy, TokenTask, _dpo_losses, train_online_dpo
from bandits.reward_models.rewards import dpo_loss
from metarouter.exceptions import DataError

TASK = TokenTask()


def begun(router):
    return router.partial_fit(np.zeros((4, 80)), [0, 1, 2, 3], [0.5] * 4)


def test_answers_are_right_by_topic():
    prompt = np.array([[6, 3, 1, 5], [7, 3, 1, 5], [8, 3, 1, 5], [9, 3, 1, 5]])
    right = TASK.right_answer(prompt)
    assert right.tolist() == [[3, 1, 5], [5, 1, 3], [1, 3, 5], [4, 2, 0]]
    assert TASK.quality(prompt, right).tolist() == [0, 0, 0, 0]
    assert TASK.quality(prompt, (right + 5) % 6).tolist() == [-3, -3, -3, -3]
    assert TASK.label(prompt, right, (right + 2) % 6).tolist() == [1, 1, 1, 1]


def test_models_are_experts_on_their_topic():
    rng = np.random.default_rng(0)
    prompt = TASK.prompts(20_000, rng)
    verdicts = TASK.verdicts(prompt, np.ones(20_000), rng)
    for topic in range(4):
        rates = (verdicts[prompt[:, 0] == 6 + topic] == 1).mean(axis=0)
        np.testing.assert_allclose(rates, TASK.reliability[topic], atol=0.03)


def test_features_are_the_same_for_both_orders():
    rng = np.random.default_rng(0)
    prompt, first, second = TASK.prompts(9, rng), *rng.integers(0, 6, (2, 9, 3))
    features = TASK.features(prompt, first, second)
    assert (features == TASK.features(prompt, second, first)).all()


def test_samples_follow_the_probabilities_of_the_policy():
    policy = TinyPolicy(TASK, random_state=1)
    prompt = np.repeat(TASK.prompts(1, np.random.default_rng(0)), 20_000, axis=0)
    answers = policy.sample(prompt, np.random.default_rng(1))
    with torch.no_grad():
        answer, count = np.unique(answers, axis=0, return_counts=True)
        chance = policy.log_probability(prompt[: len(answer)], answer).exp().numpy()
    assert chance.sum() == pytest.approx(1.0, abs=0.02)
    error = np.sqrt(chance * (1 - chance) / 20_000)
    assert (np.abs(count / 20_000 - chance) < 4.5 * error + 1e-5).all()


def test_the_loss_is_equation_1():
    policy, reference = (TinyPolicy(TASK, random_state=s) for s in range(2))
    rng = np.random.default_rng(0)
    prompt, first, second = TASK.prompts(9, rng), *rng.integers(0, 6, (2, 9, 3))
    verdict = np.where(rng.random(9) < 0.5, 1.0, -1.0)
    with torch.no_grad():
        ours = _dpo_losses(policy, reference, prompt, first, second, verdict, 0.3).numpy()
        ratio = [
            (policy.log_probability(prompt, y) - reference.log_probability(prompt, y)).numpy()
            for y in (first, second)
        ]
    np.testing.assert_allclose(ours, dpo_loss(ratio[0] - ratio[1], verdict, 0.3), atol=1e-5)


def test_a_policy_learns_from_right_labels_and_the_same_seed_repeats_it():
    perfect = TokenTask(expert=1.0, layman=1.0)
    first, second = (
        train_online_dpo(
            begun(Constant(0, arms=range(4))), perfect, n_steps=24, evaluate_every=12, n_test=400
        )
        for _ in range(2)
    )
    assert first.annotation_accuracy == 1.0
    assert first.win_rate[-1] > 0.58  # of 400 prompts: three standard errors above a half
    assert (first.win_rate == second.win_rate).all()
    assert first.steps.tolist() == [0, 12, 24]


@pytest.mark.parametrize("reward", ["loss", "verified"])
def test_one_model_labels_a_pair_and_the_router_is_rewarded(reward):
    router = begun(BayesianRouter(arms=range(4), random_state=0))
    trace = train_online_dpo(
        router, TASK, n_steps=3, n_prompts=8, reward=reward, audit_share=0.5, n_test=10
    )
    assert trace.chosen.shape == (3 * 8 * 4,)
    told = router.n_updates_ - 4
    assert told == 96 if reward == "loss" else 20 < told < 70


def test_settings_that_do_not_fit_are_refused():
    router = begun(Constant(0, arms=range(4)))
    with pytest.raises(DataError, match="reward is 'applause'"):
        train_online_dpo(router, reward="applause")
    with pytest.raises(DataError, match="3 candidates make at most 3 pairs"):
        train_online_dpo(router, n_candidates=3, n_pairs=4)
    two = Constant(0, arms=range(2)).partial_fit(np.zeros((2, 80)), [0, 1], [0.5] * 2)
    with pytest.raises(DataError, match="2 arms, but the task 4"):
        train_online_dpo(two)

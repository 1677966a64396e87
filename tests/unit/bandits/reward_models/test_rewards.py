from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.reward_models.rewards import (
    RewardNormalizer,
    agreement_reward,
    dpo_loss,
    loss_advantage,
    verified_reward,
)
from metarouter.exceptions import DataError


def naive_rewards(batches):
    """Appendix B by hand: the whole history, sorted anew every time."""
    past, rewards = [], []
    for batch in batches:
        raw = [np.mean(batch) - loss for loss in batch]
        if len(past) < 20:
            rewards.append([0.5] * len(raw))
        else:
            low, high = np.percentile(past, 20), np.percentile(past, 80)
            rewards.append([min(max((r - low) / (high - low), 0.0), 1.0) for r in raw])
        past += raw
    return rewards


def test_rewards_equal_the_appendix_while_the_history_fits():
    batches = np.random.default_rng(0).gamma(1.0, size=(12, 16))
    normalizer = RewardNormalizer(random_state=0)
    ours = [normalizer.update(batch) for batch in batches]
    np.testing.assert_allclose(ours, naive_rewards(batches), atol=1e-12)
    assert normalizer.n_seen == 192


def test_the_memory_is_bounded_and_its_quantiles_stay_near():
    rng = np.random.default_rng(0)
    normalizer = RewardNormalizer(memory=1000, random_state=0)
    for _ in range(200):
        normalizer.update(rng.normal(size=100))
    assert len(normalizer.kept) == 1000
    assert normalizer.n_seen == 20_000
    # A quantile of 1000 draws has a standard error of 0.045 here.
    np.testing.assert_allclose(
        np.quantile(normalizer.kept, [0.2, 0.8]), [-0.8416, 0.8416], atol=0.14
    )


def test_merged_normalizers_hold_what_either_saw():
    first, second = (RewardNormalizer(memory=100, random_state=s) for s in range(2))
    first.update([1.0, 2.0])
    second.update([1.0, 2.0, 3.0])
    first.merge(second)
    assert first.n_seen == 5
    np.testing.assert_allclose(sorted(first.kept), [-1.0, -0.5, 0.0, 0.5, 1.0])
    for _ in range(30):
        second.update(np.arange(10.0))
    first.merge(second)
    assert len(first.kept) == 100
    assert first.n_seen == 308


def test_a_normalizer_that_is_written_and_read_goes_on_to_the_bit():
    rng = np.random.default_rng(0)
    normalizer = RewardNormalizer(memory=50, random_state=0)
    for _ in range(5):
        normalizer.update(rng.normal(size=40))
    again = RewardNormalizer.from_dict(json.loads(json.dumps(normalizer.to_dict())))
    for _ in range(5):
        batch = rng.normal(size=40)
        assert (normalizer.update(batch) == again.update(batch)).all()


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_rewards_lie_in_the_unit_interval_and_fall_with_the_loss(losses):
    normalizer = RewardNormalizer(random_state=0)
    normalizer.update(np.random.default_rng(0).normal(size=40))
    rewards = normalizer.update(losses)
    assert ((rewards >= 0) & (rewards <= 1)).all()
    assert (np.diff(rewards[np.argsort(losses, kind="stable")]) <= 1e-12).all()


@pytest.mark.parametrize("losses", [[], [np.nan], [[1.0, 2.0]], [np.inf]])
def test_losses_that_are_none_are_refused_and_nothing_is_remembered(losses):
    normalizer = RewardNormalizer(random_state=0)
    with pytest.raises(DataError, match="losses is empty"):
        normalizer.update(losses)
    assert normalizer.n_seen == 0


def test_settings_off_their_range_are_refused():
    with pytest.raises(DataError, match="high is"):
        RewardNormalizer(0.8, 0.2)


def test_the_loss_is_minus_log_sigma_of_the_margin():
    margin, verdict = np.array([0.3, -2.0, 1.0]), np.array([1.0, -1.0, 0.0])
    sigma = 1 / (1 + np.exp(-2.0 * margin))
    expected = [-np.log(sigma[0]), -np.log(1 - sigma[1]), -np.log(sigma[2] * (1 - sigma[2])) / 2]
    np.testing.assert_allclose(dpo_loss(margin, verdict, beta=2.0), expected)


def test_agreement_leaves_the_chosen_model_out():
    verdict = [[1.0, 1.0, -1.0, 0.0], [1.0, np.nan, -1.0, -1.0], [np.nan, 1.0, 1.0, 1.0]]
    rewards = agreement_reward(verdict, [0, 0, 0])
    np.testing.assert_allclose(rewards, [(1 + 0 + 0.5) / 3, 0.0, np.nan])


def test_verified_rewards_know_ties_and_gaps():
    rewards = verified_reward([1.0, -1.0, 0.0, np.nan, 1.0], [1.0, 1.0, 1.0, 1.0, np.nan])
    np.testing.assert_array_equal(rewards, [1.0, 0.0, 0.5, np.nan, np.nan])


def test_advantages_compare_with_the_mean_of_those_asked():
    losses = np.array([[0.2, 0.8, 0.5], [0.2, 0.8, 0.5]])
    everyone = np.ones((2, 3), bool)
    assert loss_advantage(losses, [0, 1], everyone).tolist() == [1.0, 0.0]
    some = np.array([[False, True, True], [False, True, False]])
    assert loss_advantage(losses, [2, 1], some).tolist() == [1.0, 1.0]

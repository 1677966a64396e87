"""A controlled replay of online DPO (section 4.3): pairs with known labels, topics that drift."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bandits.reward_models.baselines import CalibratedPanel, majority_vote
from bandits.reward_models.pairs import pair_features
from bandits.reward_models.rewards import (
    RewardNormalizer,
    agreement_reward,
    dpo_loss,
    learn_rewards,
    loss_advantage,
    verified_reward,
)
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["REWARDS", "DriftingPairs", "ReplayTrace", "make_drifting_pairs", "replay_pairs"]

Array = NDArray[np.float64]

REWARDS = ("loss", "verified", "agreement", "full_advantage", "light_advantage")
_ASKED = 3  # models of the light advantage


@dataclass(frozen=True)
class DriftingPairs:
    """Pairs of a stream: features, verdicts, labels, and the truth behind them.

    Attributes
    ----------
    X : ndarray of shape (n, 2 d)
    difference : ndarray of shape (n, d)
        e - e', what a log-linear policy is trained on.
    verdict : ndarray of shape (n, N)
    label : ndarray of shape (n,)
    topic : ndarray of int of shape (n,)
    reliability : ndarray of shape (n_topics, N)
        Probability that a model is right on a topic.
    """

    X: Array
    difference: Array
    verdict: Array
    label: Array
    topic: NDArray[np.intp]
    reliability: Array

    @property
    def correct(self) -> Array:
        """Which verdicts are right, (n, N) of 0 and 1."""
        return (self.verdict == self.label[:, None]).astype(float)

    def __len__(self) -> int:
        return len(self.label)


@validated()
def make_drifting_pairs(
    n_offline: int = 2000,
    n_online: int = 3000,
    *,
    n_models: int = 4,
    n_topics: int = 6,
    n_features: int = 16,
    drift: float = 1.0,
    wrong_prior: bool = False,
    random_state: int = 0,
) -> tuple[DriftingPairs, DriftingPairs, DriftingPairs]:
    """Draw an offline set, an online stream and a test set of pairs.

    Every topic has a model that is right in 97 of 100 pairs; the others' reliabilities are
    uniform on (.55, .8). Offline, half of the topics make up 90% of the pairs. Online their shares
    move steadily to the opposite. Answers differ in a direction of quality that all topics share.

    Parameters
    ----------
    n_offline, n_online : int
    n_models, n_topics, n_features : int, default=4, 6 and 16
    drift : float, default=1.0
        How far the shares move by the end: 0 stays, 1 ends at the opposite of the beginning.
    wrong_prior : bool, default=False
        Online, every model has the reliabilities of its neighbour: what was learned offline
        misleads on every topic.
    random_state : int, default=0

    Returns
    -------
    offline, online, test : DriftingPairs
        The test set has the topics of the end of the stream.
    """
    if not 0 <= drift <= 1 or min(n_offline, n_online, n_models - 1, n_topics - 1, n_features) < 1:
        raise DataError("drift lies in [0, 1]; give sizes of at least 1, two models and topics.")
    rng = np.random.default_rng(random_state)
    centres, quality = rng.normal(size=(n_topics, n_features)), rng.normal(size=n_features)
    rates = rng.uniform(0.55, 0.8, (n_topics, n_models))
    rates[np.arange(n_topics), rng.permutation(np.arange(n_topics) % n_models)] = 0.97
    frequent = np.arange(n_topics) < (n_topics + 1) // 2
    start = np.where(frequent, 0.9 / frequent.sum(), 0.1 / (~frequent).sum())
    end = np.where(frequent, 0.1 / frequent.sum(), 0.9 / (~frequent).sum())
    moved = drift * np.linspace(0.0, 1.0, n_online)[:, None]
    online_rates = np.roll(rates, 1, axis=1) if wrong_prior else rates

    def draw(shares: Array, reliability: Array) -> DriftingPairs:
        n = len(shares)
        topic = (rng.random((n, 1)) > np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)
        prompt = centres[topic] + 0.5 * rng.normal(size=(n, n_features))
        first, second = (prompt + 0.5 * rng.normal(size=(n, n_features)) for _ in range(2))
        label = np.where((first - second) @ quality > 0, 1.0, -1.0)
        right = rng.random((n, n_models)) < reliability[topic]
        verdict = np.where(right, 1.0, -1.0) * label[:, None]
        X = pair_features(first, second)
        return DriftingPairs(X, first - second, verdict, label, topic, reliability)

    last = (1 - drift) * start + drift * end
    return (
        draw(np.tile(start, (n_offline, 1)), rates),
        draw((1 - moved) * start + moved * end, online_rates),
        draw(np.tile(last, (2000, 1)), online_rates),
    )


@dataclass(frozen=True)
class ReplayTrace:
    """What happened in a replay, pair by pair.

    Attributes
    ----------
    right : ndarray of shape (n,)
        1 where the label that was given is right, 1/2 for ties.
    regret : ndarray of shape (n,)
        Reliability of the topic's best model minus that of the chosen one; NaN for panels.
    calls : float
        Calls of reward models per pair, audits included.
    labels : float
        Verified labels per pair.
    seconds : float
        Time to choose and to learn, per pair.
    policy_accuracy : float
        Share of the test pairs that the trained policy orders rightly.
    chosen : ndarray of int of shape (n,)
    """

    right: Array
    regret: Array
    calls: float
    labels: float
    seconds: float
    policy_accuracy: float
    chosen: NDArray[np.intp]


@validated()
def replay_pairs(
    router: Any,
    online: DriftingPairs,
    test: DriftingPairs,
    *,
    reward: str = "loss",
    audit_share: float = 0.1,
    batch_size: int = 64,
    beta: float = 1.0,
    learning_rate: float = 0.5,
    random_state: int = 0,
) -> ReplayTrace:
    """Let a router label a stream batch by batch, train a policy on the labels, and reward it.

    The policy is log-linear in e - e', so that equation 1 is exactly its DPO loss, with a
    reference of equal odds; one gradient step per batch.

    Parameters
    ----------
    router : object with sample and partial_fit, "majority", "uwo", or a fitted CalibratedPanel
    online, test : DriftingPairs
    reward : {"loss", "verified", "agreement", "full_advantage", "light_advantage"}
        "loss": minus the DPO loss, normalised (appendix B). "verified": agreement with the
        verified label on an audited share. "agreement": agreement with all other models on an
        audited share. The advantages (appendix C) ask all, or three, models for every pair.
    audit_share : float, default=0.1
    batch_size : int, default=64
        16 prompts with 4 pairs each (appendix A.1).
    beta, learning_rate : float
        Of the DPO loss and of the policy's steps.
    random_state : int, default=0
    """
    if reward not in REWARDS:
        raise DataError(f"reward is {reward!r}; choose one of {', '.join(REWARDS)}.")
    rng = np.random.default_rng([random_state, 7])
    normalizer = RewardNormalizer(random_state=random_state)
    n, n_models = online.verdict.shape
    theta = np.zeros(online.difference.shape[1])
    given, weight = np.zeros(n), np.ones(n)
    chosen, extra, labels, seconds = np.full(n, -1), 0.0, 0.0, 0.0
    is_panel = isinstance(router, str | CalibratedPanel)
    if is_panel:
        given, weight = _panel(router, online.verdict)
    for start in range(0, n, batch_size):
        rows = slice(start, min(start + batch_size, n))
        size, margin = rows.stop - rows.start, online.difference[rows] @ theta
        if not is_panel:
            began = perf_counter()
            action, propensity = router.sample(online.X[rows])
            seconds += perf_counter() - began
            arm = np.array([router.arms_.index(name) for name in action.tolist()])
            verdict = online.verdict[rows]
            given[rows], chosen[rows] = verdict[np.arange(size), arm], arm
            rewards, asked, verified = _rewards(
                reward, verdict, arm, online.label[rows], margin, beta, normalizer,
                audit_share, rng,
            )  # fmt: skip
            extra, labels = extra + asked, labels + verified
            began = perf_counter()
            learn_rewards(router, online.X[rows], action, rewards, propensity)
            seconds += perf_counter() - began
        step = weight[rows] * given[rows] * expit(-beta * given[rows] * margin)
        theta = theta + learning_rate * beta * (step[:, None] * online.difference[rows]).mean(0)
    best = online.reliability[online.topic].max(axis=1)
    own = online.reliability[online.topic, np.maximum(chosen, 0)]
    return ReplayTrace(
        0.5 + 0.5 * given * online.label,
        np.where(chosen < 0, np.nan, best - own),
        (n_models if is_panel else 1.0) + extra / n,
        labels / n,
        seconds / n,
        float((np.sign(test.difference @ theta) == test.label).mean()),
        chosen,
    )


def _panel(router: Any, verdict: Array) -> tuple[Array, Array]:
    if isinstance(router, CalibratedPanel):
        return router.predict(verdict), np.ones(len(verdict))
    if router not in ("majority", "uwo"):
        raise DataError(f"router is {router!r}; give a router, 'majority' or 'uwo'.")
    label, consensus = majority_vote(verdict)
    return label, consensus if router == "uwo" else np.ones(len(verdict))


def _rewards(
    kind: str, verdict: Array, arm: NDArray[np.intp], label: Array, margin: Array, beta: float,
    normalizer: RewardNormalizer, share: float, rng: np.random.Generator,
) -> tuple[Array, float, float]:  # fmt: skip
    """Return rewards (NaN: none), further calls, and verified labels that they took."""
    n, n_models = verdict.shape
    own = verdict[np.arange(n), arm]
    if kind == "loss":
        return normalizer.update(dpo_loss(margin, own, beta)), 0.0, 0.0
    if kind in ("verified", "agreement"):
        audited = np.asarray(rng.random(n) < share)
        is_verified = kind == "verified"
        rewards = verified_reward(own, label) if is_verified else agreement_reward(verdict, arm)
        calls, labels = (0, 1) if is_verified else (n_models - 1, 0)
        return (
            np.where(audited, rewards, np.nan),
            float(audited.sum() * calls),
            float(audited.sum() * labels),
        )
    losses = np.stack([dpo_loss(margin, column, beta) for column in verdict.T], axis=1)
    asked = np.ones((n, n_models), dtype=bool)
    if kind == "light_advantage":
        asked = rng.random((n, n_models)).argsort(axis=1) < _ASKED
    further = asked.sum() - asked[np.arange(n), arm].sum()
    return loss_advantage(losses, arm, asked), float(further), 0.0

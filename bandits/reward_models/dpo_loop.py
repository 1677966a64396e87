"""Online DPO with a routed reward model, small enough for two cores (section 3.1, appendix A.1)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid

from bandits.reward_models.pairs import pair_features
from bandits.reward_models.rewards import RewardNormalizer, learn_rewards, verified_reward
from metarouter.exceptions import DataError

__all__ = ["DPOTrace", "TinyPolicy", "TokenTask", "train_online_dpo"]

Array = NDArray[np.float64]
Tokens = NDArray[np.int64]

REWARDS = ("loss", "verified")
_LENGTH = 3  # tokens of a prompt behind its topic, and of an answer


@dataclass(frozen=True)
class TokenTask:
    """Prompts whose right answer a program knows, and reward models that know some topics.

    A prompt is a topic and three digits. The right answer copies them, reverses them, sorts them or
    adds one to each, by topic; an answer is the better the smaller its distance, counted round the
    circle of digits. Reward model n prefers the better answer with probability
    ``reliability[topic, n]``.

    Parameters
    ----------
    n_digits : int, default=6
    expert, layman : float, default=0.97 and 0.55
        Reliability of a model on its own topic, and on the others.
    """

    n_digits: int = 6
    expert: float = 0.97
    layman: float = 0.55

    n_topics = 4

    @property
    def n_models(self) -> int:
        """Number of reward models: one expert per topic."""
        return self.n_topics

    @property
    def reliability(self) -> Array:
        """Probability that a model is right on a topic, (n_topics, n_models)."""
        return np.full((4, 4), self.layman) + (self.expert - self.layman) * np.eye(4)

    def prompts(self, n: int, rng: np.random.Generator, shares: Any = None) -> Tokens:
        """Draw prompts, shape (n, 4): the topic's token, then three digits."""
        topic = rng.choice(self.n_topics, n, p=shares)
        digits = rng.integers(0, self.n_digits, (n, _LENGTH))
        return np.column_stack([self.n_digits + topic, digits]).astype(np.int64)

    def right_answer(self, prompt: Tokens) -> Tokens:
        """Return what the program answers, shape (n, 3)."""
        topic, digits = prompt[:, :1] - self.n_digits, prompt[:, 1:]
        answers = [digits, digits[:, ::-1], np.sort(digits, axis=1), (digits + 1) % self.n_digits]
        return np.asarray(np.select([topic == k for k in range(4)], answers))

    def quality(self, prompt: Tokens, answer: Tokens) -> Array:
        """Return minus the distance of an answer from the right one, shape (n,)."""
        gap = np.abs(answer - self.right_answer(prompt))
        return -np.minimum(gap, self.n_digits - gap).sum(axis=1).astype(np.float64)

    def label(self, prompt: Tokens, first: Tokens, second: Tokens) -> Array:
        """Return 1 where the first answer is better, -1 where the second, 0 where neither."""
        return np.sign(self.quality(prompt, first) - self.quality(prompt, second))

    def verdicts(self, prompt: Tokens, label: Array, rng: np.random.Generator) -> Array:
        """Draw the verdicts of all reward models, (n, n_models); a coin where none is better."""
        chance = self.reliability[prompt[:, 0] - self.n_digits]
        right = np.where(rng.random(chance.shape) < chance, 1.0, -1.0)
        coin = np.where(rng.random(chance.shape) < 0.5, 1.0, -1.0)
        return np.where(label[:, None] == 0, coin, right * label[:, None])

    def features(self, prompt: Tokens, first: Tokens, second: Tokens) -> Array:
        """Return `pair_features` of one-hot encoded prompts and answers."""

        def embed(answer: Tokens) -> Array:
            topic = np.eye(self.n_topics)[prompt[:, 0] - self.n_digits]
            tokens = np.eye(self.n_digits)[np.hstack([prompt[:, 1:], answer])]
            return np.hstack([topic, tokens.reshape(len(prompt), -1)])

        return pair_features(embed(first), embed(second))


class TinyPolicy(nn.Module):
    """A causal transformer over topics and digits that answers with three digits.

    Parameters
    ----------
    task : TokenTask
    width, n_layers : int, default=48 and 1
    random_state : int, default=0
    """

    def __init__(
        self, task: TokenTask, width: int = 48, n_layers: int = 1, random_state: int = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            self.tokens = nn.Embedding(task.n_digits + task.n_topics, width)
            self.places = nn.Parameter(0.1 * torch.randn(1 + 2 * _LENGTH, width))
            layer = nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
            self.head = nn.Linear(width, task.n_digits)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of the next digit at every place, (n, length, n_digits)."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        hidden = self.tokens(tokens) + self.places[:length]
        return self.head(self.layers(hidden, mask=mask, is_causal=True))

    def log_probability(self, prompt: Tokens, answer: Tokens) -> Tensor:
        """Return log pi(answer | prompt), shape (n,)."""
        whole = torch.from_numpy(np.hstack([prompt, answer]))
        logits = self(whole[:, :-1])[:, -_LENGTH:]
        target = whole[:, -_LENGTH:]
        return -cross_entropy(logits.transpose(1, 2), target, reduction="none").sum(dim=1)

    @torch.no_grad()
    def sample(self, prompt: Tokens, rng: np.random.Generator, temperature: float = 1.0) -> Tokens:
        """Draw an answer to every prompt, shape (n, 3); all chance comes from `rng`."""
        whole = torch.from_numpy(prompt)
        for _ in range(_LENGTH):
            chances = (self(whole)[:, -1] / temperature).softmax(dim=1).double().cumsum(dim=1)
            drawn = torch.from_numpy(rng.random((len(prompt), 1)))
            digit = (drawn > chances[:, :-1]).sum(dim=1, keepdim=True)
            whole = torch.cat([whole, digit], dim=1)
        return whole[:, -_LENGTH:].numpy()


@dataclass(frozen=True)
class DPOTrace:
    """What happened in an online DPO run.

    Attributes
    ----------
    steps, win_rate : ndarray of shape (m,)
        Share of held-out prompts on which the policy's answer is better than the reference's,
        ties one half, after so many steps.
    annotation_accuracy : float
        Share of right labels among pairs of which one answer is better.
    chosen : ndarray of int of shape (n_pairs,)
        The reward models that were called.
    """

    steps: NDArray[np.int64]
    win_rate: Array
    annotation_accuracy: float
    chosen: NDArray[np.int64]


def train_online_dpo(
    router: Any,
    task: TokenTask | None = None,
    *,
    n_steps: int = 150,
    n_prompts: int = 16,
    n_candidates: int = 6,
    n_pairs: int = 4,
    reward: str = "loss",
    audit_share: float = 0.1,
    beta: float = 0.1,
    learning_rate: float = 3e-3,
    temperature: float = 1.0,
    evaluate_every: int = 15,
    n_test: int = 500,
    policy: TinyPolicy | None = None,
    random_state: int = 0,
) -> DPOTrace:
    """Sample answers, let the routed reward model label pairs, take a DPO step, reward the router.

    Parameters
    ----------
    router : object with arms_, sample and partial_fit
        Whose arms are the reward models in the order of the task's.
    task : TokenTask, optional
    n_steps, n_prompts, n_candidates, n_pairs : int
        Every step has so many prompts, each with so many candidates and, of those, so many pairs
        (appendix A.1: 16, 6 and 4).
    reward : {"loss", "verified"}, default="loss"
        Minus the DPO loss (appendix B), or agreement with the program on an audited share.
    audit_share : float, default=0.1
    beta, learning_rate, temperature : float
        Of equation 1, of Adam, of the candidates.
    evaluate_every, n_test : int
        Steps between win rates, and prompts that they are taken on.
    policy : TinyPolicy, optional
        The reference, of which a copy is trained; by default one with random weights.
    random_state : int, default=0
        Two routers that are given the same seed meet the same prompts in the beginning and the same
        test.

    Returns
    -------
    DPOTrace

    Examples
    --------
    >>> from bandits import Constant
    >>> task = TokenTask()
    >>> judge = Constant(0, arms=range(4)).partial_fit(np.zeros((4, 80)), [0, 1, 2, 3], [0.0] * 4)
    >>> trace = train_online_dpo(judge, task, n_steps=2, evaluate_every=2, n_test=20)
    >>> trace.win_rate.shape
    (2,)
    """
    if reward not in REWARDS:
        raise DataError(f"reward is {reward!r}; choose one of {', '.join(REWARDS)}.")
    task = TokenTask() if task is None else task
    if n_candidates < 2 or not 1 <= n_pairs <= n_candidates * (n_candidates - 1) // 2:
        raise DataError(
            f"n_pairs is {n_pairs}; {n_candidates} candidates make at most "
            f"{n_candidates * (n_candidates - 1) // 2} pairs."
        )
    reference = TinyPolicy(task, random_state=random_state) if policy is None else policy
    learner = copy.deepcopy(reference)
    optimiser = torch.optim.Adam(learner.parameters(), lr=learning_rate)
    rng = np.random.default_rng([random_state, 11])
    normalizer = RewardNormalizer(random_state=random_state)
    steps, rates, hits, chosen = [0], [0.5], [], []
    for step in range(1, n_steps + 1):
        prompt, first, second = _pairs(
            learner, task, n_prompts, n_candidates, n_pairs, temperature, rng
        )
        label = task.label(prompt, first, second)
        verdicts = task.verdicts(prompt, label, rng)
        X = task.features(prompt, first, second)
        action, propensity = router.sample(X)
        if len(router.arms_) != task.n_models:  # known once it has begun
            raise DataError(
                f"router has {len(router.arms_)} arms, but the task {task.n_models} models; name "
                "one arm per model, in their order."
            )
        arm = np.array([router.arms_.index(name) for name in action.tolist()])
        verdict = verdicts[np.arange(len(arm)), arm]
        losses = _dpo_losses(learner, reference, prompt, first, second, verdict, beta)
        optimiser.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rewards = normalizer.update(losses.detach().double().numpy())
        if reward == "verified":
            audited = (rng.random(len(arm)) < audit_share) & (label != 0)
            rewards = np.where(audited, verified_reward(verdict, label), np.nan)
        learn_rewards(router, X, action, rewards, propensity)
        hits.append((verdict == label)[label != 0])
        chosen.append(arm)
        if step % evaluate_every == 0 or step == n_steps:
            steps.append(step)
            rates.append(_win_rate(learner, reference, task, n_test, random_state))
    return DPOTrace(
        np.array(steps),
        np.array(rates),
        float(np.concatenate(hits).mean()),
        np.concatenate(chosen).astype(np.int64),
    )


def _pairs(
    policy: TinyPolicy,
    task: TokenTask,
    n_prompts: int,
    n_candidates: int,
    n_pairs: int,
    temperature: float,
    rng: np.random.Generator,
) -> tuple[Tokens, Tokens, Tokens]:
    """Return prompts and two of the candidates for each, of shape (n_prompts * n_pairs, ...)."""
    prompt = task.prompts(n_prompts, rng)
    answers = policy.sample(np.repeat(prompt, n_candidates, axis=0), rng, temperature)
    answers = answers.reshape(n_prompts, n_candidates, _LENGTH)
    i, j = np.triu_indices(n_candidates, 1)
    picked = rng.random((n_prompts, len(i))).argsort(axis=1)[:, :n_pairs]
    row = np.arange(n_prompts)[:, None]
    first, second = answers[row, i[picked]], answers[row, j[picked]]
    return (
        np.repeat(prompt, n_pairs, axis=0),
        first.reshape(-1, _LENGTH),
        second.reshape(-1, _LENGTH),
    )


def _dpo_losses(
    policy: TinyPolicy,
    reference: TinyPolicy,
    prompt: Tokens,
    first: Tokens,
    second: Tokens,
    verdict: Array,
    beta: float,
) -> Tensor:
    """Return -log sigma(beta v (log-ratio of the first - log-ratio of the second)) (equation 1)."""
    prompts, answers = np.vstack([prompt, prompt]), np.vstack([first, second])
    with torch.no_grad():
        anchor = reference.log_probability(prompts, answers)
    ratio = policy.log_probability(prompts, answers) - anchor
    margin = ratio[: len(prompt)] - ratio[len(prompt) :]
    return -logsigmoid(beta * torch.from_numpy(verdict).float() * margin)


def _win_rate(
    policy: TinyPolicy, reference: TinyPolicy, task: TokenTask, n: int, random_state: int
) -> float:
    rng = np.random.default_rng([random_state, 12])
    prompt = task.prompts(n, rng)
    others = reference.sample(prompt, rng)
    return float(0.5 + 0.5 * task.label(prompt, policy.sample(prompt, rng), others).mean())

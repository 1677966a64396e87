"""A routed reward function for the online DPO trainer of `trl`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.reward_models.pairs import pair_features
from bandits.reward_models.rewards import (
    RewardNormalizer,
    dpo_loss,
    learn_rewards,
    verified_reward,
)
from metarouter.exceptions import DataError

__all__ = ["RoutedReward"]

Array = NDArray[np.float64]
Scorer = Callable[[list[str], list[str]], ArrayLike]


class RoutedReward:
    """Score pairs of completions by one reward model each, the one that a router chooses.

    ``trl.experimental.online_dpo.OnlineDPOTrainer`` (seen in trl 1.16) calls its reward functions
    with every prompt twice, the first completions in the first half and the second ones in the
    other, and prefers the completion with the higher reward. What is returned is therefore 1/2 for
    the completion that the chosen model prefers and -1/2 for the other, 0 for ties, so that models
    with unlike scales can be mixed. Each process of a distributed run needs a router of its own.

    Parameters
    ----------
    router : object with arms_, sample and partial_fit
        Such as `BayesianRouter`.
    models : mapping of arm to callable
        Each takes prompts and completions as text and returns one score per completion.
    encode : callable
        Takes texts, each a prompt followed by its completion, and returns embeddings (n, d).
    label : callable, optional
        Takes prompts, first and second completions of the pairs and returns 1, -1, or NaN where
        nothing is verified; the router learns from agreement with it.
    log_ratio : callable, optional
        Takes prompts and completions and returns log pi - log pi_ref of every completion; the
        router then learns from minus the DPO loss, normalised (appendix B). Without either it
        only chooses.
    beta : float, default=0.1
        Of the DPO loss.
    random_state : int, RandomState or None
        Of the normaliser of losses.

    Attributes
    ----------
    calls : dict of arm to int
        Pairs that each model was asked about.

    Examples
    --------
    >>> from bandits import Constant
    >>> judge = Constant("long", arms=["long", "short"])
    >>> judge = judge.partial_fit(np.zeros((2, 2)), ["long", "short"], [0.5, 0.5])
    >>> reward = RoutedReward(
    ...     judge,
    ...     {"long": lambda p, c: [len(x) for x in c], "short": lambda p, c: [-len(x) for x in c]},
    ...     encode=lambda texts: np.array([[float(len(text))] for text in texts]),
    ... )
    >>> reward(prompts=["a", "a"], completions=["xyz", "x"])
    [0.5, -0.5]
    """

    __name__ = "routed_reward"  # what the trainer's log calls it

    def __init__(
        self,
        router: Any,
        models: Mapping[Any, Scorer],
        encode: Callable[[list[str]], ArrayLike],
        *,
        label: Callable[[list[str], list[str], list[str]], ArrayLike] | None = None,
        log_ratio: Scorer | None = None,
        beta: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        if label is not None and log_ratio is not None:
            raise DataError("Both label and log_ratio are given; choose what the router learns of.")
        if len(models) < 2:
            raise DataError(f"models names {list(models)}; a router needs two or more.")
        self.router, self.models, self.encode = router, dict(models), encode
        self.label, self.log_ratio, self.beta = label, log_ratio, beta
        self.normalizer = RewardNormalizer(random_state=random_state)
        self.calls = dict.fromkeys(self.models, 0)

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **others: Any
    ) -> list[float]:
        """Return one reward per completion.

        Parameters
        ----------
        prompts, completions : sequence of 2 n texts or conversations
            Rows i and n + i belong to one pair.
        **others
            What else the trainer hands over; not used.

        Raises
        ------
        DataError
            If rows do not pair, or the router chooses a model that is not there.
        """
        asked, texts = [_text(p) for p in prompts], [_text(c) for c in completions]
        n = len(asked) // 2
        if not n or len(asked) != len(texts) or asked[:n] != asked[n:]:
            raise DataError(
                f"There are {len(asked)} prompts and {len(texts)} completions that do not pair; "
                "give every prompt twice, all first completions before all second ones."
            )
        both = np.asarray(
            self.encode([f"{p}\n{c}" for p, c in zip(asked, texts, strict=True)]), dtype=float
        )
        X = pair_features(both[:n], both[n:])
        action, propensity = self.router.sample(X)
        verdict = self._verdicts(action, asked, texts)
        self._learn(X, action, propensity, verdict, asked, texts)
        return [*(verdict / 2).tolist(), *(-verdict / 2).tolist()]

    def _verdicts(self, action: NDArray[Any], asked: list[str], texts: list[str]) -> Array:
        """Ask every chosen model about its own pairs alone."""
        n, names = len(action), action.tolist()
        strange = [name for name in names if name not in self.models]
        if strange:
            raise DataError(f"The router chose {strange[0]!r}; models names {list(self.models)}.")
        verdict = np.zeros(n)
        for name in dict.fromkeys(names):
            rows = [i for i in range(n) if names[i] == name]
            both = [*rows, *(n + i for i in rows)]
            score = np.asarray(
                self.models[name]([asked[i] for i in both], [texts[i] for i in both]), dtype=float
            )
            if score.shape != (len(both),):
                raise DataError(
                    f"Model {name!r} returned scores of shape {score.shape} for {len(both)} "
                    "completions; return one number each."
                )
            gap = np.sign(score[: len(rows)] - score[len(rows) :])
            verdict[rows] = np.nan_to_num(gap)
            self.calls[name] += len(rows)
        return verdict

    def _learn(
        self, X: Array, action: NDArray[Any], propensity: Array, verdict: Array,
        asked: list[str], texts: list[str],
    ) -> None:  # fmt: skip
        n = len(verdict)
        if self.label is not None:
            reward = verified_reward(verdict, self.label(asked[:n], texts[:n], texts[n:]))
        elif self.log_ratio is not None:
            ratio = np.asarray(self.log_ratio(asked, texts), dtype=float)
            reward = self.normalizer.update(dpo_loss(ratio[:n] - ratio[n:], verdict, self.beta))
        else:
            return
        learn_rewards(self.router, X, action, reward, propensity)


def _text(given: Any) -> str:
    """Return the text of a prompt or completion, be it plain or a conversation."""
    if isinstance(given, str):
        return given
    return "\n".join(str(message["content"]) for message in given)

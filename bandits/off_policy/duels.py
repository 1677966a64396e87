"""How often a policy would win against one model, from the duels of another policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import check_arms, position_of, positions_of
from bandits._validation import check_propensity
from bandits.dueling.base import DuelingRouter, check_outcomes
from bandits.off_policy.logged_feedback import LoggedFeedback
from bandits.off_policy.result import OffPolicyResult
from bandits.off_policy.value import off_policy_value
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["LoggedDuels", "win_rate"]

Array = NDArray[np.float64]
_OFF_SUM = 1e-6


@dataclass(frozen=True)
class LoggedDuels:
    """Duels of one or more logging policies, with the probability of every pair.

    Parameters
    ----------
    X : array of shape (n, n_features)
    first, second : array of shape (n,)
        Names of the two arms.
    outcome : array of shape (n,)
        1 where the first won, -1 where the second did, 0 for a tie.
    propensity : array of shape (n,)
        Probability, in (0, 1], with which the ordered pair was drawn; `sample_pair` returns it.
    arms : iterable
        Names of all arms.
    adaptive : bool, default=False
        Whether the logging policy learned from these very rows, which then stand in the order of
        time.
    least_propensity : float, optional
        The least probability of a pair, such as uniform / n_arms^2 of `FGTSRouter`; by default the
        least in the log.

    Raises
    ------
    DataError
        If an arm is unknown, an outcome or propensity out of range, or rows do not match.

    Examples
    --------
    >>> log = LoggedDuels(np.zeros((2, 1)), [0, 1], [1, 1], [1, 0], [0.25, 0.25], arms=range(2))
    >>> log.n
    2
    """

    X: Any
    first: Any
    second: Any
    outcome: Any
    propensity: Any
    arms: Iterable[Any]
    adaptive: bool = False
    least_propensity: float | None = None

    def __post_init__(self) -> None:
        names = check_arms(self.arms)
        n = np.shape(self.X)[0] if np.ndim(self.X) == 2 else -1
        first = positions_of(self.first, names, "first")
        second = positions_of(self.second, names, "second")
        if not len(first) == len(second) == n:
            raise DataError(
                f"X has shape {np.shape(self.X)}, first {len(first)} rows, second "
                f"{len(second)}; give one row of features and one pair per duel."
            )
        for name, value in (
            ("arms", names),
            ("first", first),
            ("second", second),
            ("outcome", check_outcomes(self.outcome, n)),
            ("propensity", check_propensity(self.propensity, n)),
        ):
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Number of duels."""
        return len(self.first)

    def against(self, arm: int) -> LoggedFeedback:
        """Return the duels as feedback on ordered pairs, rewarded where the other arm won.

        Parameters
        ----------
        arm : int
            Position of the opponent, who wins half of the duels with itself.
        """
        n_arms = len(list(self.arms))
        won = (1.0 + self.outcome) / 2.0
        reward = np.where(self.second == arm, won, 1.0 - won)
        reward = np.where((self.first == arm) & (self.second == arm), 0.5, reward)
        return LoggedFeedback(
            np.asarray(self.X, dtype=np.float64),
            self.first * n_arms + self.second,
            self.propensity,
            reward,
            arms=range(n_arms**2),
            adaptive=self.adaptive,
            least_propensity=self.least_propensity,
        )


@validated()
def win_rate(
    log: LoggedDuels,
    policy: Any,
    against: Any,
    *,
    method: Literal["ips", "snips", "dr"] = "ips",
    model: ArrayLike | None = None,
    level: float = 0.95,
) -> OffPolicyResult:
    """Estimate how often the answers of a policy would be preferred to those of one model.

    A duel of arm a with the opponent b, in either order, counts pi(a | x) / (2 p), p being the
    probability with which its ordered pair was drawn; other duels count nothing. Ties are half a
    win, and so is the opponent's duel with itself, which therefore must be drawn now and then if
    the policy may call it (`FGTSRouter` with `distinct=False` does).

    Parameters
    ----------
    log : LoggedDuels
    policy : DuelingRouter, name of an arm, or array of shape (n, n_arms)
        A router's `predict`, one arm for all queries, or the probabilities of every arm. It must
        not have been trained on these rows.
    against : name of an arm
    method : {"ips", "snips", "dr"}, default="ips"
        Inverse propensities, self-normalised, or doubly robust with `model`.
    model : array of shape (n, n_arms), optional
        Predicted chance of every arm to beat the opponent, of a model that has not seen these
        rows; wanted for "dr".
    level : float, default=0.95

    Returns
    -------
    OffPolicyResult
        The win rate, in [0, 1], with an empirical-likelihood interval.

    Raises
    ------
    DataError
        If an arm is unknown, probabilities do not fit the log, or pairs that the policy needs were
        never drawn.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> first, second = rng.integers(2, size=(2, 800))
    >>> chance = np.where(first > second, 0.8, np.where(first < second, 0.2, 0.5))
    >>> outcome = np.where(rng.random(800) < chance, 1, -1)
    >>> log = LoggedDuels(np.ones((800, 1)), first, second, outcome, [0.25] * 800, arms=range(2))
    >>> result = win_rate(log, 1, against=0)
    >>> bool(result.lower < 0.8 < result.upper)
    True
    """
    opponent = position_of(against, list(log.arms))
    target = _pair_target(_probabilities(log, policy), opponent)
    outcome = None
    if method == "dr":
        if model is None:
            raise DataError(
                "model is missing: give the predicted chance of every arm to beat the opponent, or "
                "method='ips'."
            )
        outcome = _pair_model(_table("model", model, log), opponent)
    feedback = log.against(opponent)
    return off_policy_value(feedback, target, method=method, outcome=outcome, level=level)


def _pair_target(probabilities: Array, opponent: int) -> Array:
    """Return the chances of ordered pairs under the policy against the opponent, (n, n_arms^2)."""
    n, n_arms = probabilities.shape
    target = np.zeros((n, n_arms, n_arms))
    target[:, :, opponent] += probabilities / 2.0
    target[:, opponent, :] += probabilities / 2.0
    return target.reshape(n, -1)


def _pair_model(chance: Array, opponent: int) -> Array:
    """Return the predicted rewards of ordered pairs; only those with the opponent are ever read."""
    n, n_arms = chance.shape
    chance = chance.copy()
    chance[:, opponent] = 0.5
    predicted = np.full((n, n_arms, n_arms), 0.5)
    predicted[:, :, opponent] = chance
    predicted[:, opponent, :] = chance
    return predicted.reshape(n, -1)


def _probabilities(log: LoggedDuels, policy: Any) -> Array:
    names = list(log.arms)
    if isinstance(policy, DuelingRouter):
        return np.eye(len(names))[positions_of(policy.predict(log.X), names, "the policy's choice")]
    if np.ndim(policy) == 0:
        chosen = np.zeros((log.n, len(names)))
        chosen[:, position_of(policy, names)] = 1.0
        return chosen
    table = _table("policy", policy, log)
    off = (table < 0).any(axis=1) | (np.abs(table.sum(axis=1) - 1.0) > _OFF_SUM)
    if off.any():
        raise DataError(
            f"policy holds no probabilities in row {int(np.argmax(off))} ({int(off.sum())} of "
            f"{log.n} rows); give numbers of at least 0 that sum to 1 in every row."
        )
    return table


def _table(name: str, values: Any, log: LoggedDuels) -> Array:
    table = np.asarray(values, dtype=np.float64)
    shape = (log.n, len(list(log.arms)))
    if table.shape != shape or not np.isfinite(table).all():
        raise DataError(
            f"{name} has shape {table.shape}, or values that are not finite; give finite numbers "
            f"of shape {shape}, one per duel and arm."
        )
    return table

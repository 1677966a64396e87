"""What happened when a router was played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.routing.preference_reward import reward_range

if TYPE_CHECKING:
    import pandas as pd

    from bandits.off_policy import LoggedFeedback

__all__ = ["PlayLog"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlayLog:
    """The rounds of a play, in order; see `bandits.play.play`.

    Attributes
    ----------
    arms : tuple
        Names of all arms that there were.
    X : array or DataFrame of shape (n, n_features)
        Contexts.
    task : ndarray of shape (n,) or None
    action : ndarray of shape (n,)
        Names of the arms that were called.
    propensity : ndarray of shape (n,)
        Probability with which each was chosen.
    quality : ndarray of shape (n,)
        Observed outcomes.
    cost, latency : ndarray of shape (n,) or None
    preference : ndarray of shape (n, 2) or, with latencies, (n, 3)
        Weights that each round was played with.
    reward : ndarray of shape (n,)
        w_q q - w_c min(c / tau, 1) (BaRP, equation 1), and less for latency likewise.
    oracle_reward : ndarray of shape (n,)
        That of the best arm which could be called in the round, known in hindsight only.
    cost_cap : float
        tau: the router's ``cost_cap`` or, without one, the largest cost in the replay.
    latency_cap : float
        The same for latencies.
    feedback : ndarray of shape (n,)
        The quality that was reported; it differs from `quality` where feedback is poisoned.
    arrival : ndarray of shape (n,)
        The round after which the feedback arrived; inf where it never did.
    learned : ndarray of bool, shape (n,)
        Whether the router learned from it: not where it never arrived, or its arm was gone.
    """

    arms: tuple[Any, ...]
    X: Any
    task: NDArray[Any] | None
    action: NDArray[Any]
    propensity: Array
    quality: Array
    cost: Array | None
    preference: Array
    reward: Array
    oracle_reward: Array
    cost_cap: float
    feedback: Array
    arrival: Array
    learned: NDArray[np.bool_]
    latency: Array | None = None
    latency_cap: float = 1.0

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.action)

    @property
    def told(self) -> Array:
        """Former name of `feedback`, kept for one release."""
        return self.feedback

    @property
    def regret(self) -> Array:
        """What the oracle got more than the router, shape (n,)."""
        return self.oracle_reward - self.reward

    def cumulative_reward(self) -> Array:
        """Return the reward up to and with every round, shape (n,)."""
        return np.cumsum(self.reward)

    def cumulative_regret(self) -> Array:
        """Return the regret up to and with every round, shape (n,)."""
        return np.cumsum(self.regret)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per round, without the contexts."""
        import pandas as pd

        columns = {
            "task": self.task,
            "action": self.action,
            "propensity": self.propensity,
            "quality": self.quality,
            "cost": self.cost,
            "latency": self.latency,
            "w_quality": self.preference[:, 0],
            "w_cost": self.preference[:, 1],
            "w_latency": None if self.latency is None else self.preference[:, 2],
            "reward": self.reward,
            "oracle_reward": self.oracle_reward,
            "regret": self.regret,
            "arrival": self.arrival,
            "learned": self.learned,
        }
        frame = pd.DataFrame(
            {name: values for name, values in columns.items() if values is not None}
        )
        return frame.rename_axis("round")

    def to_logged(self) -> LoggedFeedback:
        """Return what an operator would have on file, for evaluation off policy.

        These are the rounds whose feedback arrived, with the rewards that were reported, marked as
        adaptive: the router learned from these very rows.

        Raises
        ------
        DataError
            If no feedback arrived.
        """
        from bandits.off_policy import LoggedFeedback

        arrived = self.arrival < self.n_rounds
        reported = self.reward + self.preference[:, 0] * (self.feedback - self.quality)
        return LoggedFeedback(
            np.asarray(self.X, dtype=np.float64)[arrived],
            self.action[arrived],
            self.propensity[arrived],
            reported[arrived],
            arms=self.arms,
            reward_range=reward_range(self.feedback, self.preference),
            adaptive=True,
        )

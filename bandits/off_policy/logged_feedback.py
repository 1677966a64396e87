"""What a deployed router leaves behind: contexts, actions, propensities, rewards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits._arms import check_arms, positions_of
from bandits._validation import check_outcome, check_propensity
from bandits.off_policy._parameters import check_reward_range
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["LoggedFeedback"]


@dataclass(frozen=True)
class LoggedFeedback:
    """Feedback of one or more logging policies, a propensity for every row.

    Parameters
    ----------
    X : array of shape (n, n_features)
        Contexts.
    action : array of shape (n,)
        Names of the arms that were called.
    propensity : array of shape (n,)
        Probability, in (0, 1], with which each action was chosen when it was chosen. Several
        loggers may be mixed.
    reward : array of shape (n,)
        Observed outcome, one finite number per row.
    arms : iterable
        Names of all arms.
    reward_range : pair of float, default=(0, 1)
        Least and largest reward that is possible. With a preference (w_q, w_c) and qualities in
        [0, 1] it is (-w_c, w_q).
    adaptive : bool, default=False
        Whether the logging policy learned from these very rows, which then stand in the order of
        time. They depend on each other, and most intervals are wrong; see `off_policy_value`.
    groups : array of shape (n,), optional
        Rows with one value stay on one side of every fold.
    least_propensity : float, optional
        The least that the logging policy gives an action which the policies to be judged may take,
        such as epsilon / K. It says which rare, heavy rows a short log may lack; by default the
        least in the log.

    Raises
    ------
    DataError
        One sentence: a propensity that is no probability, an unknown arm, a reward that is missing
        or out of its range, rows that do not match.

    Examples
    --------
    >>> log = LoggedFeedback(np.zeros((2, 1)), [0, 1], [0.5, 0.5], [1.0, 0.0], arms=range(2))
    >>> log.n, log.arm.tolist()
    (2, [0, 1])
    """

    X: NDArray[np.float64]
    action: Any
    propensity: NDArray[np.float64]
    reward: NDArray[np.float64]
    arms: Iterable[Any]
    reward_range: tuple[float, float] = (0.0, 1.0)
    adaptive: bool = False
    groups: NDArray[Any] | None = None
    least_propensity: float | None = None

    def __post_init__(self) -> None:
        X = _features(self.X)
        check_reward_range(self.reward_range)
        low, high = self.reward_range
        arms = tuple(check_arms(self.arms))
        arm = positions_of(self.action, arms)
        if len(arm) != len(X):
            raise DataError(f"action has {len(arm)} rows but X has {len(X)}; give one per row.")
        if self.propensity is None:
            raise DataError(
                "propensity is missing; logs without the probabilities of their actions say "
                "nothing of other policies."
            )
        reward = check_outcome("reward", self.reward, len(X))
        outside = (reward < low - 1e-9) | (reward > high + 1e-9)
        if outside.any():
            raise DataError(
                f"reward is {reward[outside][0]:g} in row {int(np.argmax(outside))} "
                f"({int(outside.sum())} of {len(X)} rows lie outside ({low:g}, {high:g})); give "
                "reward_range, the least and the largest reward that is possible."
            )
        if self.groups is not None and np.shape(self.groups) != (len(X),):
            raise DataError(
                f"groups has shape {np.shape(self.groups)} but X has {len(X)} rows; give one per "
                "row."
            )
        if self.groups is not None and self.adaptive:
            raise DataError(
                "groups are given for adaptive logs, whose reward model is fitted on earlier rows "
                "without folds; leave groups out."
            )
        propensity = check_propensity(self.propensity, len(X))
        if self.least_propensity is not None:
            least = float(propensity.min())
            check_parameter(
                "least_propensity", self.least_propensity, lambda value: 0 < value <= least,
                f"a number above 0, at most {least:.10g}, the least in the log",
            )  # fmt: skip
        for name, value in (
            ("X", X),
            ("arms", arms),
            ("arm", arm),
            ("feature_names", tuple(getattr(self.X, "columns", ()))),
            ("propensity", propensity),
            ("reward", reward),
        ):
            object.__setattr__(self, name, value)

    arm: NDArray[np.intp] = field(init=False)
    feature_names: tuple[Any, ...] = field(init=False)

    @property
    def contexts(self) -> Any:
        """X with the names of its columns, where it came as a frame."""
        if not self.feature_names:
            return self.X
        import pandas as pd

        return pd.DataFrame(self.X, columns=list(self.feature_names))

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.X)


def _features(X: Any) -> NDArray[np.float64]:
    try:
        features = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("X holds something that is not a number; give numbers.") from None
    if features.ndim != 2 or not len(features):
        raise DataError(
            f"X has shape {features.shape}; give one row of features per logged action."
        )
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise DataError(
            f"X is NaN or infinite in {int(bad.sum())} of {len(features)} rows (first: row "
            f"{int(np.argmax(bad))}); give finite features, or leave out these rows."
        )
    return features

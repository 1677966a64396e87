"""An interval for a policy's value that may be looked at after every row."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from bandits.off_policy._parameters import check_max_weight, check_reward_range
from metarouter.exceptions import DataError
from metarouter.utils.parameters import LEVEL, check_argument

__all__ = ["ValueSequence"]


@dataclass
class _LowerSequence:
    """Lower bound of a running mean of numbers in [0, 1], valid at all times at once.

    Predictable plug-in empirical Bernstein (Waudby-Smith & Ramdas 2024, theorem 2), one-sided.
    """

    alpha: float
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    bets: float = 0.0
    won: float = 0.0
    price: float = 0.0
    best: float = 0.0

    def update(self, values: np.ndarray[Any, Any]) -> None:
        log_level = np.log(1.0 / self.alpha)
        for value in values.tolist():
            mean = (0.5 + self.total) / (self.n + 1)
            variance = (0.25 + self.squares) / (self.n + 1)
            self.n += 1
            bet = min(np.sqrt(2 * log_level / (variance * self.n * np.log(1 + self.n))), 0.5)
            self.bets += bet
            self.won += bet * value
            self.price += (value - mean) ** 2 * (-np.log1p(-bet) - bet)
            self.total += value
            self.squares += (value - (0.5 + self.total) / (self.n + 1)) ** 2
            # Bounds at all times hold at once, and so does the best of them.
            self.best = max(self.best, (self.won - self.price - log_level) / self.bets)


@dataclass
class ValueSequence:
    """Confidence sequence for the value of a policy, fed with importance weights and rewards.

    With probability `level` the value lies in the interval at every row at once: one may look
    whenever one likes and stop when one has seen enough. It allows for logging policies that learn,
    as long as every weight is at most `max_weight`. The price is width.

    Parameters
    ----------
    reward_range : pair of float
        Least and largest reward that is possible.
    max_weight : float
        Largest importance weight that is possible, known beforehand.
    level : float, default=0.95

    Raises
    ------
    DataError
        If one of them makes no sense.

    References
    ----------
    .. [1] Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.
    .. [2] Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro (2024), Anytime-valid off-policy
       inference for contextual bandits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sequence = ValueSequence((0.0, 1.0), max_weight=2.0)
    >>> for _ in range(10):
    ...     _ = sequence.update(2.0 * rng.integers(2, size=300), rng.random(300) < 0.7)
    >>> lower, upper = sequence.interval()
    >>> bool(lower < 0.7 < upper), bool(upper - lower < 0.25)
    (True, True)
    """

    reward_range: tuple[float, float]
    max_weight: float
    level: float = 0.95
    below: _LowerSequence = field(init=False)
    above: _LowerSequence = field(init=False)

    def __post_init__(self) -> None:
        check_reward_range(self.reward_range)
        check_max_weight(self.max_weight)
        check_argument("level", self.level, [LEVEL])
        half = (1.0 - self.level) / 2.0
        self.below, self.above = _LowerSequence(half), _LowerSequence(half)

    def update(self, weight: ArrayLike, reward: ArrayLike) -> Self:
        """Take in new rows, in the order in which they came.

        Raises
        ------
        DataError
            If a weight exceeds `max_weight` or a reward leaves its range; nothing is taken in.
        """
        weights, rewards = np.atleast_1d(weight).astype(float), np.atleast_1d(reward).astype(float)
        if weights.ndim != 1 or weights.shape != rewards.shape:
            raise DataError(
                f"weight has shape {weights.shape} but reward {rewards.shape}; give both for every "
                "row."
            )
        low, high = self.reward_range
        if not ((weights >= 0) & (weights <= self.max_weight * (1 + 1e-9))).all():
            raise DataError(
                f"A weight lies outside [0, {self.max_weight:g}]; give the largest weight that is "
                "possible as max_weight."
            )
        if not ((rewards >= low - 1e-9) & (rewards <= high + 1e-9)).all():
            raise DataError(f"A reward lies outside [{low:g}, {high:g}]; give reward_range.")
        scale = self.max_weight * (high - low)
        self.below.update(weights * (rewards - low) / scale)
        self.above.update(weights * (high - rewards) / scale)
        return self

    def interval(self) -> tuple[float, float]:
        """Return the bounds that hold now; they only ever draw closer.

        Raises
        ------
        DataError
            If no value in the range is left.
        """
        low, high = self.reward_range
        scale = self.max_weight * (high - low)
        lower, upper = low + scale * self.below.best, high - scale * self.above.best
        if lower > min(upper, high) or upper < low:
            raise DataError(
                f"No constant value in [{low:g}, {high:g}] is left (lower bound {lower:.3g}, upper "
                f"bound {upper:.3g}), which chance brings about with probability "
                f"{1 - self.level:.2g} at most: the policy's value has changed over the "
                f"{self.below.n} rows, or the weights are not those of the logged actions; begin "
                "anew after the change, or check the propensities."
            )
        return lower, upper

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on later, as plain numbers."""
        return asdict(self)

    @classmethod
    def resume(cls, state: dict[str, Any]) -> ValueSequence:
        """Go on from what `state` returned."""
        sequence = cls(tuple(state["reward_range"]), state["max_weight"], state["level"])
        sequence.below = _LowerSequence(**state["below"])
        sequence.above = _LowerSequence(**state["above"])
        return sequence

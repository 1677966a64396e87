"""Whether a challenger should take the place of the policy in use, decided at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.off_policy._checks import check_overlap, probabilities_of
from bandits.off_policy.confidence_sequence import ValueSequence
from bandits.off_policy.logged_feedback import LoggedFeedback
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import new_axes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Promotion", "promotion"]

_POINTS = 200


@dataclass(frozen=True)
class Promotion(Printed):
    """What the log says so far of a challenger against the policy in use.

    Attributes
    ----------
    decision : {"promote", "keep", "wait"}
        Promote where the lower bound of the difference is above 0, keep what is in use where the
        upper bound is below 0, else wait.
    difference, se : float
        Mean reward of the challenger minus that of the incumbent, by inverse propensities, and its
        standard error.
    lower, upper : float
        Bounds of the difference that hold at all rows at once.
    level : float
    n : int
        Rows of the log.
    decided_at : int or None
        The row after which the decision stood; None while it is "wait".
    rows, lowers, uppers : ndarray
        The bounds after some of the rows.
    against_log : bool
        Whether the incumbent is the policy that logged.
    """

    decision: Literal["promote", "keep", "wait"]
    difference: float
    se: float
    lower: float
    upper: float
    level: float
    n: int
    decided_at: int | None
    rows: NDArray[np.intp]
    lowers: NDArray[np.float64]
    uppers: NDArray[np.float64]
    against_log: bool

    def to_frame(self) -> pd.DataFrame:
        """Return one row with the decision, the difference and its bounds."""
        import pandas as pd

        return pd.DataFrame(
            {
                "decision": [self.decision],
                "difference": [self.difference],
                "se": [self.se],
                "ci_low": [self.lower],
                "ci_high": [self.upper],
                "n": [self.n],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the bounds of the difference over the rows of the log.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=3.2)
        ax.fill_between(self.rows, self.lowers, self.uppers, alpha=0.25, linewidth=0)
        ax.axhline(0.0, color="#7F7F7F", linewidth=0.9, linestyle="--")
        ax.set_xlabel("rows of the log")
        ax.set_ylabel("challenger minus incumbent")
        return ax

    def _title(self) -> str:
        return "Challenger against the policy in use, off policy"

    def _facts(self) -> dict[str, str]:
        return {
            "incumbent": "the policy that logged" if self.against_log else "another policy",
            "interval": f"confidence sequence, level {self.level:g}, valid at every row at once",
            "rows": f"{self.n}",
            "decision": self.decision,
        }

    def _notes(self) -> tuple[str, ...]:
        return ()


@validated()
def promotion(
    log: LoggedFeedback,
    challenger: Any,
    incumbent: Any = None,
    *,
    level: float = 0.95,
    preference: ArrayLike | None = None,
) -> Promotion:
    """Decide whether a challenger should take the place of the policy in use.

    Parameters
    ----------
    log : LoggedFeedback
        In the order of time. Its `least_propensity` must have been known beforehand: it says how
        large a weight can be.
    challenger : router or array of shape (n, n_arms)
        Not trained on these rows.
    incumbent : router or array of shape (n, n_arms), optional
        By default the policy that logged, which must not have learned meanwhile.
    level : float, default=0.95
        Probability with which neither a worse challenger is ever promoted nor a better one turned
        down, however often one looks.
    preference : pair, optional
        Handed to the routers.

    Returns
    -------
    Promotion

    Raises
    ------
    DataError
        If policies do not match the log, or the log is adaptive and no incumbent is given.

    Notes
    -----
    With weights w = policy / propensity, the rows d = (w_challenger - w_incumbent) (r - c) have the
    difference of the two values as their mean, given all rows before, for every constant c, since
    the difference of the weights has mean 0. With c in the middle of the range of rewards |d| is at
    most half of that range over the least propensity, and the confidence sequence of
    `ValueSequence` bounds its mean at all rows at once.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> action = rng.integers(2, size=3000)
    >>> reward = rng.random(3000) < 0.4 + 0.3 * action
    >>> log = LoggedFeedback(np.ones((3000, 1)), action, np.full(3000, 0.5), reward, arms=(0, 1))
    >>> promotion(log, np.tile([0.0, 1.0], (3000, 1))).decision
    'promote'
    >>> promotion(log, np.tile([1.0, 0.0], (3000, 1))).decision
    'keep'
    """
    if incumbent is None and log.adaptive:
        raise DataError(
            "The policy that logged was learning meanwhile, so that it has no one value; name the "
            "incumbent that the challenger is compared with."
        )
    weights = [
        _weights(log, policy, preference, called)
        for called, policy in (("challenger", challenger), ("incumbent", incumbent))
    ]
    low, high = log.reward_range
    least = log.least_propensity or float(log.propensity.min())
    bound = (high - low) / 2 / least
    rows = (weights[0] - weights[1]) * (log.reward - (low + high) / 2)
    sequence, decided = ValueSequence((-bound, bound), 1.0, level), None
    lowers, uppers = np.empty(log.n), np.empty(log.n)
    for k, value in enumerate(rows):
        sequence.update([1.0], [value])
        lowers[k] = -bound + 2 * bound * sequence.below.best
        uppers[k] = bound - 2 * bound * sequence.above.best
        if decided is None and (lowers[k] > 0 or uppers[k] < 0):
            decided = k + 1
    lower, upper = sequence.interval()
    shown = np.unique(np.linspace(0, log.n - 1, min(_POINTS, log.n)).astype(np.intp))
    return Promotion(
        decision="promote" if lower > 0 else "keep" if upper < 0 else "wait",
        difference=float(rows.mean()),
        se=float(rows.std(ddof=1) / np.sqrt(log.n)),
        lower=lower,
        upper=upper,
        level=level,
        n=log.n,
        decided_at=decided,
        rows=shown + 1,
        lowers=lowers[shown],
        uppers=uppers[shown],
        against_log=incumbent is None,
    )


def _weights(
    log: LoggedFeedback, policy: Any, preference: ArrayLike | None, called: str
) -> NDArray[np.float64]:
    if policy is None:
        return np.ones(log.n)
    target = probabilities_of(log, policy, preference, called)
    check_overlap(log, target)
    return np.asarray(target[np.arange(log.n), log.arm] / log.propensity)

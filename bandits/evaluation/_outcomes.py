"""The outcomes that routers are judged by, and what each router chose, checked at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import positions_of
from bandits._caps import caps_of, check_caps
from bandits._logs import Logs, check_logs
from bandits._ties import tied_for_best
from bandits._validation import check_matrix, check_preference
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import off_simplex

__all__ = ["Outcomes", "action_probability", "check_outcomes", "oracle_probability"]

FloatArray = NDArray[np.float64]


class Outcomes(NamedTuple):
    """Validated outcomes of every arm on every query, and the reward's settings."""

    logs: Logs
    preference: FloatArray  # (2,) or (n, 2); with latencies 3
    caps: list[float]


def check_outcomes(
    quality: ArrayLike,
    cost: ArrayLike | None,
    latency: ArrayLike | None,
    arms: Sequence[Any] | None,
    preference: ArrayLike | None,
    cost_cap: float | None,
    latency_cap: float | None,
) -> Outcomes:
    """Return finite outcomes with names, or say what is wrong with them."""
    logs = check_logs(quality, cost, latency, arms)
    for name, position in (("quality", 0), ("cost", 1), ("latency", 2))[: logs.n_outcomes]:
        _require_complete(name, logs.outcomes[:, :, position])
    check_caps(cost_cap, latency_cap)
    return Outcomes(
        logs,
        check_preference(preference, len(logs.outcomes), logs.n_outcomes),
        caps_of((cost_cap, latency_cap), logs.outcomes),
    )


def action_probability(name: str, router: Any, X: Any, outcomes: Outcomes) -> FloatArray:
    """Probability of every arm on every query, of shape (n, n_arms)."""
    shape = outcomes.logs.quality.shape
    if hasattr(router, "predict"):
        if X is None:
            raise DataError(f"The router {name!r} must be asked, but X is None: give the features.")
        try:
            router = router.predict(X, preference=outcomes.preference)
        except DataError as error:
            raise DataError(f"The router {name!r} does not fit: {error}") from None
    chosen = np.asarray(router)
    if chosen.shape == shape:
        return _probabilities(name, chosen)
    if chosen.shape != shape[:1]:
        raise DataError(
            f"The choices of {name!r} have shape {chosen.shape}, but there are {shape[0]} queries "
            f"and {shape[1]} arms: give one arm, or one probability per arm, for each query."
        )
    try:
        return np.eye(shape[1])[positions_of(chosen, outcomes.logs.arms)]
    except DataError as error:
        raise DataError(f"The choices of {name!r} do not fit: {error}") from None


def oracle_probability(rewards: FloatArray, cost: FloatArray | None) -> FloatArray:
    """Choice of whoever knows every reward: the highest, and of equals the cheapest.

    Parameters
    ----------
    rewards, cost : ndarray of shape (n, n_arms)

    Returns
    -------
    ndarray of shape (n, n_arms)
        One 1 per row.
    """
    best = tied_for_best(rewards)
    price = np.zeros_like(rewards) if cost is None else cost
    return np.eye(rewards.shape[1])[np.where(best, price, np.inf).argmin(axis=1)]


def _probabilities(name: str, chosen: NDArray[Any]) -> FloatArray:
    probability = check_matrix(f"The probability of {name!r}", chosen, None)
    wrong = off_simplex(probability)
    if wrong.any():
        raise DataError(
            f"The probabilities of {name!r} are negative or do not add up to 1 in "
            f"{int(wrong.sum())} of {len(wrong)} rows: give one distribution per query."
        )
    return probability


def _require_complete(name: str, matrix: FloatArray) -> None:
    missing = int(np.isnan(matrix).any(axis=1).sum())
    if missing or not len(matrix):
        raise DataError(
            f"{name} is NaN in {missing} of {len(matrix)} rows: a table needs the outcome of every "
            "arm on at least one query; judge logs of chosen arms with bandits.off_policy."
        )

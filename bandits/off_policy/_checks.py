"""The promises that a log and a policy must keep before one is judged by the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from bandits.off_policy import _estimators as formulas
from bandits.off_policy._empirical_likelihood import price_of_known_means
from bandits.off_policy._evidence import largest_weight
from bandits.off_policy._known_means import known_of_weights
from bandits.off_policy.logged_feedback import LoggedFeedback
from metarouter.exceptions import DataError

__all__ = ["check_overlap", "choose_interval", "probabilities_of"]

Array = NDArray[np.float64]

# The intervals of every estimate; the first is the default.
INTERVALS = {
    "dr": ("empirical_likelihood", "cressie_read", "normal", "bootstrap"),
    "stabilised": ("normal",),
    "ips": ("empirical_likelihood", "cressie_read", "normal", "bootstrap", "confidence_sequence"),
    "snips": ("empirical_likelihood", "cressie_read", "normal", "bootstrap"),
    "dm": ("normal", "bootstrap"),
    "switch": ("normal", "bootstrap"),
    "shrinkage": ("normal", "bootstrap"),
}
# Those that allow for rows which depend on each other because the logging policy learned from them.
INTERVALS_OF_ADAPTIVE_LOGS = {
    "dr": ("empirical_likelihood",),
    "stabilised": ("normal",),
    "ips": ("empirical_likelihood", "confidence_sequence"),
    "snips": ("empirical_likelihood",),
}
# Weights that average 1, up to a largest one that is known, contradict it so much once in a million
# logs.
CONTRADICTION = float(chi2.ppf(1 - 1e-6, 1))


def choose_interval(log: LoggedFeedback, method: str, interval: str) -> str:
    """Return the interval that is meant.

    Raises
    ------
    DataError
        If the method or the interval is unknown, or they or the log do not go together.
    """
    if not isinstance(method, str) or method not in INTERVALS:
        raise DataError(f"method is {method!r}; choose one of {', '.join(INTERVALS)}.")
    every = dict.fromkeys(name for names in INTERVALS.values() for name in names)
    if not isinstance(interval, str) or interval not in ("auto", *every):
        raise DataError(f"interval is {interval!r}; choose one of auto, {', '.join(every)}.")
    possible = INTERVALS[method]
    if log.adaptive:
        valid = INTERVALS_OF_ADAPTIVE_LOGS.get(method, ())
        if not valid or interval not in ("auto", *valid):
            raise DataError(
                "The logging policy learned from these rows, which makes them depend on each other "
                f"and {method!r} with the interval {interval!r} over-confident; use 'dr' or 'ips' "
                "with 'empirical_likelihood', 'ips' with 'confidence_sequence', or 'stabilised' "
                "with 'normal'."
            )
        possible = valid
    if interval == "auto":
        return possible[0]
    if interval not in possible:
        raise DataError(
            f"The interval {interval!r} is not one of {method!r}; choose one of "
            f"{', '.join(possible)}."
        )
    return interval


def probabilities_of(log: LoggedFeedback, policy: Any, preference: ArrayLike | None) -> Array:
    """Return the probabilities with which a policy calls every arm, shape (n, n_arms).

    Raises
    ------
    DataError
        If arms or shape differ from those of the log, or rows are no probabilities.
    """
    if log.n < 2:
        raise DataError("The log has 1 row, which says nothing of chance; give at least 2.")
    arms = list(log.arms)
    if hasattr(policy, "predict_proba"):
        options = {} if preference is None else {"preference": preference}
        X = log.contexts if hasattr(policy, "feature_names_in_") else log.X
        given = policy.predict_proba(X, **options)
        if list(getattr(policy, "arms_", arms)) != arms:
            raise DataError(
                f"The policy has the arms {policy.arms_}, the log {arms}; give both the same arms "
                "in the same order."
            )
    else:
        given = policy
    try:
        target = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"The policy is a {type(policy).__name__}; give a router with predict_proba, or one "
            "probability per row and arm."
        ) from None
    if target.shape != (log.n, len(arms)):
        raise DataError(
            f"The policy gives probabilities of shape {target.shape}, but the log has {log.n} rows "
            f"and {len(arms)} arms; give one probability per row and arm."
        )
    wrong = ~((target >= -1e-12).all(axis=1) & (np.abs(target.sum(axis=1) - 1.0) <= 1e-6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"The policy's probabilities are negative, NaN or do not sum to 1 in {int(wrong.sum())}"
            f" of {log.n} rows (first: row {row}, sum {target[row].sum():g})."
        )
    return np.maximum(target, 0.0)


def check_overlap(log: LoggedFeedback, target: Array) -> None:
    """Refuse logs that cannot show what the policy would do.

    Raises
    ------
    DataError
        If an action of the policy was impossible when the row was logged, none of its actions was
        ever taken, or the weights do not average 1.
    """
    of_action = target[np.arange(log.n), log.arm]
    impossible = (log.propensity >= 1 - 1e-12) & (of_action < 1 - 1e-6)
    if impossible.any():
        raise DataError(
            f"{int(impossible.sum())} of {log.n} rows were logged with propensity 1 although the "
            f"policy may call another arm there (first: row {int(np.argmax(impossible))}): what "
            "could never be called says nothing of the policy's value; log with a router that "
            "explores, as EpsilonGreedy, LinTS or SquareCB do."
        )
    weight = formulas.importance_weights(target, log.arm, log.propensity)
    if not weight.any():
        raise DataError(
            f"None of the {log.n} logged actions is one that the policy would take; collect logs "
            "that explore more."
        )
    ratio = price_of_known_means(known_of_weights(weight, largest_weight(log)))
    if ratio > CONTRADICTION:
        raise DataError(
            f"The importance weights average {weight.mean():.3g} over {log.n} rows where 1 is "
            f"expected (likelihood ratio {ratio:.0f}, limit {CONTRADICTION:.0f}): propensities are "
            "not those of the logged actions, or arms that the policy calls could not be called; "
            "check how they were logged, or give least_propensity where the log lacks rarer "
            "actions."
        )

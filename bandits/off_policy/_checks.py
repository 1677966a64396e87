"""Checks of a log and of a policy that is judged by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from bandits.off_policy import _estimators as formulas
from bandits.off_policy._empirical_likelihood import divergence_of_constraints
from bandits.off_policy._evidence import LARGEST_WEIGHT, largest_weight
from bandits.off_policy._moment_constraints import constraints_of_weights
from bandits.off_policy.logged_feedback import LoggedFeedback
from metarouter.exceptions import DataError
from metarouter.utils.features import as_floats

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
# Attributes under which estimators hold the one that they wrap.
_WRAPPED = ("best_estimator_", "estimator_", "estimator")
_WRAPPERS = 20
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
        If the method, the interval and the log do not go together.
    """
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


def probabilities_of(
    log: LoggedFeedback, policy: Any, preference: ArrayLike | None, called: str = "policy"
) -> Array:
    """Return the probabilities with which a policy calls every arm, shape (n, n_arms).

    A policy that names its arms, whatever it is wrapped in, is read by name: `arms_` of the router
    in a pipeline, a search or a frozen estimator, else the `classes_` of a classifier. An arm of
    the log that it does not know has probability 0. One that names none is read by position.

    Raises
    ------
    DataError
        If the policy knows an arm that the log does not, shapes differ, or rows are no
        probabilities.
    """
    if log.n < 2:
        raise DataError("The log has 1 row, which says nothing of chance; give at least 2.")
    arms, names = list(log.arms), None
    if hasattr(policy, "predict_proba"):
        options = {} if preference is None else {"preference": preference}
        X = log.contexts if hasattr(policy, "feature_names_in_") else log.X
        given = policy.predict_proba(X, **options)
        names = _names_of_columns(policy)
    else:
        given = policy
    target = as_floats(
        called,
        given,
        f"{called} is a {type(policy).__name__}; give a router with predict_proba, or one "
        "probability per row and arm.",
    )
    if names is not None:
        target = _by_name(target, names, arms, called)
    if target.shape != (log.n, len(arms)):
        raise DataError(
            f"{called} gives probabilities of shape {target.shape}, but the log has {log.n} rows "
            f"and {len(arms)} arms; give one probability per row and arm."
        )
    wrong = ~((target >= -1e-12).all(axis=1) & (np.abs(target.sum(axis=1) - 1.0) <= 1e-6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{called} has probabilities that are negative, NaN or do not sum to 1 in "
            f"{int(wrong.sum())} of {log.n} rows (first: row {row}, sum {target[row].sum():g})."
        )
    return np.maximum(target, 0.0)


def _names_of_columns(policy: Any) -> list[Any] | None:
    """Return what the columns of a policy's probabilities stand for, None where it does not say."""
    inner = policy
    for _ in range(_WRAPPERS):
        if hasattr(inner, "arms_"):
            return list(inner.arms_)
        if hasattr(inner, "steps"):
            inner = inner.steps[-1][1]
            continue
        name = next((name for name in _WRAPPED if hasattr(inner, name)), None)
        if name is None:
            break
        inner = getattr(inner, name)
    classes = getattr(policy, "classes_", None)
    return None if classes is None else np.asarray(classes).tolist()


def _by_name(target: Array, names: list[Any], arms: list[Any], called: str) -> Array:
    """Return probabilities with one column per arm of the log, in its order.

    Raises
    ------
    DataError
    """
    position = {arm: k for k, arm in enumerate(arms)}
    unknown = [name for name in names if name not in position]
    if unknown:
        raise DataError(
            f"{called} knows the arm {unknown[0]!r}, the log has {', '.join(map(repr, arms))}: "
            "name the arms of both alike."
        )
    if target.ndim != 2 or target.shape[1] != len(names):
        raise DataError(
            f"{called} gives probabilities of shape {target.shape} for {len(names)} arms; give one "
            "per row and arm."
        )
    mapped = np.zeros((len(target), len(arms)))
    mapped[:, [position[name] for name in names]] = target
    return mapped


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
    with np.errstate(over="ignore"):
        weight = formulas.importance_weights(target, log.arm, log.propensity)
    too_large = weight > LARGEST_WEIGHT
    if too_large.any():
        row = int(np.argmax(too_large))
        raise DataError(
            f"The propensity is {log.propensity[row]:g} in row {row} ({int(too_large.sum())} of "
            f"{log.n} rows), so small that its weight says nothing: leave such rows out, or log "
            "the probability with which the action was chosen."
        )
    if not weight.any():
        raise DataError(
            f"None of the {log.n} logged actions is one that the policy would take; collect logs "
            "that explore more."
        )
    ratio = divergence_of_constraints(constraints_of_weights(weight, largest_weight(log)))
    if ratio > CONTRADICTION:
        raise DataError(
            f"The importance weights average {weight.mean():.3g} over {log.n} rows where 1 is "
            f"expected (likelihood ratio {ratio:.0f}, limit {CONTRADICTION:.0f}): propensities are "
            "not those of the logged actions, or arms that the policy calls could not be called; "
            "check how they were logged, or give least_propensity where the log lacks rarer "
            "actions."
        )

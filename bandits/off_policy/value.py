"""The value of a policy that was not deployed, from the logs of one that was."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from bandits.off_policy import _estimators as formulas
from bandits.off_policy._intervals import bounds
from bandits.off_policy._outcome_model import cross_fitted_rewards
from bandits.off_policy.logged_feedback import LoggedFeedback
from bandits.off_policy.result import FewEffectiveRowsWarning, OffPolicyResult
from metarouter.exceptions import DataError

__all__ = ["compare_policies", "off_policy_value"]

Array = NDArray[np.float64]
Method = Literal["dr", "ips", "snips", "dm", "switch", "shrinkage"]
Interval = Literal["auto", "empirical_likelihood", "normal", "bootstrap", "confidence_sequence"]
METHODS = ("dr", "ips", "snips", "dm", "switch", "shrinkage")
INTERVALS = ("auto", "empirical_likelihood", "normal", "bootstrap", "confidence_sequence")

# Below this many effective rows no interval of this module was seen to be reliable and useful.
FEW_EFFECTIVE_ROWS = 50


def off_policy_value(
    log: LoggedFeedback,
    policy: Any,
    *,
    method: Method = "dr",
    interval: Interval = "auto",
    level: float = 0.95,
    preference: ArrayLike | None = None,
    outcome: Any = None,
    cv: int = 5,
    cut: float | None = None,
    random_state: int = 0,
) -> OffPolicyResult:
    """Estimate the mean reward that a policy would have had.

    Parameters
    ----------
    log : LoggedFeedback
    policy : router with `predict_proba`, or array of shape (n, n_arms)
        Probabilities with which the policy calls every arm in the logged contexts.
    method : {"dr", "ips", "snips", "dm", "switch", "shrinkage"}
        Doubly robust with a cross-fitted reward model (default), inverse propensities, the same
        self-normalised, the reward model alone, doubly robust with weights above `cut` left out,
        or shrunk towards zero.
    interval : {"auto", "empirical_likelihood", "normal", "bootstrap", "confidence_sequence"}
        "auto" is empirical likelihood, about the doubly robust scores for "dr" and about w r for
        "ips" and "snips"; normal for the methods with a bias that no interval knows of; and the
        confidence sequence for adaptive logs.
    level : float, default=0.95
    preference : pair, optional
        Handed to the router's `predict_proba`.
    outcome : regressor, optional
        Reward model per arm; ridge by default.
    cv : int, default=5
    cut : float, optional
        Threshold of "switch", strength of "shrinkage"; by default the root of n, and n.
    random_state : int

    Returns
    -------
    OffPolicyResult

    Raises
    ------
    DataError
        If probabilities do not match the log, or an interval is asked for that adaptive logs make
        invalid: rows are then dependent, and only the confidence sequence allows for it
        (Bibaut et al. 2021 show that the usual intervals fail).

    Warns
    -----
    FewEffectiveRowsWarning
        If fewer than 50 rows' worth of weight bears on the policy.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> action = rng.integers(2, size=500)
    >>> reward = rng.random(500) < 0.4 + 0.2 * action
    >>> log = LoggedFeedback(np.ones((500, 1)), action, np.full(500, 0.5), reward, arms=(0, 1))
    >>> result = off_policy_value(log, np.tile([0.0, 1.0], (500, 1)))
    >>> bool(result.lower < 0.6 < result.upper)
    True
    """
    _check_choices(method, interval, level)
    target = _probabilities(log, policy, preference)
    kind = _interval_for(log, method, interval)
    weight = formulas.importance_weights(target, log.arm, log.propensity)
    scores = _scores(log, target, weight, method, outcome, cv, cut, random_state)
    value, se = formulas.mean_and_error(scores)
    lower, upper = bounds(log, weight, scores, method, kind, level, random_state)
    effective = formulas.effective_sample_size(weight)
    if effective < FEW_EFFECTIVE_ROWS:
        warnings.warn(
            f"Only {effective:.0f} effective rows of {log.n} bear on this policy: the logs hardly "
            "ever do what it would do. Collect logs that explore more, or judge a policy closer "
            "to the one that logged.",
            FewEffectiveRowsWarning,
            stacklevel=2,
        )
    low, high = log.reward_range
    return OffPolicyResult(
        value, se, max(lower, low), min(upper, high), level, log.n, effective, method, kind
    )


def compare_policies(
    log: LoggedFeedback,
    first: Any,
    second: Any,
    *,
    level: float = 0.95,
    preference: ArrayLike | None = None,
    outcome: Any = None,
    cv: int = 5,
    random_state: int = 0,
) -> OffPolicyResult:
    """Estimate the mean reward of one policy minus that of another, paired row by row.

    Parameters
    ----------
    log : LoggedFeedback
        Not adaptive.
    first, second : router or array of shape (n, n_arms)
    level, preference, outcome, cv, random_state
        As in `off_policy_value`.

    Returns
    -------
    OffPolicyResult
        Doubly robust difference with a normal interval; the effective sample size is that of the
        rows on which the two policies differ.
    """
    _check_choices("dr", "normal", level)
    _interval_for(log, "dr", "normal")
    targets = [_probabilities(log, policy, preference) for policy in (first, second)]
    predicted = cross_fitted_rewards(log, outcome, cv, random_state)
    weights = [formulas.importance_weights(t, log.arm, log.propensity) for t in targets]
    of_action = predicted[np.arange(log.n), log.arm]
    one, other = (
        formulas.dr_scores(w, log.reward, formulas.dm_scores(t, predicted), of_action)
        for w, t in zip(weights, targets, strict=True)
    )
    value, se = formulas.mean_and_error(one - other)
    reach = norm.ppf(0.5 + level / 2) * se
    width = log.reward_range[1] - log.reward_range[0]
    effective = formulas.effective_sample_size(np.abs(weights[0] - weights[1]))
    return OffPolicyResult(
        value, se, max(value - reach, -width), min(value + reach, width), level, log.n, effective,
        "dr difference", "normal",
    )  # fmt: skip


def _check_choices(method: str, interval: str, level: float) -> None:
    if method not in METHODS:
        raise DataError(f"method is {method!r}; choose one of {', '.join(METHODS)}.")
    if interval not in INTERVALS:
        raise DataError(f"interval is {interval!r}; choose one of {', '.join(INTERVALS)}.")
    if not 0 < level < 1:
        raise DataError(f"level is {level!r}; give a number between 0 and 1.")


def _interval_for(log: LoggedFeedback, method: str, interval: str) -> str:
    if log.adaptive:
        if interval in ("auto", "confidence_sequence") and method == "ips":
            return "confidence_sequence"
        raise DataError(
            "The logging policy learned from these rows, which makes them dependent and "
            f"{method!r} with the interval {interval!r} over-confident; use method='ips' with the "
            "interval 'confidence_sequence', which allows for it."
        )
    if interval == "auto":
        return "empirical_likelihood" if method in ("dr", "ips", "snips") else "normal"
    if interval == "empirical_likelihood" and method not in ("dr", "ips", "snips"):
        raise DataError(f"Empirical likelihood needs 'dr', 'ips' or 'snips', not {method!r}.")
    if interval == "confidence_sequence" and method != "ips":
        raise DataError(f"The confidence sequence is about 'ips', not {method!r}.")
    return interval


def _probabilities(log: LoggedFeedback, policy: Any, preference: ArrayLike | None) -> Array:
    if hasattr(policy, "predict_proba"):
        options = {} if preference is None else {"preference": preference}
        target = policy.predict_proba(log.X, **options)
        if list(getattr(policy, "arms_", log.arms)) != list(log.arms):
            raise DataError(
                f"The policy has the arms {policy.arms_}, the log {list(log.arms)}; give both the "
                "same arms in the same order."
            )
    else:
        target = np.asarray(policy, dtype=np.float64)
    if target.shape != (log.n, len(tuple(log.arms))):
        raise DataError(
            f"The policy gives probabilities of shape {target.shape}, but the log has {log.n} rows "
            f"and {len(tuple(log.arms))} arms; give one probability per row and arm."
        )
    if not ((target >= -1e-12).all() and np.allclose(target.sum(axis=1), 1.0, atol=1e-6)):
        raise DataError("The policy's probabilities are negative or do not sum to 1 in every row.")
    return np.asarray(target)


def _scores(
    log: LoggedFeedback,
    target: Array,
    weight: Array,
    method: str,
    outcome: Any,
    cv: int,
    cut: float | None,
    seed: int,
) -> Array:
    if method == "ips":
        return formulas.ips_scores(weight, log.reward)
    if method == "snips":
        return formulas.snips_scores(weight, log.reward)
    predicted = cross_fitted_rewards(log, outcome, cv, seed)
    expected = formulas.dm_scores(target, predicted)
    if method == "dm":
        return expected
    if method == "switch":
        weight = formulas.switch_weights(weight, np.sqrt(log.n) if cut is None else cut)
    elif method == "shrinkage":
        weight = formulas.shrunk_weights(weight, float(log.n) if cut is None else cut)
    of_action = predicted[np.arange(log.n), log.arm]
    return formulas.dr_scores(weight, log.reward, expected, of_action)

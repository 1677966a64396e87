"""The value of a policy that was not deployed, from the logs of one that was."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.off_policy import _estimators as formulas
from bandits.off_policy import _intervals as intervals
from bandits.off_policy._checks import check_overlap, choose_interval, probabilities_of
from bandits.off_policy._evidence import Evidence, evidence_on
from bandits.off_policy._outcome_model import fitted_rewards
from bandits.off_policy._stabilised import stabilised_mean_and_error, stabilising_weights
from bandits.off_policy.logged_feedback import LoggedFeedback
from bandits.off_policy.result import OffPolicyResult, warn_of_few_effective_rows
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import NUMBERS, REGRESSOR, number

__all__ = ["off_policy_value"]

Array = NDArray[np.float64]
Method = Literal["dr", "stabilised", "ips", "snips", "dm", "switch", "shrinkage"]
Interval = Literal[
    "auto", "empirical_likelihood", "cressie_read", "normal", "bootstrap", "confidence_sequence"
]


@validated(outcome=[REGRESSOR, NUMBERS, None], cut=[number(above=0), None])
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
        Probabilities with which the policy calls every arm in the logged contexts. It must not have
        been trained on these rows.
    method : {"dr", "stabilised", "ips", "snips", "dm", "switch", "shrinkage"}
        Doubly robust (default), the same with weights that keep the variance steady while the
        logging policy learns (Bibaut et al. 2021), inverse propensities, the same self-normalised,
        the reward model alone, doubly robust with weights above `cut` left out, or shrunk towards
        zero. The reward model is cross-fitted; in adaptive logs it is fitted on earlier rows.
    interval : {"auto", "empirical_likelihood", "cressie_read", "normal", "bootstrap", \
            "confidence_sequence"}
        "auto" is empirical likelihood for "dr", "ips" and "snips", else normal. Cressie-Read is the
        closed form of the same idea, wider; the confidence sequence ("ips") holds at all times at
        once. Normal and bootstrap are over-confident where few effective rows bear on the policy,
        and know nothing of the bias of "dm", "switch" and "shrinkage".
    level : float, default=0.95
    preference : pair, optional
        Handed to the router's `predict_proba`.
    outcome : regressor or array of shape (n, n_arms), optional
        Reward model per arm, ridge by default; or what `fitted_rewards` returned, to be shared.
    cv : int, default=5
        Folds of the reward model.
    cut : float, optional
        Threshold of "switch", strength of "shrinkage"; by default the root of n, and n.
    random_state : int

    Returns
    -------
    OffPolicyResult

    Raises
    ------
    DataError
        If probabilities do not match the log; if an action of the policy could not be logged, which
        the weights give away (a row of propensity 1 where the policy may do otherwise, or a mean
        that is not 1); or if adaptive logs make the method or interval invalid.

    Warns
    -----
    FewEffectiveRowsWarning
        If fewer than `FEW_EFFECTIVE_ROWS` rows' worth of weight bears on the policy.

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
    kind = choose_interval(log, method, interval)
    target = probabilities_of(log, policy, preference)
    if method != "dm":
        check_overlap(log, target)
    modelled = method not in ("ips", "snips")
    predicted = fitted_rewards(log, outcome, cv, random_state) if modelled else None
    evidence = evidence_on(log, target, predicted)
    weight, scores = evidence.weight, _scores(evidence, method, cut)
    value, se = formulas.mean_and_error(scores)
    if method == "stabilised":
        stabilised = stabilising_weights(weight, target.shape[1])
        value, se = stabilised_mean_and_error(scores, stabilised)
        weight = stabilised * weight
    if kind == "empirical_likelihood":
        lower, upper = intervals.likelihood_bounds(evidence, level)
    elif kind == "cressie_read":
        lower, upper = intervals.cressie_read_bounds(evidence, scores, level)
    elif kind == "confidence_sequence":
        lower, upper = intervals.sequence_bounds(evidence, level)
    elif kind == "bootstrap":
        lower, upper = intervals.bootstrap(
            evidence, scores, level, random_state, self_normalised=method == "snips"
        )
    else:
        lower, upper = intervals.normal_bounds(value, se, level)
    low, high = log.reward_range
    return warn_of_few_effective_rows(
        OffPolicyResult(
            value=value,
            se=se,
            lower=min(max(lower, low), high),
            upper=max(min(upper, high), low),
            level=level,
            n=log.n,
            effective_sample_size=formulas.effective_sample_size(weight),
            method=method,
            interval=kind,
            logged=float(log.reward.mean()),
            adaptive=log.adaptive,
        )
    )


def _scores(evidence: Evidence, method: str, cut: float | None) -> Array:
    """Return the scores whose mean is the estimate, shape (n,)."""
    weight, n = evidence.weight, len(evidence.weight)
    if method == "ips":
        return formulas.ips_scores(weight, evidence.reward)
    if method == "snips":
        return formulas.snips_scores(weight, evidence.reward)
    if method == "dm":
        return np.asarray(evidence.expected)
    if method == "switch":
        weight = formulas.switch_weights(weight, np.sqrt(n) if cut is None else cut)
    elif method == "shrinkage":
        weight = formulas.shrunk_weights(weight, float(n) if cut is None else cut)
    return evidence.doubly_robust(weight)

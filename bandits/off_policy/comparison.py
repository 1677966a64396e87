"""Which of two policies is better, from the logs of a third one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from bandits.off_policy import _estimators as formulas
from bandits.off_policy import _intervals as intervals
from bandits.off_policy._checks import check_overlap, probabilities_of
from bandits.off_policy._evidence import evidence_on
from bandits.off_policy._outcome_model import fitted_rewards
from bandits.off_policy.logged_feedback import LoggedFeedback
from bandits.off_policy.result import OffPolicyResult, warn_of_few_effective_rows
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import NUMBERS, REGRESSOR

__all__ = ["compare_policies"]


@validated(outcome=[REGRESSOR, NUMBERS, None])
def compare_policies(
    log: LoggedFeedback,
    first: Any,
    second: Any,
    *,
    interval: Literal["auto", "empirical_likelihood", "normal"] = "auto",
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
    first, second : router or array of shape (n, n_arms)
    interval : {"auto", "empirical_likelihood", "normal"}
        "auto" is empirical likelihood; normal is over-confident where few effective rows bear on
        the difference, and refused for adaptive logs.
    level, preference, outcome, cv, random_state
        As in `off_policy_value`.

    Returns
    -------
    OffPolicyResult
        Doubly robust difference; the effective sample size is that of the differences of the two
        policies' weights.

    Raises
    ------
    DataError
        As in `off_policy_value`.

    Warns
    -----
    FewEffectiveRowsWarning
        If the policies differ, but on few effective rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> action = rng.integers(2, size=500)
    >>> reward = rng.random(500) < 0.4 + 0.3 * action
    >>> log = LoggedFeedback(np.ones((500, 1)), action, np.full(500, 0.5), reward, arms=(0, 1))
    >>> always_1, at_random = np.tile([0.0, 1.0], (500, 1)), np.full((500, 2), 0.5)
    >>> bool(compare_policies(log, always_1, at_random).lower > 0)
    True
    """
    if interval == "normal" and log.adaptive:
        raise DataError(
            "The logging policy learned from these rows, which makes them depend on each other "
            "and the normal interval over-confident; use 'empirical_likelihood'."
        )
    targets = [
        probabilities_of(log, policy, preference, called)
        for called, policy in (("first", first), ("second", second))
    ]
    for target in targets:
        check_overlap(log, target)
    same = np.array_equal(targets[0], targets[1])
    predicted = fitted_rewards(log, outcome, cv, random_state)
    one, other = (evidence_on(log, target, predicted) for target in targets)
    scores = one.doubly_robust(one.weight) - other.doubly_robust(other.weight)
    value, se = formulas.mean_and_error(scores)
    if interval == "normal":
        lower, upper = intervals.normal_bounds(value, se, level)
    elif same:
        lower, upper = 0.0, 0.0
    else:
        lower, upper = intervals.likelihood_bounds_of_difference(one, other, level)
    width = log.reward_range[1] - log.reward_range[0]
    result = OffPolicyResult(
        value=value,
        se=se,
        lower=max(lower, -width),
        upper=min(upper, width),
        level=level,
        n=log.n,
        effective_sample_size=formulas.effective_sample_size(np.abs(one.weight - other.weight)),
        method="dr",
        interval="normal" if interval == "normal" else "empirical_likelihood",
        quantity="difference",
        adaptive=log.adaptive,
    )
    return result if same else warn_of_few_effective_rows(result)

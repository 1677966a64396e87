"""Certify the threshold of a router."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from metarouter.inference.guarantees._certify import Prefer, Search, certify_predictions
from metarouter.inference.guarantees._demands import Bounds
from metarouter.inference.guarantees._result import CertifiedThreshold
from metarouter.inference.guarantees._tested import Method
from metarouter.inference.labels import DoublyRobustGains
from metarouter.routing._pipeline import split_router
from metarouter.routing._tuning import costs_of
from metarouter.routing.unit_cost import UnitCost

__all__ = ["certify_threshold"]


def certify_threshold(
    router: Any,
    X: Any,
    gold_gain: ArrayLike | DoublyRobustGains | None = None,
    *,
    max_share: float | None = None,
    max_cost: float | None = None,
    max_cost_ratio: float | None = None,
    min_gain: float | None = None,
    max_loss: float | None = None,
    min_gap_share: float | None = None,
    max_missed_gain: float | None = None,
    delta: float = 0.1,
    method: Method = "auto",
    search: Search = "ends",
    prefer: Prefer = "auto",
    gain_bounds: Bounds = None,
    cost_bounds: Bounds = None,
    grid: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    random_state: Any = None,
    **cost_inputs: Any,
) -> CertifiedThreshold:
    """Choose w so that a budget and a quality are kept with probability 1 - delta.

    `tune_threshold` finds the w that keeps a budget on a sample; on new queries it breaks it about
    every second time. This keeps all demands at once on new queries, but for a share `delta` of
    the samples that it might have been given.

    Parameters
    ----------
    router : ThresholdRouter or Pipeline
        Fitted on other queries. Its own w is ignored, and it is not changed.
    X : array-like of shape (n, d)
        Queries like those that will come, which the gain model has not seen.
    gold_gain : array-like of shape (n,) or DoublyRobustGains, optional
        Gold labels, NaN where there is none: these must then be a random part of the queries.
        Where they are not, or are scarce, give `doubly_robust_gains`. Budgets need none.
    max_share : float, optional
        Largest share of queries sent to the primary model.
    max_cost : float, optional
        Largest mean cost per query, in the unit of the cost model.
    max_cost_ratio : float, optional
        Largest mean cost relative to sending every query to the primary model.
    min_gain : float, optional
        Smallest mean gain over always asking the alternative, E[D o].
    max_loss : float, optional
        Largest mean loss against always asking the primary model, E[(1 - D) o].
    min_gap_share : float, optional
        Smallest share of the gain of always asking the primary model, E[D o] / E[o] (the
        recovered performance gap); 1 is as good as always asking the primary model.
    max_missed_gain : float, optional
        Largest mean of the positive gains that are missed, E[(1 - D) max(o, 0)]: the regret of
        the queries that stay with the alternative. Gold labels only.
    delta : float, default=0.1
        The demands may be broken with this probability.
    method : {"auto", "hoeffding_bentkus", "clt", "conformal"}, default="auto"
        - ``"hoeffding_bentkus"``: finite-sample p values of bounded values (the exact binomial
          test for `max_share`); no weights, groups or doubly robust scores.
        - ``"clt"``: one-sided t tests, for values without bounds; weights and groups count.
        - ``"auto"``: the first where it is possible, else the second, demand by demand.
        - ``"conformal"``: conformal risk control. It holds in expectation only, not for the one
          sample at hand, and only for budgets and `max_missed_gain`.
    search : {"ends", "split"}, default="ends"
        "ends" walks from w = infinity for budgets and from w = 0 for quality, and takes what both
        have passed; with demands of both kinds each walk gets half of delta. "split" learns the
        order of w on a third of the queries and walks along it on the others; take it where
        quality is not at its best at w = 0, because psi-hat promises too much there.
    prefer : {"auto", "quality", "cost"}, default="auto"
        Which certified w is chosen: the smallest, which sends the most queries, or the largest.
        "auto" is the smallest where there is a budget, else the largest.
    gain_bounds, cost_bounds : pair of float, optional
        Ends that no gain of a query, and no cost of a query with either model, can leave. They
        must be known, not taken from the sample. With `UnitCost` the latter are 0 and 1.
    grid : array-like, optional
        The w to choose from, fixed without looking at these queries. By default all.
    sample_weight, groups : array-like of shape (n,), optional
        Weights, and queries that depend on each other; doubly robust gains bring their own.
    level : float, default=0.95
        Of the two-sided intervals of what is observed.
    random_state : int, RandomState or None
        Of the split.
    **cost_inputs
        What the cost model needs to know of each query, as for `ThresholdRouter.predict`.

    Returns
    -------
    CertifiedThreshold
        Its ``apply(router)`` gives a router with the certified w. If nothing is certified the
        verdict is INCONCLUSIVE, w is NaN, and it says how many labels would do.

    Raises
    ------
    BudgetError
        If nothing is demanded, or a limit is out of range.
    DataError
        If lengths differ, values leave their bounds, or gold labels are missing.
    MetaRouterError
        If a choice is unknown, or the method does not hold for a demand.

    See Also
    --------
    certify_predictions : The same from predicted gains.
    metarouter.routing.tune_threshold : The smallest w that keeps a budget on a sample.

    Notes
    -----
    Every demand is a mean over queries that must not exceed its limit, and is tested at every w
    (learn-then-test). Fixed-sequence testing from a safe end keeps the family-wise error; demands
    with the same safe end share one walk with the largest of their p values. See
    ``docs/guarantees.md`` for what is proven and how often promises were broken in worlds with
    known truth.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test, arXiv 2110.01052.
    Laufer-Goldshtein, Fisch, Barzilay and Jaakkola (2023), Efficiently controlling multiple risks
    with Pareto testing, ICLR. Angelopoulos, Bates, Fisch, Lei and Schuster (2024), Conformal risk
    control, ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.routing import ThresholdRouter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1))
    >>> gold = X[:, 0] + rng.normal(size=3000)
    >>> router = ThresholdRouter(LinearRegression().fit(X[:1000], gold[:1000]))
    >>> found = certify_threshold(
    ...     router, X[1000:], gold[1000:], max_share=0.4, min_gain=0.2, delta=0.05
    ... )
    >>> print(found.verdict, round(found.w, 2))
    PASS 0.34
    >>> found.apply(router).predict(np.array([[0.1], [0.9]])).tolist()
    ['alternative', 'primary']
    """
    features, last = split_router(router, X)
    psi_hat = last.predict_gain(features)
    if cost_bounds is None and isinstance(last._cost_model(), UnitCost):
        cost_bounds = (0.0, 1.0)
    return certify_predictions(
        psi_hat,
        gold_gain,
        costs=costs_of(last, features, len(psi_hat), cost_inputs),
        max_share=max_share,
        max_cost=max_cost,
        max_cost_ratio=max_cost_ratio,
        min_gain=min_gain,
        max_loss=max_loss,
        min_gap_share=min_gap_share,
        max_missed_gain=max_missed_gain,
        delta=delta,
        method=method,
        search=search,
        prefer=prefer,
        gain_bounds=gain_bounds,
        cost_bounds=cost_bounds,
        grid=grid,
        sample_weight=sample_weight,
        groups=groups,
        level=level,
        random_state=random_state,
    )

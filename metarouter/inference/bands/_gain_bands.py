"""Curves of what routing by a score gains, with bands."""

from __future__ import annotations

from typing import Unpack

from numpy.typing import ArrayLike

from metarouter.inference.bands._curve_bands import CurveBand, as_where, curve_band
from metarouter.inference.curves import (
    BandOptions,
    GoldGain,
    band_settings,
    scored_queries,
    weights_of,
)


def efficiency_gain_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Efficiency gain over random routing, with limits for one usage and a band for all.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores (`doubly_robust_gains`).
    psi_hat : array-like of shape (n,)
        What the router sorts queries by, from a router that has not seen these labels. Queries
        with equal values are sent in random order, and the expected curve is returned.
    cost : array-like of shape (n,), optional
        What the primary model costs beyond the alternative, from zero up. Usage is then the share
        of the extra cost that is spent, and random routing that of the same spend.
    grid : array-like, optional
        Increasing usages at which to give the curve; by default 0, 0.01, ..., 1.
    thresholds : array-like, optional
        Scores from which on queries are sent, fixed beforehand, instead of usages. The usage that
        they lead to is then estimated, and the band is about the gain at the threshold.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

    Returns
    -------
    CurveBand
        With too few queries the limits are NaN and the verdict is INCONCLUSIVE.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, hold missing or infinite values, or costs are
        negative.
    MetaRouterError
        If a setting is out of its range.

    See Also
    --------
    metarouter.evaluation.efficiency_gain_curve : The curve without a band, and its area.
    rank_weighted_effects : Area, AUTOC and Qini coefficient with intervals.

    Notes
    -----
    The band is sup-t: ``EG(u) +- c se(u)``, where c is the quantile of the largest of all |t|. It
    is over new test queries, with the router held fixed. At the ends of the curve, where fewer
    than 30 queries lie on one side, se is not taken to be below that at 30, scaled by the square
    root of their number.

    References
    ----------
    Yadlowsky et al. (2025), Evaluating treatment prioritization rules via rank-weighted average
    treatment effects, JASA 120; Montiel Olea and Plagborg-Moller (2019), Simultaneous confidence
    bands, Journal of Applied Econometrics 34.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> band = efficiency_gain_band(psi + rng.standard_normal(500), psi)
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].iloc[[25, 50, 75]].round(2)
        usage  value  band_low  band_high
    25   0.25   0.32      0.25       0.39
    50   0.50   0.42      0.34       0.50
    75   0.75   0.34      0.27       0.41
    >>> print(band.verdict, band.reason)
    PASS The band lies above zero at usages from 0.01 to 0.99.
    """
    settings = band_settings(options)
    queries = scored_queries(gold_gain, psi_hat, **weights_of(options), cost=cost)
    return curve_band("efficiency_gain", queries, as_where(queries, grid, thresholds), settings)


def toc_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Targeting operator characteristic: mean gain of the queries sent beyond that of all.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by, as in `efficiency_gain_band`.
    grid : array-like, optional
        Increasing usages above 0; by default 0.01, 0.02, ..., 1.
    thresholds : array-like, optional
        Scores fixed beforehand, each reached by at least 20 queries.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

    Returns
    -------
    CurveBand

    Raises
    ------
    DataError
        If the inputs are malformed, or a mean would be taken over too few queries.
    MetaRouterError
        If a setting is out of its range.

    Notes
    -----
    ``TOC(u) = E[r | the share u of highest scores] - E[r]``, which is EG(u) / u: at usages both
    have the same t statistics and one critical value.

    References
    ----------
    Yadlowsky et al. (2025), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> band = toc_band(psi + rng.standard_normal(500), psi, thresholds=[0.0, 1.0])
    >>> band.to_frame()[["threshold", "usage", "value", "band_low", "band_high"]].round(2)
       threshold  usage  value  band_low  band_high
    0        1.0   0.17   1.43      1.17       1.69
    1        0.0   0.48   0.86      0.72       1.00
    """
    settings = band_settings(options)
    queries = scored_queries(gold_gain, psi_hat, **weights_of(options))
    where = as_where(queries, grid, thresholds, per_query_sent=True)
    return curve_band("toc", queries, where, settings)


def qini_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Qini curve: gain per query over sending none, against what is sent or spent.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by; with costs, gain per unit of cost sorts best.
    cost : array-like of shape (n,), optional
        What the primary model costs beyond the alternative: usage is then the share of it spent.
    grid, thresholds : array-like, optional
        As in `efficiency_gain_band`.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

    Returns
    -------
    CurveBand

    Raises
    ------
    DataError
        If the inputs are malformed.
    MetaRouterError
        If a setting is out of its range.

    Notes
    -----
    The curve ends at the mean gain, which is uncertain, unlike the efficiency gain's end at zero.

    References
    ----------
    Sverdrup, Wu, Athey and Wager (2023), Qini curves for multi-armed treatment rules,
    arXiv:2306.11979.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi, cost = rng.standard_normal(500), rng.uniform(1, 3, 500)
    >>> band = qini_band(psi + rng.standard_normal(500), psi / cost, cost=cost, grid=[0.25, 1.0])
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].round(2)
       usage  value  band_low  band_high
    0   0.25   0.33      0.27       0.40
    1   1.00   0.02     -0.12       0.15
    """
    settings = band_settings(options)
    queries = scored_queries(gold_gain, psi_hat, **weights_of(options), cost=cost)
    return curve_band("qini", queries, as_where(queries, grid, thresholds), settings)

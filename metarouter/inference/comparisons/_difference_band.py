"""The difference of two routers' curves on the same queries, with a band."""

from __future__ import annotations

from functools import cache
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.inference.bands import CurveBand, as_where, assembled, with_anchors
from metarouter.inference.comparisons._routers_on_queries import RouterStatistic, routers_on_queries
from metarouter.inference.curves import (
    BandOptions,
    CurveName,
    GoldGain,
    ScoredQueries,
    band_settings,
    curve_influence,
    curve_of,
    running_sums,
    weights_of,
)
from metarouter.inference.intervals import FloatArray


def difference_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    reference: ArrayLike,
    *,
    curve: CurveName = "efficiency_gain",
    grid: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Difference of two routers at every usage, with a band that holds at all usages at once.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores.
    psi_hat, reference : array-like of shape (n,)
        What the router and the one it is compared with sort queries by.
    curve : {"efficiency_gain", "toc", "qini"}, default="efficiency_gain"
        The difference of Qini curves is that of efficiency gains: at one usage, random routing
        gains the same for both.
    grid : array-like, optional
        As in `efficiency_gain_band`.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

    Returns
    -------
    CurveBand
        Of the router's curve minus that of the reference.

    Raises
    ------
    DataError
        If the inputs are malformed.
    MetaRouterError
        If a setting is out of its range.

    Notes
    -----
    Both curves are computed on the same halves, so that what a query does to both cancels.

    Examples
    --------
    >>> from typing import Unpack

    import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal, noise = rng.standard_normal(400), rng.standard_normal((3, 400))
    >>> near, far = signal + 0.5 * noise[0], signal + 3 * noise[1]
    >>> band = difference_band(signal + noise[2], near, far, grid=[0.25, 0.5, 0.75])
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].round(2)
       usage  value  band_low  band_high
    0   0.25   0.19      0.11       0.27
    1   0.50   0.22      0.13       0.32
    2   0.75   0.18      0.11       0.26
    """
    settings = band_settings(options)
    scores = {"psi_hat": psi_hat, "reference": reference}
    routers = routers_on_queries(gold_gain, scores, **weights_of(options))
    where = as_where(routers.base, grid, per_query_sent=curve == "toc")
    where = with_anchors(where, routers.base)

    def of_halves(queries: ScoredQueries, kept: NDArray[np.bool_] | None) -> FloatArray:
        return curve_of(curve, where.read(running_sums(queries, kept)))

    def influence_values(queries: ScoredQueries) -> FloatArray:
        sums = running_sums(queries)
        return curve_influence(curve, queries, sums, where.read(sums), where)

    both = RouterStatistic(curve, of_halves, influence_values)

    @cache
    def differences() -> FloatArray:
        return _first_minus_second(routers.influence_values(both))

    return assembled(
        curve,
        routers.base,
        where,
        settings,
        value=_first_minus_second(routers.of_halves(both))[0],
        usage=where.read(running_sums(routers.base)).usage[0],
        total=float(routers.base.share @ routers.base.gain),
        statistic=lambda kept: _first_minus_second(routers.of_halves(both, kept)),
        influence=lambda columns: differences()[:, columns],
        reference="reference",
    )


def _first_minus_second(values: FloatArray) -> FloatArray:
    first, second = np.split(values, 2, axis=1)
    return np.asarray(first - second)

"""How much of the gap between a weak and a strong model a router recovers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._efficiency_gain import influence_error
from metarouter.evaluation._intervals import normal_quantile
from metarouter.evaluation._performance_gap import (
    average_gap,
    check_target,
    first_crossing,
    gap_curves,
    resampled_weights,
)
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import (
    FloatArray,
    as_finite_column,
    as_grid,
    as_groups,
    check_same_length,
)
from metarouter.utils.style import random_line, router_styles
from metarouter.utils.tables import Tabular, thinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PerformanceGapCurve", "performance_gap_curve"]

_DECILES = np.arange(1, 11) / 10
# Weights that are held at a time, all resamples together.
_CELLS = 2_000_000


@dataclass(frozen=True)
class PerformanceGapCurve(Tabular):
    """Performance gap recovered (PGR) against the share of queries sent to the strong model.

    Parameters
    ----------
    share : ndarray of shape (n_grid,)
        Shares of strong calls.
    pgr, pgr_se : ndarray of shape (n_grid,)
        PGR at these shares, with pointwise bootstrap standard errors.
    apgr, apgr_se : float
        Average PGR: the integral of PGR over shares from 0 to 1.
    apgr_deciles, apgr_deciles_se : float
        The published approximation: the mean of PGR at the shares 0.1, 0.2, ..., 1.
    target : tuple of float
        Values of PGR whose call thresholds are given.
    cpt, cpt_se : ndarray of shape (n_targets,)
        Call-performance thresholds: the smallest share of strong calls at which PGR reaches each
        target. The errors are NaN where the gap is so uncertain that it vanishes in some resample.
    gap : float
        Mean quality of the strong minus that of the weak model.
    n : int
        Number of queries.

    See Also
    --------
    performance_gap_curve : Computes one.
    """

    share: FloatArray
    pgr: FloatArray
    pgr_se: FloatArray
    apgr: float
    apgr_se: float
    apgr_deciles: float
    apgr_deciles_se: float
    target: tuple[float, ...]
    cpt: FloatArray
    cpt_se: FloatArray
    gap: float
    n: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of APGR.

        Parameters
        ----------
        level : float, default=0.95

        Returns
        -------
        tuple of float
        """
        margin = normal_quantile(level) * self.apgr_se
        return self.apgr - margin, self.apgr + margin

    def to_frame(self) -> pd.DataFrame:
        """Return the curve as columns ``share``, ``pgr`` and ``pgr_se``."""
        import pandas as pd

        return pd.DataFrame({"share": self.share, "pgr": self.pgr, "pgr_se": self.pgr_se})

    def plot(self, ax: Any = None, *, name: str = "router") -> Any:
        """Draw PGR against the share of strong calls, with pointwise 95% limits.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"

        Returns
        -------
        matplotlib Axes
        """
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        (drawn,) = ax.plot(self.share, self.pgr, **(router_styles([name])[name].line()))
        drawn.set_marker("")
        margin = normal_quantile(0.95) * self.pgr_se
        limits = (self.pgr - margin, self.pgr + margin)
        ax.fill_between(self.share, *limits, color=drawn.get_color(), alpha=0.18, linewidth=0)
        ax.plot([0, 1], [0, 1], **random_line())
        ax.set_xlabel("share of queries sent to the strong model")
        ax.set_ylabel("performance gap recovered")
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, fontsize="small")
        return ax

    def summary(self) -> str:
        """Say in one line what the router recovers."""
        low, high = self.interval()
        thresholds = ", ".join(
            f"CPT({target:.0%}) {cpt:.3f} (s.e. {se:.3f})"
            for target, cpt, se in zip(self.target, self.cpt, self.cpt_se, strict=True)
        )
        return (
            f"APGR {self.apgr:.3f} (s.e. {self.apgr_se:.3f}, 95% interval {low:.3f} to "
            f"{high:.3f}; random routing 0.5), {thresholds}, on {self.n} queries."
        )

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


@validated()
def performance_gap_curve(
    quality_strong: ArrayLike,
    quality_weak: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    target: tuple[float, ...] = (0.5, 0.8),
    n_resamples: int = 200,
    random_state: int | np.random.Generator | None = 0,
) -> PerformanceGapCurve:
    """PGR, APGR and CPT of RouteLLM, each with a standard error.

    Parameters
    ----------
    quality_strong, quality_weak : array-like of shape (n,)
        Quality of both models' answers.
    score : array-like of shape (n,)
        Queries with the highest scores are sent to the strong model first; only the order matters.
        Queries with equal scores are sent in random order, and the expected curve is returned.
    groups : array-like of shape (n,), optional
        Queries that share a value may depend on each other; standard errors then count groups.
    grid : array-like, optional
        Increasing shares at which to give the curve. By default 0, 0.01, ..., 1.
    target : tuple of float, default=(0.5, 0.8)
        Values of PGR, above 0 and at most 1, for CPT.
    n_resamples : int, default=200
        Bootstrap resamples for the errors of PGR and CPT.
    random_state : int, Generator or None, default=0
        Seed of the resamples.

    Returns
    -------
    PerformanceGapCurve

    Raises
    ------
    DataError
        If lengths differ, values are missing or infinite, or the strong model is not the better
        one: then there is no gap to recover.
    MetaRouterError
        If a target lies outside (0, 1], or there are fewer than 2 resamples.

    Notes
    -----
    PGR at share u is ``(quality(u) - quality(0)) / (quality(1) - quality(0))``, and ``PGR(u) = u``
    for random routing. The paper averages PGR over ten shares (``apgr_deciles``; that these are
    0.1, ..., 1 is our reading), its code takes the trapezoid over the thresholds that were run;
    both approach the integral, which is ``1/2 + Cov(r, F(score)) / E[r]`` with the gain r and the
    mid-distribution function F of the score. The standard error of the integral is that of the
    influence function ``(A_i - (APGR - 1/2)(r_i - E[r])) / E[r]``, with A_i that of the covariance.
    PGR at one share and CPT depend on the gain at one threshold; their errors are those of a
    bootstrap of queries or groups. RouteLLM's code finds CPT by interpolation, which is right for
    rising curves only: here it is the first share that reaches the target.

    References
    ----------
    Ong et al. (2024), RouteLLM: Learning to Route LLMs with Preference Data, arXiv:2406.18665.

    Examples
    --------
    >>> curve = performance_gap_curve([1, 1, 1, 0], [0, 0, 1, 0], [0.9, 0.6, 0.5, 0.1])
    >>> curve.apgr, curve.cpt
    (0.75, array([0.25, 0.4 ]))
    """
    strong = as_finite_column(quality_strong, "quality_strong")
    weak = as_finite_column(quality_weak, "quality_weak")
    scores = as_finite_column(score, "score")
    check_same_length("quality_weak", weak.size, "quality_strong", strong.size)
    check_same_length("score", scores.size, "quality_strong", strong.size)
    numbers = as_groups(groups, strong.size)
    shares = as_grid(grid)
    _check(strong, weak, target, n_resamples)

    gain = strong - weak
    apgr, influence = average_gap(gain, scores)
    block = np.unique(-scores, return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(random_state)
    here = _read(*gap_curves(gain, block, np.ones((1, gain.size))), shares, target)
    resamples = _resamples(rng, gain.size, numbers, n_resamples)
    se = _bootstrap_errors(gain, block, resamples, shares, target)
    apgr_se = influence_error(influence, np.full(gain.size, 1 / gain.size), numbers)
    if np.ptp(gain) == 0:  # gains that are all alike do not tell how far they may be off
        se = _Readings(*(np.full_like(np.asarray(part, dtype=float), np.nan) for part in se))
        apgr_se = float("nan")
    return PerformanceGapCurve(
        share=shares,
        pgr=here.pgr[0],
        pgr_se=se.pgr,
        apgr=apgr,
        apgr_se=apgr_se,
        apgr_deciles=float(here.deciles[0]),
        apgr_deciles_se=float(se.deciles),
        target=target,
        cpt=here.cpt[0],
        cpt_se=se.cpt,
        gap=float(gain.mean()),
        n=gain.size,
    )


class _Readings(NamedTuple):
    """What is asked of one or many curves; the first axis counts curves."""

    pgr: FloatArray
    deciles: Any
    cpt: FloatArray


def _read(
    share: FloatArray, pgr: FloatArray, grid: FloatArray, target: tuple[float, ...]
) -> _Readings:
    curves = list(zip(share, pgr, strict=True))
    return _Readings(
        np.array([np.interp(grid, *curve) for curve in curves]),
        np.array([np.interp(_DECILES, *curve).mean() for curve in curves]),
        np.array([[first_crossing(*curve, value) for value in target] for curve in curves]),
    )


def _bootstrap_errors(
    gain: FloatArray,
    block: NDArray[np.intp],
    resamples: Iterable[FloatArray],
    grid: FloatArray,
    target: tuple[float, ...],
) -> _Readings:
    """Compute standard deviations over resamples; NaN where the gap vanishes in one of them."""
    parts = []
    for weight in resamples:
        if (weight @ gain <= 0).any():  # a ratio to such a gap has no moments
            unknown = np.full(grid.size, np.nan)
            return _Readings(unknown, unknown[0], np.full(len(target), np.nan))
        parts.append(_read(*gap_curves(gain, block, weight), grid, target))
    resampled = (np.concatenate(values) for values in zip(*parts, strict=True))
    return _Readings(*(values.std(axis=0, ddof=1) for values in resampled))


def _resamples(
    rng: np.random.Generator, n: int, groups: NDArray[np.intp] | None, n_resamples: int
) -> Iterator[FloatArray]:
    """Yield the weights of all resamples, a few at a time, so that memory stays bounded."""
    at_a_time = max(1, _CELLS // n)
    for start in range(0, n_resamples, at_a_time):
        yield resampled_weights(rng, n, groups, min(at_a_time, n_resamples - start))


def _check(
    strong: FloatArray, weak: FloatArray, target: tuple[float, ...], n_resamples: int
) -> None:
    check_target(target)
    if n_resamples < 2:
        raise MetaRouterError(f"n_resamples is {n_resamples}: give at least 2.")
    gap = math.fsum(strong - weak)
    if gap <= 0:
        raise DataError(
            f"The mean quality of the strong model ({strong.mean():g}) is not above that of the "
            f"weak one ({weak.mean():g}) on these {strong.size} queries, so there is no gap to "
            "recover: name the better model as the strong one."
        )

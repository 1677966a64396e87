"""Performance gap recovered over the share of strong calls, its average, and call thresholds.

Source: Ong et al. (2024), RouteLLM, arXiv:2406.18665, section 3.1. With the gain
r = quality(strong) - quality(weak) of each query, and queries sent to the strong model in the order
of falling score,

    PGR(u) = (quality at share u - quality of the weak model) / (quality(strong) - quality(weak))
           = E[r; among the share u of highest scores] / E[r].

PGR(u) = u for random routing. The efficiency gain of Meta-Router is EG(u) = E[r] (PGR(u) - u), so

    APGR = integral of PGR(u) du = 1/2 + (area under the efficiency gain) / E[r].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metarouter.evaluation._efficiency_gain import area_influence, rank_gains
from metarouter.exceptions import MetaRouterError
from metarouter.utils.columns import FloatArray

__all__ = ["average_gap", "check_target", "first_crossing", "gap_curves", "resampled_weights"]


def average_gap(gain: FloatArray, score: FloatArray) -> tuple[float, FloatArray]:
    """Average PGR, and its influence function at every query.

    Parameters
    ----------
    gain : ndarray of shape (n,)
        Quality of the strong minus that of the weak model, above 0 on average.
    score : ndarray of shape (n,)

    Returns
    -------
    apgr : float
    influence : ndarray of shape (n,)
        ``(A_i - (apgr - 1/2)(r_i - E[r])) / E[r]``, with A_i that of the area under EG.
    """
    share, gap = np.full(gain.size, 1 / gain.size), gain.mean()
    centred = gain - gap
    area, influence = area_influence(centred, rank_gains(centred, score, share), share)
    return float(0.5 + area / gap), (influence - area / gap * centred) / gap


def gap_curves(
    gain: FloatArray, block: NDArray[np.intp], weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """PGR after every block of equal scores, for one or many weightings of the queries.

    Parameters
    ----------
    gain : ndarray of shape (n,)
        Quality of the strong minus that of the weak model.
    block : ndarray of int of shape (n,)
        Block of equal scores that each query belongs to, highest scores first.
    weight : ndarray of shape (b, n)
        One weighting per row.

    Returns
    -------
    share, pgr : ndarray of shape (b, n_blocks + 1)
        From (0, 0) to (1, 1). NaN or wild where the weighted gap is nought.
    """
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(block.max() + 1))
    share = _running(weight[:, order], starts)
    pgr = _running((weight * gain)[:, order], starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return share / share[:, -1:], pgr / pgr[:, -1:]


def check_target(target: Sequence[float]) -> None:
    """Refuse shares of the gap that no call threshold belongs to."""
    outside = [value for value in target if not 0 < value <= 1]
    if outside:
        raise MetaRouterError(
            f"target holds {outside[0]:g}: give values of PGR above 0 and at most 1."
        )


def first_crossing(share: FloatArray, pgr: FloatArray, target: float) -> float:
    """Return the smallest share at which the curve, straight between blocks, reaches `target`."""
    reached = int(np.argmax(pgr >= target))
    if reached == 0:
        return float(share[0])
    before, after = pgr[reached - 1], pgr[reached]
    part = (target - before) / (after - before)
    return float(share[reached - 1] + part * (share[reached] - share[reached - 1]))


def resampled_weights(
    rng: np.random.Generator, n: int, groups: NDArray[np.intp] | None, n_resamples: int
) -> FloatArray:
    """Weights of the ordinary bootstrap: how often each query, with all of its group, is drawn."""
    n_units = n if groups is None else int(groups.max()) + 1
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    drawn = counts if groups is None else counts[:, groups]
    return drawn.astype(np.float64)


def _running(sorted_values: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
    per_block = np.add.reduceat(sorted_values, starts, axis=1)
    return np.concatenate([np.zeros((len(per_block), 1)), np.cumsum(per_block, axis=1)], axis=1)

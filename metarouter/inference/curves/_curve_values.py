"""What routing by a score gains, at every usage or threshold, on all queries or on halves of them.

With gains r, shares p that sum to one, and queries sent to the primary model in the order of
falling score,

    Y(u) = sum of p r over the share u with the highest scores,
    Qini curve: Y(u);  efficiency gain: Y(u) - u Y(1);  TOC: Y(u) / u - Y(1)

(Yadlowsky et al. 2025 for the targeting operator characteristic, Meta-Router section 4.1 for the
efficiency gain). Queries that share a score are sent in random order, so that Y is straight within
their block. With extra costs c, u is a share of the extra cost: the cost-aware Qini curve of
Sverdrup, Wu, Athey and Wager (2023), in which the marginal query is sent with a probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.curves._scored_queries import ScoredQueries
from metarouter.inference.intervals import FloatArray

__all__ = [
    "AtThresholds",
    "AtUsage",
    "CurveName",
    "Points",
    "RunningSums",
    "curve_of",
    "running_sums",
]

CurveName = Literal["efficiency_gain", "toc", "qini"]


class RunningSums(NamedTuple):
    """What is spent and gained after every block, from nothing on, for several halves."""

    spent: FloatArray  # (b, n_blocks + 1)
    gained: FloatArray  # (b, n_blocks + 1)
    mass: FloatArray  # (b, 1) share of all queries that the half holds


class Points(NamedTuple):
    """The two coordinates of a Qini curve, and where it ends."""

    usage: FloatArray  # (b, m)
    gained: FloatArray  # (b, m)
    total: FloatArray  # (b, 1)


@dataclass(frozen=True)
class AtUsage:
    """Read curves where a given share is spent: the threshold is estimated anew by every half.

    Only the points that are `shown` were asked for; the others steady the errors of those.
    """

    grid: FloatArray
    shown: Any = ...

    def read(self, sums: RunningSums) -> Points:
        """Read one curve per half."""
        at = self.grid * sums.spent[:, -1:]
        rows = zip(at, sums.spent, sums.gained, strict=True)
        gained = np.array([np.interp(*row) for row in rows]) / sums.mass
        usage = np.broadcast_to(self.grid, gained.shape)
        return Points(usage, gained, sums.gained[:, -1:] / sums.mass)


@dataclass(frozen=True)
class AtThresholds:
    """Read curves at scores that were fixed beforehand: then usage is what varies."""

    threshold: FloatArray  # falling
    block: NDArray[np.intp]  # number of blocks whose score reaches each threshold
    shown: Any = ...

    def read(self, sums: RunningSums) -> Points:
        """Read one curve per half."""
        return Points(
            sums.spent[:, self.block] / sums.spent[:, -1:],
            sums.gained[:, self.block] / sums.mass,
            sums.gained[:, -1:] / sums.mass,
        )


def running_sums(queries: ScoredQueries, kept: NDArray[np.bool_] | None = None) -> RunningSums:
    """Add up what is spent and gained, block by block, on all queries or on halves of them.

    Parameters
    ----------
    queries : ScoredQueries
    kept : ndarray of bool of shape (b, n), optional
        Which queries each half holds.
    """
    kept = np.ones((1, queries.n), dtype=bool) if kept is None else kept
    gained = _running(kept, queries.share * queries.gain, queries.ends)
    spent = _running(kept, queries.spent, queries.ends)
    mass = spent[:, -1:] if queries.cost is None else kept @ queries.share[:, None]
    return RunningSums(spent, gained, mass)


def _running(kept: NDArray[np.bool_], values: FloatArray, ends: NDArray[np.intp]) -> FloatArray:
    total = np.empty((len(kept), values.size + 1))
    total[:, 0] = 0.0
    np.multiply(kept, values, out=total[:, 1:])
    np.cumsum(total, axis=1, out=total)
    return total if ends.size == values.size else total[:, np.concatenate([[0], ends])]


def curve_of(curve: CurveName, points: Points) -> FloatArray:
    """Turn the coordinates of a Qini curve into those of another."""
    if curve == "qini":
        return points.gained
    if curve == "efficiency_gain":
        return points.gained - points.usage * points.total
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = points.gained / points.usage
    return np.where(points.usage > 0, mean - points.total, 0.0)

"""What routing by a score gains, at every usage or threshold, on all queries or on halves of them.

With gains r, shares p that sum to one, and queries sent to the primary model in the order of
falling score,

    Y(u) = sum of p r over the share u with the highest scores,
    Qini curve: Y(u);  efficiency gain: Y(u) - u Y(1);  TOC: Y(u) / u - Y(1)

(Yadlowsky et al. 2025 for the targeting operator characteristic, Meta-Router section 4.1 for the
efficiency gain). Queries that share a score are sent in random order, so that Y is straight within
their block. With extra costs c, u is a share of the extra cost: the cost-aware Qini curve of
Sverdrup, Wu, Athey and Wager (2023), in which the marginal query is sent with a probability.

Let m_i be the share of query i that is sent (1 above the threshold, 0 below, a fraction in the
block that is divided), Y = E[r m], X the usage, T = E[r]. Moving mass towards query i moves

    Y at a fixed threshold by  r_i m_i - Y,
    X at a fixed threshold by  e_i (m_i - X),   e_i = c_i / E[c], 1 without costs.

A threshold that spends a given u must move to keep X = u. It then gives up rho(u) per unit of X,
where rho(u) = dY / du is the gain per unit spent of the queries at the threshold, so that

    Y(u):  r_i m_i - Y - rho e_i (m_i - u).

The efficiency gain subtracts X T, the TOC divides by X. In all cases the influence is

    (r_i m_i - Y - a X (r_i - T) - kappa e_i (m_i - X)) / s

    curve             a   s   kappa at a usage   kappa at a threshold
    Qini              0   1   rho(u)             0
    efficiency gain   1   1   rho(u)             T
    TOC               1   X   rho(u)             Y / X

At a threshold the last one is 1{s >= w} (r - theta) / X - (r - T), theta = Y / X: the influence
function of a ratio. That of `econml.validate` has T in the place of theta, which is right only
where the gain does not depend on the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import USUAL_KURTOSIS
from metarouter.inference.intervals import FloatArray, as_clusters, cluster_sums
from metarouter.inference.labels import DoublyRobustGains
from metarouter.utils.arguments import validated
from metarouter.utils.columns import (
    as_finite_column,
    as_grid,
    as_groups,
    as_weight,
    check_same_length,
)

CurveName = Literal["efficiency_gain", "toc", "qini"]
Kept = NDArray[np.bool_]  # (b, n): which queries each of b halves holds

_CELLS = 2**16  # of an array that is made on the way
_FEWEST_ABOVE = 20  # halves without a query above a threshold must be out of the question
_FEWEST_BEYOND = 30


class RunningSums(NamedTuple):
    """What is spent and gained after every block of equal scores, from nothing on, by half."""

    spent: FloatArray  # (b, n_blocks + 1)
    gained: FloatArray  # (b, n_blocks + 1)
    mass: FloatArray  # (b, 1) share of all queries that the half holds


class ScoredQueries:
    """Test queries with their gold gains, in the order in which a router sends them.

    Made once, it takes the place of the arrays in `efficiency_gain_band`, `toc_band`, `qini_band`,
    `cost_quality_band`, `performance_gap_band`, `rank_weighted_effects`, `difference_band` and
    `compare_all_pairs`, as their first argument.

    Parameters
    ----------
    gold : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries: how much better the primary model's answer is. Or their
        doubly robust scores (`doubly_robust_gains`), which bring their weights and groups along.
    psi_hat : array-like of shape (n,), optional
        What the router sorts queries by, from a router that has not seen these labels. Queries
        with equal values are sent in random order, and expected curves are returned. Left out for
        `compare_all_pairs`, which takes the psi-hat of every router.
    cost : array-like of shape (n,), optional
        What the primary model costs beyond the alternative. It counts where a function is about
        costs, and does not matter to the others.
    sample_weight : array-like of shape (n,), optional
        From zero up. Queries that weigh nothing are left out.
    groups : array-like of shape (n,), optional
        Queries that share a value may depend on each other: they count as one cluster.

    Attributes
    ----------
    gain, share, cost, is_gold : ndarray of shape (n_kept,)
        Gold gains (or scores of them), weights that sum to one, costs (None where there are none),
        and which queries have a gold label, by falling psi-hat.
    order : ndarray of int of shape (n_kept,)
        Place of each of these queries among those that were given.
    clusters : ndarray of int of shape (n_kept,) or None
        Number of the cluster of each query; None where every query stands for itself.
    spent : ndarray of shape (n_kept,)
        What sending each query spends, as a share of all queries or (`by_cost`) of all extra cost.
    ends, score : ndarray of shape (n_blocks,)
        Position after the last query of every block of equal scores, and that score.
    n, n_units, n_gold, n_gold_clusters : int
        Queries and independent clusters of them; those with a gold label, from which errors are
        learned.

    Raises
    ------
    DataError
        If the columns differ in length, are empty, or hold missing or infinite values; if weights
        are negative or all zero, or all queries are in one group.

    Examples
    --------
    >>> import numpy as np
    >>> from metarouter.inference import efficiency_gain_band, rank_weighted_effects
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> queries = ScoredQueries(psi + rng.standard_normal(500), psi, groups=np.arange(500) // 2)
    >>> efficiency_gain_band(queries).n_units, rank_weighted_effects(queries).n_units
    (250, 250)
    """

    @validated()
    def __init__(
        self,
        gold: ArrayLike | DoublyRobustGains,
        psi_hat: ArrayLike | None = None,
        cost: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        is_gold = None
        if isinstance(gold, DoublyRobustGains):
            sample_weight = gold.sample_weight if sample_weight is None else sample_weight
            groups = gold.groups if groups is None else groups
            is_gold, gold = gold.is_gold, gold.score
        gain = as_finite_column(gold, "gold_gain")
        weight, group = as_weight(sample_weight, gain.size), as_groups(groups, gain.size)
        self.n_given, self.order = gain.size, np.flatnonzero(weight > 0)
        self.gain, self.share = gain[self.order], weight[self.order] / weight.sum()
        self.spent, self.per_cost, self.n = self.share, False, self.order.size
        self.cost = None if cost is None else self.column(cost, "cost")
        self.is_gold = np.ones(self.n, dtype=bool) if is_gold is None else is_gold[self.order]
        self.clusters = None if group is None else as_clusters(group[self.order])
        self.n_gold = int(self.is_gold.sum())
        n_gold = self.by_cluster(self.is_gold.astype(float))
        self.n_units, self.n_gold_clusters = n_gold.size, int((n_gold > 0).sum())
        self.is_scored = psi_hat is not None
        self._sort(-self.order if psi_hat is None else self.column(psi_hat, "psi_hat"))

    def _sort(self, score: NDArray[Any]) -> None:
        # Within ties the order is that of the weights: the order of the rows never matters.
        place = np.lexsort((self.share, -score))
        for name in ("order", "gain", "share", "spent", "cost", "is_gold", "clusters"):
            column = getattr(self, name)
            setattr(self, name, None if column is None else column[place])
        score = score[place]
        self.ends = np.flatnonzero(np.append(np.diff(score) != 0, True)) + 1
        self.score = score[self.ends - 1]

    def column(self, values: ArrayLike, name: str) -> FloatArray:
        """Bring another column, with one number per query that was given, into this order."""
        column = as_finite_column(values, name)
        check_same_length(name, column.size, "gold_gain", self.n_given)
        return column[self.order]

    def sorted_by(self, psi_hat: ArrayLike, name: str = "psi_hat") -> ScoredQueries:
        """Sort the same queries by the scores of another router, which a sentence calls `name`."""
        queries = copy(self)
        queries._sort(self.column(psi_hat, name))
        return queries

    def in_rows(self) -> ScoredQueries:
        """Sort the same queries as they were given."""
        return self.sorted_by(-np.arange(self.n_given))

    def with_gain(self, gain: FloatArray) -> ScoredQueries:
        """Return the same queries with other gains, given in this order, shape (n,)."""
        queries = copy(self)
        queries.gain = gain
        return queries

    def by_cost(self) -> ScoredQueries:
        """Count usage as a share of the extra cost, if there is any; it is then not negative."""
        if self.cost is None:
            return self
        if (self.cost < 0).any():
            raise DataError(
                f"cost is negative for {int((self.cost < 0).sum())} of {self.n} queries: give what "
                "the primary model costs beyond the alternative, from zero up."
            )
        if not self.cost.any():
            raise DataError(
                f"cost is zero for all {self.n} queries: give costs above zero for some, or leave "
                "cost out."
            )
        queries = copy(self)
        queries.per_cost = True
        queries.spent = self.share * self.cost / float(self.share @ self.cost)
        return queries

    def by_cluster(self, values: FloatArray) -> FloatArray:
        """Add values, shape (n, ...), over clusters."""
        return cluster_sums(values, self.clusters)

    def sums(self, kept: Kept | None = None) -> RunningSums:
        """Add up what is spent and gained, on all queries or on halves of them."""
        kept = np.ones((1, self.n), dtype=bool) if kept is None else kept
        spent, gained = (self._running(kept, of) for of in (self.spent, self.share * self.gain))
        mass = kept @ self.share[:, None] if self.per_cost else spent[:, -1:]
        return RunningSums(spent, gained, mass)

    def _running(self, kept: Kept, values: FloatArray) -> FloatArray:
        total = np.zeros((len(kept), self.n + 1))
        np.multiply(kept, values, out=total[:, 1:])
        np.cumsum(total, axis=1, out=total)
        return total if self.ends.size == self.n else total[:, np.append(0, self.ends)]

    @property
    def effective_clusters(self) -> float:
        """Number of equally heavy clusters that would leave as much uncertainty (Kish 1965)."""
        share = self.share * self.is_gold
        return float(share.sum() ** 2 / np.sum(self.by_cluster(share) ** 2))

    @property
    def clusters_for_errors(self) -> float:
        """Number of effective clusters, fewer where few gains carry the variance.

        The standard error of a mean is itself known from about three over the kurtosis of its
        terms. Gains that are rare and large have a large one: where 3% of the gains are so, thirty
        queries hold a single such one, and tell as little as three others would. Up to the kurtosis
        of 4.5, half as much again as the normal distribution's, nothing is taken off.
        """
        summed = self.by_cluster(self.share * (self.gain - self.share @ self.gain))
        if not summed.any():
            return self.effective_clusters
        squared = (summed / np.abs(summed).max()) ** 2  # any unit of gains will do
        kurtosis = float((squared**2).sum() / squared.sum() ** 2) * self.effective_clusters
        return self.effective_clusters / max(1.0, kurtosis / USUAL_KURTOSIS)


Gold = ArrayLike | DoublyRobustGains | ScoredQueries


def as_queries(
    gold_gain: Gold, options: Mapping[str, Any], **arrays: ArrayLike | None
) -> ScoredQueries:
    """Return queries that were given as such, or make them of arrays; check those named here."""
    needs_scores = "psi_hat" in arrays
    arrays |= {name: options.get(name) for name in ("sample_weight", "groups")}
    given = [name for name, values in arrays.items() if values is not None]
    queries = gold_gain
    if not isinstance(queries, ScoredQueries):
        queries = ScoredQueries(queries, **arrays)
    elif given:
        raise MetaRouterError(
            f"{given[0]} is given beside ScoredQueries: give it to them, and not again here."
        )
    if needs_scores and not queries.is_scored:
        raise MetaRouterError(
            "psi_hat is missing: give what the router sorts queries by, here or to ScoredQueries."
        )
    return queries


class Points(NamedTuple):
    """The two coordinates of a Qini curve, and where it ends, by half."""

    usage: FloatArray  # (b, m)
    gained: FloatArray  # (b, m)
    total: FloatArray  # (b, 1)


@dataclass(frozen=True)
class Curve:
    """A curve, and where it is read: at usages, or at scores that were fixed beforehand.

    At a usage the threshold is estimated anew by every half; at a score usage is what varies.
    """

    name: CurveName
    at: FloatArray  # (m,) increasing usages, or falling scores
    block: NDArray[np.intp] | None = None  # at scores: how many blocks have one as high
    shown: Any = ...  # the points that were asked for; errors near the ends rest on the others

    @property
    def threshold(self) -> FloatArray | None:
        """Scores from which on queries are sent, where they were fixed beforehand."""
        return None if self.block is None else self.at

    def anchored(self, queries: ScoredQueries) -> Curve:
        """Read the curve also where enough gains lie on either side, if gains are rare and large.

        `errors_at_ends` takes errors near the ends from there, whatever usages are asked for.
        """
        n_effective = queries.clusters_for_errors
        if self.block is not None or n_effective == queries.effective_clusters:
            return self
        inner = least_share(n_effective)
        usage = np.union1d(self.at, [inner, 1 - inner])
        return Curve(self.name, usage, shown=np.searchsorted(usage, self.at))

    def points(self, sums: RunningSums) -> Points:
        """Read the Qini curve of every half."""
        if self.block is None:
            rows = zip(self.at * sums.spent[:, -1:], sums.spent, sums.gained, strict=True)
            gained = np.array([np.interp(*row) for row in rows])
            usage = np.broadcast_to(self.at, gained.shape)
        else:
            gained = sums.gained[:, self.block]
            usage = sums.spent[:, self.block] / sums.spent[:, -1:]
        return Points(usage, gained / sums.mass, sums.gained[:, -1:] / sums.mass)

    def values(self, sums: RunningSums) -> FloatArray:
        """Read the curve of every half, shape (b, m)."""
        usage, gained, total = self.points(sums)
        if self.name == "qini":
            return gained
        if self.name == "efficiency_gain":
            return gained - usage * total
        mean = np.divide(gained, usage, out=np.zeros_like(gained), where=usage > 0)
        return np.where(usage > 0, mean - total, 0.0)

    def influence(self, queries: ScoredQueries, columns: slice = slice(None)) -> FloatArray:
        """Influence of every query on some points, times its share, shape (n, n_points)."""
        sums = queries.sums()
        points = self.points(sums)
        usage, gained, total = points.usage[0, columns], points.gained[0, columns], points.total[0]
        relative = 0.0 if self.name == "qini" else 1.0
        scale = usage if self.name == "toc" else 1.0
        if self.block is None:
            kappa = _gain_at_the_margin(sums, usage, queries.effective_clusters)
        elif self.name == "toc":
            kappa = gained / usage
        else:
            kappa = relative * total
        size = np.diff(queries.ends, prepend=0)
        start = np.repeat(sums.spent[0, :-1], size)[:, None]
        end = np.repeat(sums.spent[0, 1:], size)[:, None]
        extra = queries.spent / queries.share
        gain, share, extra = (column[:, None] for column in (queries.gain, queries.share, extra))
        influence = np.empty((queries.n, usage.size))
        # The steps below make arrays as large as what they fill, and need not do so all at once.
        step = max(1, _CELLS // max(1, usage.size))
        for rows in (slice(k, k + step) for k in range(0, queries.n, step)):
            sent = _sent(start[rows], end[rows], usage)
            moved = gain[rows] * sent - gained - relative * usage * (gain[rows] - total)
            moved -= kappa * extra[rows] * (sent - usage)
            influence[rows] = share[rows] * moved / scale
        return influence


def least_share(n_effective: float) -> float:
    """Return the share of the queries that holds thirty effective ones, at most a half.

    With fewer the standard error of a mean of what lies beyond is itself too uncertain, above all
    with skewed gains.
    """
    return min(0.5, _FEWEST_BEYOND / n_effective)


def _sent(start: FloatArray, end: FloatArray, usage: FloatArray) -> FloatArray:
    """Share of every query that is sent at every usage, from what is spent before and after it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(end > start, (usage - start) / (end - start), usage >= end)
    return np.asarray(np.clip(part, 0.0, 1.0))


def _gain_at_the_margin(sums: RunningSums, usage: FloatArray, n_effective: float) -> FloatArray:
    """Estimate rho(u) = dY / du: the gain per unit spent of the queries at the threshold.

    It is the slope of Y over a window of the width that is right for a density, n^(-1/3); where
    one block of equal scores is wider than that, the slope of Y within the block.
    """
    spent, gained = sums.spent[0], sums.gained[0]
    half = max(0.02, 0.5 * n_effective ** (-1 / 3))
    low, high = np.clip(usage - half, 0, 1 - 2 * half), np.clip(usage + half, 2 * half, 1)
    block = np.clip(np.searchsorted(spent, usage, side="right") - 1, 0, spent.size - 2)
    wide = spent[block + 1] - spent[block] > 2 * half
    low, high = np.where(wide, spent[block], low), np.where(wide, spent[block + 1], high)
    rise = np.interp(high, spent, gained) - np.interp(low, spent, gained)
    return np.asarray(rise / (high - low))


def curve_at(
    name: CurveName, queries: ScoredQueries, grid: ArrayLike | None, thresholds: ArrayLike | None
) -> Curve:
    """Return a curve at usages, by default 0, 0.01, ..., 1, or at scores to send queries from."""
    if thresholds is None:
        usage = as_grid(grid)
        if name == "toc" and grid is None:
            usage = usage[1:]
        if name == "toc" and usage[0] == 0:
            raise DataError(
                "grid holds usage 0, where no query is sent to take a mean of: start above 0."
            )
        return Curve(name, usage)
    if grid is not None:
        raise MetaRouterError(
            "grid and thresholds are both given: give usages, or scores to send queries from."
        )
    falling = np.unique(as_finite_column(thresholds, "thresholds"))[::-1]
    block = np.searchsorted(-queries.score, -falling, side="right")
    rare = int((np.append(0, queries.ends)[block] < _FEWEST_ABOVE).sum())
    if name == "toc" and rare:
        raise DataError(
            f"{rare} of {falling.size} thresholds are reached by fewer than {_FEWEST_ABOVE} of "
            f"{queries.n} queries, too few to take a mean of: leave those thresholds out."
        )
    return Curve(name, falling, block)

"""Several routers on the same test queries: what a query does to all of them, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.curves import GoldGain, ScoredQueries, as_gains, sorted_gains
from metarouter.inference.intervals import FloatArray
from metarouter.utils.columns import as_finite_column, check_routers


class RouterStatistic(NamedTuple):
    """A statistic of one router."""

    name: str
    of_halves: Callable[[ScoredQueries, NDArray[np.bool_] | None], FloatArray]  # (b, m)
    influence_values: Callable[[ScoredQueries], FloatArray]  # (n, m)


@dataclass(frozen=True)
class RoutersOnQueries:
    """The same queries, once in the order of the rows and once in the order of every router.

    Parameters
    ----------
    base : ScoredQueries
        In the order of the rows.
    by_router : dict of str to ScoredQueries
        Their ``order`` refers to the rows of `base`.
    """

    base: ScoredQueries
    by_router: dict[str, ScoredQueries]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the routers."""
        return tuple(self.by_router)

    def of_halves(
        self, statistic: RouterStatistic, kept: NDArray[np.bool_] | None = None
    ) -> FloatArray:
        """Compute a statistic of every router, shape (b, n_routers * m), router by router."""
        return np.concatenate(
            [
                statistic.of_halves(queries, None if kept is None else kept[:, queries.order])
                for queries in self.by_router.values()
            ],
            axis=1,
        )

    def influence_values(self, statistic: RouterStatistic) -> FloatArray:
        """Compute the influence on every router in the order of the rows, (n, n_routers * m)."""
        parts = []
        for queries in self.by_router.values():
            influence_values = statistic.influence_values(queries)
            in_rows = np.empty_like(influence_values)
            in_rows[queries.order] = influence_values
            parts.append(in_rows)
        return np.concatenate(parts, axis=1)


def routers_on_queries(
    gold_gain: GoldGain,
    predictions: Mapping[str, Any],
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
) -> RoutersOnQueries:
    """Validate the scores of several routers.

    Raises
    ------
    DataError
        If lengths differ or values are missing or infinite; the router is named.
    MetaRouterError
        If there are fewer than two routers.
    """
    check_routers(predictions)
    if len(predictions) < 2:
        raise MetaRouterError(
            f"there is one router, {next(iter(predictions))!r}: give at least two to compare."
        )
    gains = as_gains(gold_gain, sample_weight, groups)
    scores = {
        str(name): _scores_of(str(name), psi_hat, gains.gain.size)
        for name, psi_hat in predictions.items()
    }
    rows = gains.weight > 0
    in_order = -np.arange(rows.sum(), dtype=np.float64)
    return RoutersOnQueries(
        sorted_gains(gains.taken(rows), in_order),
        {name: sorted_gains(gains.taken(rows), score[rows]) for name, score in scores.items()},
    )


def _scores_of(name: str, psi_hat: Any, n: int) -> FloatArray:
    score = as_finite_column(psi_hat, f"psi_hat of {name}")
    if score.size != n:
        raise DataError(
            f"psi_hat of {name} has {score.size} entries but gold_gain has {n}: give one per query "
            "in both."
        )
    return score

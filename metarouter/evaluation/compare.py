"""Compare routers on one set of test queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._efficiency_gain import area_influence, influence_error, rank_gains
from metarouter.evaluation._intervals import normal_quantile
from metarouter.utils.arguments import validated
from metarouter.utils.columns import (
    FloatArray,
    as_finite_column,
    as_groups,
    as_level,
    as_weight,
    check_reference,
    check_routers,
    check_same_length,
)
from metarouter.utils.plotting import draw_dots
from metarouter.utils.style import router_label
from metarouter.utils.tables import Tabular, text_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RouterComparison", "compare_routers"]


@dataclass(frozen=True)
class RouterComparison(Tabular):
    """Areas of several routers on the same queries, and their differences from one of them.

    Parameters
    ----------
    routers : tuple of str
    reference : str
        The router that the others are compared with.
    area, area_se : ndarray of shape (n_routers,)
        Area under the efficiency gain and its standard error, in gold units.
    difference, difference_se : ndarray of shape (n_routers,)
        Area minus that of the reference, and the standard error of this paired difference.
    level : float
        Level of the intervals.
    n : int
        Number of queries.
    """

    routers: tuple[str, ...]
    reference: str
    area: FloatArray
    area_se: FloatArray
    difference: FloatArray
    difference_se: FloatArray
    level: float
    n: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per router.

        Returns
        -------
        DataFrame
            Columns ``router``, ``area``, ``se``, ``ci_low``, ``ci_high``, ``reference``,
            ``difference``, ``difference_se``, ``difference_low``, ``difference_high``.
        """
        import pandas as pd

        margin = normal_quantile(self.level)
        return pd.DataFrame(
            {
                "router": self.routers,
                "area": self.area,
                "se": self.area_se,
                "ci_low": self.area - margin * self.area_se,
                "ci_high": self.area + margin * self.area_se,
                "reference": self.reference,
                "difference": self.difference,
                "difference_se": self.difference_se,
                "difference_low": self.difference - margin * self.difference_se,
                "difference_high": self.difference + margin * self.difference_se,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the areas with their intervals, beside the zero of random routing.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        names = [router_label(name) for name in self.routers]
        margin = normal_quantile(self.level) * self.area_se
        ax = draw_dots(names, self.area, self.area - margin, self.area + margin, ax)
        ax.set_xlabel(f"area under the efficiency gain ({self.level:.0%} intervals)")
        return ax

    def summary(self) -> str:
        """Return the table as text."""
        frame = self.to_frame()
        shown = frame.drop(columns="reference").rename(
            columns={"difference": f"vs {self.reference}", "difference_se": "paired se"}
        )
        return text_table(
            "Area under the efficiency gain",
            shown,
            facts={"queries": f"{self.n}", "level": f"{self.level:g}"},
            notes=(
                "Standard errors are over new test queries, with the fitted routers held fixed;",
                "they do not hold the uncertainty of training. Differences are paired.",
            ),
        )


@validated()
def compare_routers(
    gold_gain: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    *,
    reference: str | None = None,
    level: float = 0.95,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> RouterComparison:
    """Areas under the efficiency gain of several routers, with paired differences.

    Parameters
    ----------
    gold_gain : array-like of shape (n,)
        Gold labels of the test queries.
    predictions : dict of str to array-like of shape (n,)
        psi-hat of each router.
    reference : str, optional
        The router to compare with; the first by default.
    level : float, default=0.95
        Level of the intervals.
    sample_weight : array-like of shape (n,), optional
    groups : array-like of shape (n,), optional
        Queries that share a value may depend on each other; standard errors then count groups.

    Returns
    -------
    RouterComparison

    Raises
    ------
    DataError
        If lengths differ or values are missing or infinite; the router is named.
    MetaRouterError
        If there is no router, the reference is none of them, or the level is not one.

    Notes
    -----
    The standard error of a difference is that of the difference of the two influence functions,
    query by query: what a query does to both routers cancels.

    Examples
    --------
    >>> comparison = compare_routers(
    ...     [2.0, 1.0, -1.0, -2.0],
    ...     {"pooled": [0.1, 0.4, 0.2, 0.0], "r_learner": [0.9, 0.4, 0.1, -0.3]},
    ... )
    >>> comparison.to_frame()[["router", "area", "difference"]]
          router    area  difference
    0     pooled  0.1875        0.00
    1  r_learner  0.4375        0.25
    """
    check_routers(predictions)
    names = list(predictions)
    reference = names[0] if reference is None else reference
    check_reference(reference, names)
    gain = as_finite_column(gold_gain, "gold_gain")
    weight = as_weight(sample_weight, gain.size)
    numbers = as_groups(groups, gain.size)

    share = weight / weight.sum()
    centred = gain - share @ gain
    area, influence = np.empty(len(names)), np.empty((len(names), gain.size))
    for k, name in enumerate(names):
        score = _scores_of(name, predictions[name], gain.size)
        area[k], influence[k] = area_influence(centred, rank_gains(centred, score, share), share)
    base = names.index(reference)
    return RouterComparison(
        routers=tuple(names),
        reference=reference,
        area=area,
        area_se=_errors(influence, share, numbers),
        difference=area - area[base],
        difference_se=_errors(influence - influence[base], share, numbers),
        level=as_level(level),
        n=int((weight > 0).sum()),
    )


def _scores_of(name: str, psi_hat: ArrayLike, n: int) -> FloatArray:
    score = as_finite_column(psi_hat, f"psi_hat of {name}")
    check_same_length(f"psi_hat of {name}", score.size, "gold_gain", n)
    return score


def _errors(
    influence: FloatArray, share: FloatArray, groups: NDArray[np.intp] | None
) -> FloatArray:
    return np.array([influence_error(row, share, groups) for row in influence])

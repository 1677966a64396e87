"""What a tuned trade-off does on the queries that it was tuned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from metarouter.routing._budget import BUDGETS, spending
from metarouter.routing._cost_model import counted
from metarouter.routing._pipeline import with_w
from metarouter.routing.threshold_router import decision

__all__ = ["TunedThreshold"]


@dataclass(frozen=True, kw_only=True)
class TunedThreshold:
    """The smallest w that keeps a budget, as `tune_threshold` returns it.

    The values describe the n queries that w was tuned on. The standard errors and the interval say
    how far they may lie from what this w does on new queries of the same source; that w was chosen
    on the same queries changes them to second order only. They take queries to be independent;
    where few queries pay a high price, an interval of two standard errors covers a little less
    (94% instead of 95% with 300 queries).

    Attributes
    ----------
    w : float
        The trade-off: gain demanded per unit of extra cost.
    budget : str
        Which budget was given: "max_share", "max_cost" or "max_cost_ratio".
    limit : float
        Its value.
    spent : float
        What of it is used on these queries, never more than `limit`.
    usage_ratio : float
        Share of the queries sent to the primary model.
    usage_ratio_se : float
        Its binomial standard error.
    usage_ratio_interval : tuple of float
        95% Wilson interval of the usage ratio.
    mean_cost, mean_cost_se : float
        Mean cost per query in the unit of the cost model, and its standard error.
    gain, gain_se : float or None
        Realised quality gain per query over always asking the alternative, averaged over the
        queries with a gold label, and its standard error (NaN for one label); None without labels.
    n : int
        Number of queries.
    n_gold : int
        Number of them that carry a gold label.
    n_tied : int
        Number of queries that stay with the alternative only because they are tied at `w` and the
        budget does not reach for all of them; 0 where no tie matters.
    """

    w: float
    budget: str
    limit: float
    spent: float
    usage_ratio: float
    usage_ratio_se: float
    usage_ratio_interval: tuple[float, float]
    mean_cost: float
    mean_cost_se: float
    gain: float | None
    gain_se: float | None
    n: int
    n_gold: int
    n_tied: int

    @classmethod
    def measure(
        cls,
        w: float,
        psi_hat: NDArray[np.float64],
        costs: NDArray[np.float64],
        gold: NDArray[np.float64] | None,
        *,
        budget: str,
        limit: float,
    ) -> TunedThreshold:
        """Measure what the trade-off `w` does on a sample of queries."""
        margin = decision(psi_hat, costs[:, 1] - costs[:, 0], w)
        to_primary = margin > 0
        paid = np.where(to_primary, costs[:, 1], costs[:, 0])
        usage_ratio, mean_cost = float(to_primary.mean()), float(paid.mean())
        n = len(psi_hat)
        labelled = np.zeros(n, dtype=bool) if gold is None else ~np.isnan(gold)
        realised = None if gold is None else np.where(to_primary, gold, 0.0)[labelled]
        return cls(
            w=w,
            budget=budget,
            limit=limit,
            spent=spending(to_primary, costs, budget),
            usage_ratio=usage_ratio,
            usage_ratio_se=float(np.sqrt(usage_ratio * (1 - usage_ratio) / n)),
            usage_ratio_interval=_wilson_interval(usage_ratio, n),
            mean_cost=mean_cost,
            mean_cost_se=_standard_error(paid),
            gain=None if realised is None else float(realised.mean()),
            gain_se=None if realised is None else _standard_error(realised),
            n=n,
            n_gold=int(labelled.sum()),
            n_tied=_tied(psi_hat, costs, to_primary, w, budget, limit),
        )

    def apply(self, router: Any) -> Any:
        """Give a copy of `router` that uses this w.

        Parameters
        ----------
        router : ThresholdRouter or Pipeline
            It is not changed; its fitted parts are shared with the copy.

        Returns
        -------
        ThresholdRouter or Pipeline
        """
        return with_w(router, self.w)

    def summary(self) -> str:
        """Say in a few lines what the threshold does, with its uncertainty."""
        low, high = self.usage_ratio_interval
        lines = [
            f"w = {self.w:.6g} keeps the {BUDGETS[self.budget]} at {self.spent:.6g}, "
            f"budget {self.limit:g} ({counted(self.n, 'query')})",
            f"usage ratio {self.usage_ratio:.4f} (s.e. {self.usage_ratio_se:.4f}, "
            f"95% interval {low:.4f} to {high:.4f})",
            f"mean cost per query {self.mean_cost:.6g} (s.e. {self.mean_cost_se:.2g})",
        ]
        if self.gain is not None:
            lines.append(
                f"realised quality gain per query {self.gain:.4f} (s.e. {self.gain_se:.4f}, "
                f"{counted(self.n_gold, 'gold label')})"
            )
        if self.n_tied:
            lines.append(
                f"{self.n_tied} queries are tied at w and stay with the alternative: "
                "the budget does not reach for all of them"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()


def _tied(
    psi_hat: NDArray[np.float64],
    costs: NDArray[np.float64],
    to_primary: NDArray[np.bool_],
    w: float,
    budget: str,
    limit: float,
) -> int:
    """Count the queries at the threshold, where one of them could still be afforded."""
    extra = costs[:, 1] - costs[:, 0]
    # A few units in the last place below: a ratio that is rounded may tie one step further off.
    just_below = decision(psi_hat, extra, w * (1 - 4 * np.finfo(float).eps)) > 0
    tied = np.flatnonzero(just_below & ~to_primary & (extra > 0)) if w > 0 else np.empty(0, int)
    if len(tied) < 2:
        return 0
    one_more = to_primary.copy()
    one_more[tied[np.argmin(extra[tied])]] = True
    return len(tied) if spending(one_more, costs, budget) <= limit else 0


def _wilson_interval(share: float, n: int, level: float = 0.95) -> tuple[float, float]:
    z = float(norm.ppf(0.5 + level / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

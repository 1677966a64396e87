"""A threshold with its guarantee."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference.guarantees._observed import Promise
from metarouter.inference.intervals import FloatArray
from metarouter.routing._pipeline import with_w
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CertifiedThreshold", "GuaranteePath"]

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_METHODS = {
    "hoeffding_bentkus": "Hoeffding-Bentkus",
    "binomial": "exact binomial",
    "clt": "normal approximation",
    "conformal": "conformal risk control",
    "": "",
}


@dataclass(frozen=True)
class GuaranteePath:
    """Every demand at every trade-off that was looked at.

    Parameters
    ----------
    w, usage_ratio : ndarray of shape (m,)
        The trade-off, and the share of queries that it sends to the primary model.
    distance : dict of str to ndarray of shape (m,)
        For every demand, how far the observed value lies on its good side of the limit, in
        standard errors.
    p_value : dict of str to ndarray of shape (m,)
        Of "the demand is not met".
    certified : ndarray of bool of shape (m,)
    """

    w: FloatArray
    usage_ratio: FloatArray
    distance: dict[str, FloatArray]
    p_value: dict[str, FloatArray]
    certified: Any

    def to_frame(self) -> pd.DataFrame:
        """Return one row per trade-off."""
        import pandas as pd

        columns: dict[str, Any] = {"w": self.w, "usage_ratio": self.usage_ratio}
        for name, p_value in self.p_value.items():
            columns[f"p_value_{name}"] = p_value
        return pd.DataFrame(columns | {"certified": self.certified})


@dataclass(frozen=True)
class CertifiedThreshold(Printed):
    """The trade-off w that keeps every demand with a stated probability, if there is one.

    Parameters
    ----------
    w : float
        The chosen trade-off; NaN if none is certified.
    certified_low, certified_high : float
        Smallest and largest certified w. All certified w keep all demands at once.
    promises : tuple of Promise
        The demands first, then what else is known of the routing. Where nothing is certified they
        describe the w at which the demands come closest to being met.
    delta : float
        The promise may be broken with this probability, over draws of the queries at hand.
    guarantee : {"finite samples", "large samples", "in expectation only"}
    search : {"ends", "split"}
    n, n_gold, n_units : int
        Queries, gold labels, independent units that the guarantee rests on.
    level : float
        Of the two-sided intervals.
    verdict : Verdict
        PASS if a threshold is certified, CAUTION if only in expectation, else INCONCLUSIVE.
    needed_gold, needed_queries : int or None
        Gold labels and queries that would certify one, if what is observed is right.
    reason : str
    path : GuaranteePath
    """

    w: float
    certified_low: float
    certified_high: float
    promises: tuple[Promise, ...]
    delta: float
    guarantee: str
    search: str
    n: int
    n_gold: int
    n_units: int
    level: float
    verdict: Verdict
    needed_gold: int | None
    needed_queries: int | None
    reason: str
    path: GuaranteePath = field(repr=False)

    @property
    def is_certified(self) -> bool:
        """Whether there is a threshold that keeps the demands."""
        return not np.isnan(self.w)

    def apply(self, router: Any) -> Any:
        """Give a copy of `router` that uses the certified w.

        Parameters
        ----------
        router : ThresholdRouter or Pipeline
            It is not changed; its fitted parts are shared with the copy.

        Returns
        -------
        ThresholdRouter or Pipeline

        Raises
        ------
        MetaRouterError
            If no threshold is certified.
        """
        if not self.is_certified:
            raise MetaRouterError(f"No threshold is certified, so none is set. {self.reason}")
        return with_w(router, self.w)

    def promise(self, name: str) -> Promise:
        """Return the promise of one name, as ``max_share`` or ``min_gain``."""
        return next(promise for promise in self.promises if promise.name == name)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per demand, and per quantity that is only observed."""
        import pandas as pd

        return pd.DataFrame(
            {
                "quantity": [promise.words for promise in self.promises],
                "demand": [promise.demand for promise in self.promises],
                "observed": [promise.value for promise in self.promises],
                "ci_low": [promise.lower for promise in self.promises],
                "ci_high": [promise.upper for promise in self.promises],
                "p_value": [promise.p_value for promise in self.promises],
                "by": [_METHODS[promise.method] for promise in self.promises],
                "n": [promise.n for promise in self.promises],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw how far every demand is from its limit, at every usage ratio.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        usage, certified = self.path.usage_ratio, self.path.certified
        if certified.any():
            low, high = usage[certified].min(), usage[certified].max()
            ax.axvspan(low, high, color="#7F7F7F", alpha=0.2, linewidth=0, label="certified")
        if self.is_certified:
            chosen = usage[int(np.argmin(np.abs(self.path.w - self.w)))]
            ax.axvline(chosen, color="#1A1A1A", linewidth=1.2, label=f"chosen, w = {self.w:.3g}")
        words = {promise.name: f"{promise.words} {promise.demand}" for promise in self.promises}
        for (name, distance), color in zip(self.path.distance.items(), _COLORS, strict=False):
            ax.plot(usage, distance, color=color, linewidth=1.5, label=words[name])
        ax.axhline(0.0, **reference_line(), label="limit")
        ax.set_xlabel("share of queries sent to the primary model")
        ax.set_ylabel("distance to the limit, in standard errors")
        ax.set_ylim(*_shown(list(self.path.distance.values())))
        ax.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))
        return ax

    def _title(self) -> str:
        return "Threshold with a guarantee"

    def _facts(self) -> dict[str, str]:
        units = {} if self.n_units == self.n else {"independent groups": f"{self.n_units}"}
        return (
            {"queries": f"{self.n}", "gold labels": f"{self.n_gold}"}
            | units
            | {
                "w": f"{self.w:.6g}",
                "certified w": f"{self.certified_low:.6g} to {self.certified_high:.6g}",
                "guarantee": self.guarantee,
                "broken with probability": f"at most {self.delta:g}"
                if self.guarantee != "in expectation only"
                else "not limited",
                "level of the intervals": f"{self.level:g}",
                "verdict": str(self.verdict),
            }
        )

    def _notes(self) -> tuple[str, ...]:
        grouped = " Labels are counted in groups like those at hand." * (self.n_units != self.n)
        return (
            self.reason + grouped,
            "ci: of the chosen threshold by itself. The guarantee is about new queries of the same "
            "source, with the gain model held fixed, which must not have seen these labels.",
        )


def _shown(distances: list[FloatArray]) -> tuple[float, float]:
    """Keep the part of the picture where the demands are close to their limits."""
    finite = np.concatenate([d[np.isfinite(d)] for d in distances])
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    return max(low, -12.0) - 0.5, min(high, 12.0) + 0.5

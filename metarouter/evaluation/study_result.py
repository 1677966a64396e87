"""What a Monte Carlo study found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets import LabelledQueries
from metarouter.evaluation._curve_display import MeanCurve
from metarouter.evaluation._intervals import monte_carlo_error
from metarouter.evaluation._rounds import RoundOutcome, RoundPlan
from metarouter.evaluation._study_estimates import (
    Interval,
    OverRounds,
    over_rounds,
    pairs_of,
)
from metarouter.exceptions import MetaRouterError
from metarouter.utils.columns import FloatArray
from metarouter.utils.tables import Tabular, text_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StudyResult"]


@dataclass(frozen=True)
class StudyResult(Tabular):
    """Efficiency gains of every router, number of gold labels and round.

    Parameters
    ----------
    routers : tuple of str
    n_gold : tuple of int
    usage : ndarray of shape (n_grid,)
    area : ndarray of shape (n_rounds, n_routers, n_sizes)
        Area under the efficiency gain, in gold units.
    efficiency_gain : ndarray of shape (n_rounds, n_routers, n_sizes, n_grid)
    n_test, n_train : ndarray of int of shape (n_rounds,)
        Test and training queries.
    fits, reused, rows : ndarray of int of shape (n_rounds,)
        Base-learner fits made, fits that the round had made before, and rows fitted.
    seconds_inside, seconds : ndarray of shape (n_rounds,)
        Time inside base learners, and of the whole round.
    data_name : str
    n_queries : int
    grouped : bool
        Whether test sets were whole groups.

    Notes
    -----
    Two standard errors answer two questions.

    ``se``, the Monte Carlo standard error s / sqrt(J) over J rounds, says how well the mean over
    random splits of this very table is known. It is what published curves show, and it goes to
    zero with more rounds. It supports claims about this table only.

    ``se_corrected`` is the corrected resampled standard error of Nadeau & Bengio (2003),
    sqrt((1 / J + n_test / n_train) s^2). The rounds split one table, so their training sets
    overlap and their test sets recur: no number of rounds replaces new queries. It supports claims
    about routers trained on another table of this size from the same source, and does not go to
    zero with more rounds. It is an approximation: nominal for areas and conservative for paired
    differences in our simulations (tests/statistical/test_study_coverage.py), where intervals
    from ``se`` cover new tables far too seldom. It knows nothing of groups: where few groups make
    up the table, new groups may differ by more than it says.
    """

    routers: tuple[str, ...]
    n_gold: tuple[int, ...]
    usage: FloatArray
    area: FloatArray
    efficiency_gain: FloatArray
    n_test: NDArray[np.int64]
    n_train: NDArray[np.int64]
    fits: NDArray[np.int64]
    reused: NDArray[np.int64]
    rows: NDArray[np.int64]
    seconds_inside: FloatArray
    seconds: FloatArray
    data_name: str = "queries"
    n_queries: int = 0
    grouped: bool = False

    @classmethod
    def from_rounds(
        cls, outcomes: Sequence[RoundOutcome], plan: RoundPlan, data: LabelledQueries
    ) -> StudyResult:
        """Stack the outcomes of all rounds."""
        stacked = {
            name: np.stack([np.asarray(getattr(outcome, name)) for outcome in outcomes])
            for name in RoundOutcome.__dataclass_fields__
        }
        return cls(
            routers=plan.names,
            n_gold=plan.n_gold,
            usage=np.linspace(0.0, 1.0, stacked["efficiency_gain"].shape[-1]),
            data_name=data.name,
            n_queries=data.n_queries,
            grouped=plan.grouped,
            **stacked,
        )

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.area)

    @property
    def test_to_train(self) -> float:
        """Test queries per training query, on average."""
        return float(np.mean(self.n_test / self.n_train))

    def areas(self, *, level: float = 0.95, interval: Interval = "corrected") -> pd.DataFrame:
        """Mean area under the efficiency gain of every router.

        Parameters
        ----------
        level : float, default=0.95
        interval : {"corrected", "monte_carlo"}, default="corrected"
            Which standard error ``lo`` and ``hi`` rest on; see the notes.

        Returns
        -------
        DataFrame
            Columns ``router``, ``n_gold``, ``area``, ``se``, ``se_corrected``, ``rounds``, ``lo``,
            ``hi``; one row per router and number of gold labels.
        """
        import pandas as pd

        area = self._over_rounds(self.area, level, interval)
        index = pd.MultiIndex.from_product([self.routers, self.n_gold], names=["router", "n_gold"])
        columns = {
            "area": area.mean.ravel(),
            "se": area.se.ravel(),
            "se_corrected": area.se_corrected.ravel(),
            "rounds": self.n_rounds,
            "lo": area.low.ravel(),
            "hi": area.high.ravel(),
        }
        return pd.DataFrame(columns, index=index).reset_index()

    def curves(self) -> pd.DataFrame:
        """Mean efficiency gain at every usage ratio.

        Returns
        -------
        DataFrame
            Columns ``router``, ``n_gold``, ``usage``, ``efficiency_gain``, ``se`` (Monte Carlo).
        """
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [self.routers, self.n_gold, self.usage], names=["router", "n_gold", "usage"]
        )
        columns = {
            "efficiency_gain": self.efficiency_gain.mean(axis=0).ravel(),
            "se": monte_carlo_error(self.efficiency_gain).ravel(),
        }
        return pd.DataFrame(columns, index=index).reset_index()

    def mean_curves(self, n_gold: int) -> dict[str, MeanCurve]:
        """Mean curve of every router with ``n_gold`` gold labels, ready to be drawn."""
        if n_gold not in self.n_gold:
            sizes = ", ".join(map(str, self.n_gold))
            raise MetaRouterError(f"No round had n_gold={n_gold}: choose one of {sizes}.")
        size = self.n_gold.index(n_gold)
        mean = self.efficiency_gain[:, :, size].mean(axis=0)
        se = monte_carlo_error(self.efficiency_gain[:, :, size])
        return {name: MeanCurve(self.usage, mean[k], se[k]) for k, name in enumerate(self.routers)}

    def paired_differences(
        self,
        reference: str | None = None,
        *,
        level: float = 0.95,
        interval: Interval = "corrected",
    ) -> pd.DataFrame:
        """Differences in area between routers, round by round.

        Parameters
        ----------
        reference : str, optional
            Subtract this router's area from that of all others, or "all pairs". By default
            ``pooled``, the paper's baseline, where it was studied, else the first router.
        level : float, default=0.95
        interval : {"corrected", "monte_carlo"}, default="corrected"
            Which standard error the intervals rest on; see the notes.

        Returns
        -------
        DataFrame
            Columns ``router``, ``reference``, ``n_gold``, ``difference``, ``se``,
            ``se_corrected``, ``ci_low``, ``ci_high``.

        Raises
        ------
        MetaRouterError
            If the reference is not among the routers.
        """
        import pandas as pd

        pairs = pairs_of(self.routers, reference)
        k = [self.routers.index(name) for name, _ in pairs]
        base = [self.routers.index(name) for _, name in pairs]
        difference = self._over_rounds(self.area[:, k] - self.area[:, base], level, interval)
        names = [(*pair, size) for pair in pairs for size in self.n_gold]
        frame = pd.DataFrame(names, columns=["router", "reference", "n_gold"])
        return frame.assign(
            difference=difference.mean.ravel(),
            se=difference.se.ravel(),
            se_corrected=difference.se_corrected.ravel(),
            ci_low=difference.low.ravel(),
            ci_high=difference.high.ravel(),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return the area of every round: columns ``round``, ``router``, ``n_gold``, ``area``."""
        import pandas as pd

        index = pd.MultiIndex.from_product(
            [range(self.n_rounds), self.routers, self.n_gold], names=["round", "router", "n_gold"]
        )
        return pd.DataFrame({"area": self.area.ravel()}, index=index).reset_index()

    def summary(self, *, level: float = 0.95) -> str:
        """Return areas as text: one row per router, one column per number of gold labels."""
        frame = self.areas(level=level)
        cells = [
            f"{area:.4f} ({se:.4f}) [{corrected:.4f}]"
            for area, se, corrected in zip(frame.area, frame.se, frame.se_corrected, strict=True)
        ]
        wide = frame.assign(cell=cells).pivot(index="router", columns="n_gold", values="cell")
        wide = wide.loc[list(self.routers), list(self.n_gold)]
        wide.columns = [f"n_gold = {size}" for size in self.n_gold]
        share = self.seconds_inside.sum() / self.seconds.sum()
        facts = {
            "data": self.data_name,
            "rounds": f"{self.n_rounds}",
            "queries": f"{self.n_queries}",
            "test queries": f"{self.n_test.mean():.0f}" + (" (whole groups)" * self.grouped),
            "fits per round": f"{self.fits.mean():.1f}, and {self.reused.mean():.1f} reused",
            "seconds per round": f"{self.seconds.mean():.2f}, {share:.1%} in base learners",
        }
        notes = (
            "Mean over rounds; ( ) Monte Carlo s.e.: this table, more splits;",
            "[ ] corrected resampled s.e. (Nadeau & Bengio 2003): another table of this size.",
        )
        return text_table(
            "Area under the efficiency gain", wide.reset_index(), facts=facts, notes=notes
        )

    def plot(self, axes: Any = None, *, bands: bool = True, level: float = 0.95) -> Any:
        """Draw one panel per number of gold labels.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            One per number of gold labels; a new figure by default.
        bands : bool, default=True
            Pointwise bands from the Monte Carlo standard error.
        level : float, default=0.95
            Pointwise level of the bands.

        Returns
        -------
        list of EfficiencyGainDisplay
        """
        from metarouter.evaluation._panels import plot_panels

        panels = {f"{size} gold labels": self.mean_curves(size) for size in self.n_gold}
        return plot_panels(panels, axes, bands=bands, level=level)

    def _table(self) -> pd.DataFrame:
        return self.areas()

    def _over_rounds(self, values: FloatArray, level: float, interval: Interval) -> OverRounds:
        return over_rounds(values, self.test_to_train, level, interval)

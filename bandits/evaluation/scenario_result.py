"""What a study of routers in changing worlds found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation._figure import router_name
from bandits.play_log import PlayLog
from metarouter.evaluation import Estimates, clustered_means
from metarouter.utils.markdown import with_interval
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Played", "ScenarioResult"]

_MEASURES = ("score", "cost", "reward", "regret", "late_regret")


class Played(NamedTuple):
    """One router, played once in one world."""

    router: str
    scenario: str
    means: dict[str, float]  # per round
    sizes: list[int]  # bytes of the saved router, where it was saved

    @classmethod
    def of(
        cls, router: str, scenario: str, logs: list[PlayLog], sizes: list[int] | None = None
    ) -> Self:
        """Sum up the logs of a play, one after the other."""
        columns = {
            "score": np.concatenate([log.quality for log in logs]),
            "cost": np.concatenate([log.cost for log in logs if log.cost is not None]),
            "reward": np.concatenate([log.reward for log in logs]),
            "regret": np.concatenate([log.regret for log in logs]),
        }
        columns["late_regret"] = columns["regret"][-len(columns["regret"]) // 3 :]
        means = {name: float(values.mean()) for name, values in columns.items()}
        return cls(router, scenario, means, sizes or [])


@dataclass(frozen=True)
class ScenarioResult(Printed):
    """Means per round of every router in every world, one per seed.

    Parameters
    ----------
    name : str
        Of the data.
    routers, scenarios : tuple of str
    values : dict of str to ndarray of shape (n_seeds, n_scenarios, n_routers)
        Score, cost, reward, regret to the best model that could be called, and the same regret in
        the last third of the rounds (``late_regret``).
    sizes : dict of str to list of int
        Largest size in bytes of each router's file, halfway and in the end.
    reference : str
        The router that others are compared with.
    seeds, rounds : int

    Notes
    -----
    Seeds are the units of all errors, since the rounds of a play hang together by what is learned.
    """

    name: str
    routers: tuple[str, ...]
    scenarios: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    sizes: dict[str, list[int]]
    reference: str
    seeds: int
    rounds: int

    @classmethod
    def of(
        cls, plays: Iterable[Played], *, name: str, reference: str, seeds: int, rounds: int
    ) -> Self:
        """Put plays, which come seed after seed, into tables."""
        played = list(plays)
        routers = tuple(dict.fromkeys(play.router for play in played))
        scenarios = tuple(dict.fromkeys(play.scenario for play in played))
        shape = (seeds, len(routers), len(scenarios))
        values = {
            measure: np.array([play.means[measure] for play in played])
            .reshape(shape)
            .transpose(0, 2, 1)
            for measure in _MEASURES
        }
        sizes: dict[str, list[int]] = {router: [0, 0] for router in routers}
        for play in played:
            if play.sizes:
                sizes[play.router] = [*map(max, sizes[play.router], play.sizes)]
        return cls(name, routers, scenarios, values, sizes, reference, seeds, rounds)

    def estimates(self, measure: str, scenario: str) -> Estimates:
        """Return the mean over seeds of every router in a world."""
        return clustered_means(self.values[measure][:, self.scenarios.index(scenario)])

    def differences(self, scenario: str) -> Estimates:
        """Return reward minus that of the reference, paired seed by seed, of every router."""
        reward = self.values["reward"][:, self.scenarios.index(scenario)]
        return clustered_means(reward - reward[:, [self.routers.index(self.reference)]])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per world and router.

        Returns
        -------
        DataFrame
            Columns ``scenario``, ``router``, then ``score``, ``cost``, ``reward``, ``regret`` and
            ``late_regret`` per round, each followed by its standard error ``se_...``, and
            ``difference`` (reward minus that of the reference, paired) with ``se_difference``,
            ``difference_low`` and ``difference_high`` at 95%.
        """
        import pandas as pd

        frames = []
        for scenario in self.scenarios:
            columns: dict[str, object] = {"scenario": scenario, "router": self.routers}
            for measure in _MEASURES:
                found = self.estimates(measure, scenario)
                columns |= {measure: found.value, f"se_{measure}": found.se}
            difference = self.differences(scenario)
            low, high = difference.interval()
            columns |= {"difference": difference.value, "se_difference": difference.se}
            columns |= {"difference_low": low, "difference_high": high}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def plot(self, ax: Any = None) -> Any:
        """Draw the reward of every router minus that of the reference, worlds in rows.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from bandits.evaluation._intervals import draw_intervals

        kept = [k for k, name in enumerate(self.routers) if name != self.reference]
        found = [self.differences(scenario) for scenario in self.scenarios]
        value = np.array([estimates.value[kept] for estimates in found])
        low, high = np.array([estimates.interval() for estimates in found])[:, :, kept].swapaxes(
            0, 1
        )
        names = [router_name(self.routers[k]) for k in kept]
        rows = [scenario.replace("_", " ") for scenario in self.scenarios]
        ax = draw_intervals(ax, rows, names, value, low, high)
        ax.set_xlabel(
            f"reward per round minus that of {router_name(self.reference)}, 95% intervals over "
            f"{self.seeds} seeds"
        )
        ax.set_title(self._title())
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return ax

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        rows = []
        for scenario in self.scenarios:
            found = self.differences(scenario)
            cells = map(with_interval, found.value, *found.interval())
            named = dict(zip(map(router_name, self.routers), cells, strict=True))
            named.pop(router_name(self.reference))
            rows.append({"world": scenario, **named})
        return pd.DataFrame(rows)

    def _title(self) -> str:
        return f"Routers in worlds that change: {self.name}, {self.rounds} rounds"

    def _facts(self) -> dict[str, str]:
        return {"Seeds": str(self.seeds), "Reference": router_name(self.reference)}

    def _notes(self) -> tuple[str, ...]:
        return ("Reward per round minus that of the reference, 95% intervals over seeds, paired.",)

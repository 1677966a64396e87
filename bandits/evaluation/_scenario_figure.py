"""The figure of a study in changing worlds: what every router earns more than a fixed choice."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bandits.evaluation._figure import router_name
from bandits.evaluation.scenario_result import ScenarioResult
from metarouter._files import atomic_path

__all__ = ["save_scenario_figure"]

_DOTS_PER_INCH = 150
_BAND = 0.76  # of the height of a world, shared out among its routers


def save_scenario_figure(result: ScenarioResult, path: str | os.PathLike[str]) -> Path:
    """Draw reward minus the reference's, worlds one below the other, and write it to a file.

    Parameters
    ----------
    result : ScenarioResult
    path : str or path-like
        Its ending chooses the format. The file appears whole or not at all.

    Returns
    -------
    pathlib.Path
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from metarouter.evaluation._style import router_styles

    shown = [name for name in result.routers if name != result.reference]
    styles = router_styles([router_name(name) for name in shown])
    height = 1.4 + 0.16 * len(result.scenarios) * (len(shown) + 1)
    figure = Figure(figsize=(8.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, name in enumerate(shown):
        place = result.routers.index(name)
        found = [result.differences(scenario) for scenario in result.scenarios]
        value = np.array([estimate.value[place] for estimate in found])
        low, high = np.array([np.ravel(estimate.interval())[[place, place + len(result.routers)]]
                              for estimate in found]).T  # fmt: skip
        style = styles[router_name(name)]
        axes.errorbar(
            value,
            np.arange(len(found)) + _BAND * ((number + 0.5) / len(shown) - 0.5),
            xerr=np.vstack([value - low, high - value]),
            fmt=style.marker,
            color=style.color,
            label=style.label,
            markersize=5.0,
            elinewidth=1.2,
        )
    axes.axvline(0.0, color="#7F7F7F", linewidth=0.9, zorder=1)
    for edge in np.arange(1, len(result.scenarios)) - 0.5:
        axes.axhline(edge, color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(result.scenarios)), [s.replace("_", " ") for s in result.scenarios])
    axes.set_ylim(len(result.scenarios) - 0.5, -0.5)
    axes.set_xlabel(
        f"reward per round minus that of {router_name(result.reference)}, 95% intervals over "
        f"{result.seeds} seeds"
    )
    axes.set_title(f"Routers in worlds that change: {result.name}, {result.rounds} rounds")
    figure.legend(loc="outside lower center", ncols=min(len(shown), 4), frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
    return Path(path)

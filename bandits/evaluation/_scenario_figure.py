"""The figure of a study in changing worlds, in a file."""

from __future__ import annotations

import os
from pathlib import Path

from bandits.evaluation.scenario_result import ScenarioResult
from metarouter.utils.files import atomic_path

__all__ = ["save_scenario_figure"]

_DOTS_PER_INCH = 150
_SIZE = (8.0, 12.6)


def save_scenario_figure(result: ScenarioResult, path: str | os.PathLike[str]) -> Path:
    """Draw a study and write it to a file.

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

    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = result.plot(figure.subplots())
    axes.get_legend().remove()
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
    return Path(path)

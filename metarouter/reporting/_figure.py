"""The figure of a study: one panel of efficiency-gain curves per number of gold labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from metarouter.utils.files import atomic_path

if TYPE_CHECKING:
    from metarouter.evaluation import StudyResult


_PANEL_WIDTH = 4.4
_HEIGHT = 4.8
_DOTS_PER_INCH = 150


def save_efficiency_gain_figure(
    result: StudyResult, path: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Draw the mean curves of a study and write them to a file.

    Parameters
    ----------
    result : StudyResult
    path : str or path-like
        A file such as ``efficiency_gain.png``; its ending chooses the format. It appears whole or
        not at all.
    title : str, optional
        By default the name of the data.

    Returns
    -------
    pathlib.Path
        The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from metarouter.evaluation import EfficiencyGainDisplay

    sizes = sorted(result.n_gold)
    figure = Figure(
        figsize=(max(6.4, _PANEL_WIDTH * len(sizes)), _HEIGHT),
        layout=ConstrainedLayoutEngine(wspace=0.05),
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for panel, size in zip(panels, sizes, strict=True):
        display = EfficiencyGainDisplay.from_curves(result.mean_curves(size))
        display.plot(panel, legend=False, title=f"{size} gold labels")
        panel.label_outer()
    handles = list(display.lines_.values())
    figure.suptitle(f"What routing gains over random routing: {title or result.data_name}")
    figure.legend(
        handles=handles,
        labels=[str(line.get_label()) for line in handles],
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize="small",
        handlelength=3.2,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
    return Path(path)

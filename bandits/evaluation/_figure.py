"""The figure of a study: what quality every router buys at what cost, seen and unseen tasks."""

from __future__ import annotations

import os
import textwrap
from math import ceil
from pathlib import Path

from bandits.evaluation.study_result import MIXTURE, SPLITS, BanditStudyResult
from metarouter.utils.files import atomic_path

__all__ = ["router_name", "save_cost_quality_figure"]

_NAMES = {
    "linucb": "LinUCB",
    "lints": "LinTS",
    "epsilon_greedy": "ε-greedy",
    "square_cb": "SquareCB",
    "barp": "BaRP",
    "barp_full_information": "BaRP on all outcomes",
    "forgetting_linucb": "forgetting LinUCB",
    "beta_ts": "Beta-TS",
    "full_information": "ridge on all outcomes",
    "best_constant": "best constant model",
    "random": "random",
    "oracle": "oracle",
    MIXTURE: "mixture of models",
}
_TITLES = dict(zip(SPLITS, ("learned from", "never seen"), strict=True))
_PANEL_WIDTH = 5.6
_HEIGHT = 5.2
_DOTS_PER_INCH = 150
_LEGEND_COLUMNS = 4  # per panel
_QUERIES = 1000.0


def router_name(name: str) -> str:
    """Name of a router as printed for readers.

    Examples
    --------
    >>> router_name("lints"), router_name("constant:small")
    ('LinTS', 'small')
    """
    return _NAMES.get(name, name.removeprefix("constant:"))


def save_cost_quality_figure(result: BanditStudyResult, path: str | os.PathLike[str]) -> Path:
    """Draw the curves of a study, one panel per split, and write them to a file.

    Parameters
    ----------
    result : BanditStudyResult
    path : str or path-like
        Its ending chooses the format. The file appears whole or not at all.

    Returns
    -------
    pathlib.Path
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from metarouter.evaluation import CostQualityDisplay

    splits = [split for split in SPLITS if getattr(result, split)]
    figure = Figure(
        figsize=(max(6.4, _PANEL_WIDTH * len(splits)), _HEIGHT),
        layout=ConstrainedLayoutEngine(wspace=0.06),
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(splits), squeeze=False)[0]
    displays = []
    for panel, split in zip(panels, splits, strict=True):
        curves = {router_name(name): curve for name, curve in result.curves(split).items()}
        mixture = curves.pop(router_name(MIXTURE))
        models = dict(
            zip(result.matrix.models, zip(mixture.cost, mixture.quality, strict=True), strict=True)
        )
        displays.append(
            CostQualityDisplay(curves, models=models).plot(
                panel,
                cost_scale=_QUERIES,
                unit="US dollars per 1000 queries",
                log=True,
                legend=False,
                title=textwrap.fill(f"{_TITLES[split]}: {', '.join(getattr(result, split))}", 44),
            )
        )
    handles = list(displays[0].lines_.values())
    figure.suptitle(f"Quality bought by each router over its dial: {result.matrix.name}")
    figure.legend(
        handles=handles,
        labels=[str(line.get_label()) for line in handles],
        loc="outside lower center",
        ncols=_columns(len(handles), _LEGEND_COLUMNS * len(splits)),
        frameon=False,
        fontsize="small",
        handlelength=3.2,
    )
    for display in displays:
        display.arrange_labels()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
    return Path(path)


def _columns(n: int, most: int) -> int:
    """Return the columns of a legend whose rows are about equally long.

    Examples
    --------
    >>> _columns(6, 4), _columns(3, 4)
    (3, 3)
    """
    return ceil(n / ceil(n / most))

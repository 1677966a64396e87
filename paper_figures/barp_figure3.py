"""BaRP's figure 3: score and cost of one policy as cost weighs more.

    METAROUTER_DATA_HOME=... python -m paper_figures.barp_figure3 --out DIR

Lines are means over seeds, bands reach from the lowest to the highest seed. Beside the figure
stand, seed by seed, whether cost falls and score does not rise, and the hypervolume of the
sweep beside those of routers that saw all outcomes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metarouter.reporting import markdown_table
from metarouter.utils.files import atomic_path, write_text
from paper_figures._barp_study import (
    DATASETS,
    NAMES,
    TASKS,
    add_options,
    barp,
    barp_full,
    baselines,
    play,
)
from paper_figures._barp_sweep import AVERAGE, runs_of_seeds, sweep, volumes

# Okabe and Ito (2008): told apart by most eyes.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#7F7F7F")
RIVALS = ("barp", "barp_full", "full_information", "neighbours", "forest")
SPLITS = {"in_distribution": "learned from", "out_of_distribution": "never seen"}


def draw(sweeps: Mapping[str, pd.DataFrame], path: str | os.PathLike[str]) -> Path:
    """Draw one row of panels per data set, score and cost."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    figure = Figure(figsize=(10.5, 4.2 * len(sweeps)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(sweeps), 2, squeeze=False, sharex=True)
    for (score, cost), (dataset, frame) in zip(grid, sweeps.items(), strict=True):
        _draw_lines(score, frame, "score")
        _draw_lines(cost, frame, "cost")
        score.set(ylabel="score", title=f"{DATASETS[dataset]}: score")
        cost.set(ylabel="US dollars per 1000 queries", title="cost", yscale="log")
        cost.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        cost.yaxis.set_major_formatter("{x:g}")
        cost.yaxis.set_minor_locator(NullLocator())
        cost.legend(frameon=False, fontsize="small")
    for panel in grid[-1]:
        panel.set_xlabel("weight of cost, $w_c$")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return Path(path)


def _draw_lines(panel: Any, frame: pd.DataFrame, what: str) -> None:
    colours = iter(COLOURS)
    for (split, task), part in frame.groupby(["split", "task"], sort=False):
        colour = "black" if task == AVERAGE else next(colours)
        style = "-" if split == "in_distribution" else "--"
        name = f"average of tasks {SPLITS[split]}" if task == AVERAGE else TASKS[task]
        width = 2.4 if task == AVERAGE else 1.3
        panel.plot(part["w_cost"], part[what], style, color=colour, lw=width, label=name)
        low, high = part[f"{what}_low"], part[f"{what}_high"]
        alpha = 0.2 if task == AVERAGE else 0.07
        panel.fill_between(part["w_cost"], low, high, color=colour, alpha=alpha, lw=0)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_xlim(0, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, "barp_figure3")
    options = parser.parse_args(arguments)
    sweeps, sections = {}, []
    for dataset in options.only:
        ours = {"barp": barp(), "barp_full": barp_full()}
        result = play(dataset, {**baselines(), **ours}, options)
        sweeps[dataset] = sweep(result, "barp")
        for split, words in SPLITS.items():
            areas = volumes(result, {name: NAMES[name] for name in RIVALS}, split)
            sections += [
                f"## {DATASETS[dataset]}, tasks {words}",
                markdown_table(runs_of_seeds(result, "barp", split)),
                markdown_table(areas),
            ]
    with atomic_path(options.out / "barp_figure3.csv") as temporary:
        pd.concat(sweeps, names=["dataset"]).reset_index(level=0).to_csv(temporary, index=False)
    draw(sweeps, options.out / "barp_figure3.png")
    text = "\n\n".join(sections) + "\n"
    write_text(options.out / "barp_figure3.md", text)
    print(text)


if __name__ == "__main__":
    main()

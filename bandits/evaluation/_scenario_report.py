"""The report of a study in changing worlds: tables, a figure, and what they say, in one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bandits.evaluation._figure import router_name
from bandits.evaluation.scenario_result import ScenarioResult
from metarouter.reporting import markdown_table, package_versions
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path, write_text
from metarouter.utils.markdown import settings_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WORLDS", "cell_table", "write_scenario_report"]

_DOTS_PER_INCH = 150
_SIZE = (8.0, 12.6)

WORLDS = {
    "stationary": "nothing changes",
    "drifting": "the best and the worst model trade places over a third of the rounds",
    "dearer": "the best model costs ten times as much from the middle on",
    "cold_start": "the best model cannot be called before the middle",
    "withdrawn": "the best model cannot be called from the middle on",
    "sparse": "80% of the feedback never comes",
    "delayed": "feedback comes a twentieth of the rounds later",
    "censored": "90% of the feedback on bad answers never comes, and 10% of that on good ones",
    "poisoned": "20% of the feedback says the opposite",
    "restart": "halfway the router is saved, forgotten and loaded from its file",
}
_INTRODUCTION = (
    "All routers live in the same worlds; rewards are earned before anything is learned from them. "
    "*Best* is the model with the highest mean quality. `static` calls the model with the highest "
    "mean reward in the undisturbed outcomes of the very queries played, which nobody knows "
    "beforehand, and the next best where that one cannot be called. In brackets: standard errors "
    "over seeds; intervals are at 95%, by Student's t with the number of seeds minus one degrees "
    "of freedom, paired seed by seed. Each stands for itself: of many, some will look "
    "significant by chance."
)


def cell_table(result: ScenarioResult, measure: str) -> pd.DataFrame:
    """Lay out a measure: worlds in rows, routers in columns, standard errors in brackets."""
    import pandas as pd

    rows = []
    for scenario in result.scenarios:
        found = result.estimates(measure, scenario)
        cells = [f"{v:.4f} ({e:.4f})" for v, e in zip(found.value, found.se, strict=True)]
        rows.append({"world": scenario, **dict(zip(_names(result), cells, strict=True))})
    return pd.DataFrame(rows)


@validated()
def write_scenario_report(
    result: ScenarioResult, folder: str | os.PathLike[str], settings: Mapping[str, str]
) -> list[Path]:
    """Write a study into a folder, each file whole or not at all.

    Parameters
    ----------
    result : ScenarioResult
    folder : str or path-like
        Files of the same names are replaced.
    settings : dict of str to str
        Every setting and seed, in words.

    Returns
    -------
    list of pathlib.Path
        ``report.md``, ``scenarios.csv`` and ``scenarios.png``.
    """
    out = Path(folder)
    with atomic_path(out / "scenarios.csv") as temporary:
        result.to_frame().to_csv(temporary, index=False)
    figure = _save_figure(result, out / "scenarios.png")
    write_text(out / "report.md", _markdown(result, settings))
    return [out / "report.md", out / "scenarios.csv", figure]


def _save_figure(result: ScenarioResult, path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = result.plot(figure.subplots())
    axes.get_legend().remove()
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH)
    return path


def _markdown(result: ScenarioResult, settings: Mapping[str, str]) -> str:
    import pandas as pd

    sizes = [
        {"router": router_name(name), "halfway": halfway, "in the end": end}
        for name, (halfway, end) in result.sizes.items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    parts = [
        f"# Routers in worlds that change: {result.name}",
        _INTRODUCTION,
        "\n".join(f"- `{name}`: {WORLDS[name]}" for name in result.scenarios),
        "![Reward minus static](scenarios.png)",
        "Reward per round minus that of `static`:",
        result.to_markdown(),
        "Regret per round, to the best model that could be called:",
        markdown_table(cell_table(result, "regret")),
        "Regret per round in the last third:",
        markdown_table(cell_table(result, "late_regret")),
        "Bounded state: bytes of the router's file in the world `restart` (largest over seeds):",
        markdown_table(pd.DataFrame(sizes)),
        "## What was run",
        settings_table({**settings, "versions": versions}),
    ]
    return "\n\n".join(parts) + "\n"


def _names(result: ScenarioResult) -> list[str]:
    return [router_name(name) for name in result.routers]

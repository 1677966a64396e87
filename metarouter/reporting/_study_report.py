"""The report of a study: markdown, tables and the figure, in one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarouter.evaluation._study_estimates import ALL_PAIRS
from metarouter.reporting._claims import (
    check_claims,
    claim_sentences,
    compare_splits,
    differing_verdicts,
)
from metarouter.reporting._document import counted
from metarouter.reporting._report_method import glossary, package_versions
from metarouter.reporting._write_document import fill
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path, write_text
from metarouter.utils.markdown import settings_table
from metarouter.utils.style import ROUTER_ORDER

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.evaluation import StudyResult


@validated()
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
        figsize=(max(6.4, 4.4 * len(sizes)), 4.8), layout=ConstrainedLayoutEngine(wspace=0.05)
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for panel, size in zip(panels, sizes, strict=True):
        display = EfficiencyGainDisplay.from_curves(result.mean_curves(size))
        display.plot(panel, legend=False, title=f"{size} gold labels")
        panel.label_outer()
    figure.suptitle(f"What routing gains over random routing: {title or result.data_name}")
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": 4, "handlelength": 3.2}
    figure.legend(handles=[*display.lines_.values()], frameon=False, fontsize="small", **place)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return Path(path)


AREA_COLUMNS = ["router", "n_gold", "area", "se"]


@dataclass(frozen=True)
class StudyReport:
    """A study and what a reader must know about it.

    Parameters
    ----------
    title : str
    result : StudyResult
        The main result.
    settings : dict of str to str
        Every setting and seed, in words.
    notes : sequence of str
        What a reader must know of the data, such as dropped rows.
    random_split : StudyResult, optional
        The same study with test sets of single queries, where the main one splits by group.
    sections : sequence of (str, str)
        Headings and markdown that come before the areas.
    """

    title: str
    result: StudyResult
    settings: Mapping[str, str]
    notes: Sequence[str] = ()
    random_split: StudyResult | None = None
    sections: Sequence[tuple[str, str]] = field(default=())

    def to_markdown(self) -> str:
        """Return the report as markdown."""
        result, split = self.result, self.random_split
        claims, splits, differing = check_claims(result), None, []
        reference = "pooled" if "pooled" in result.routers else None
        if split is not None:
            splits, differing = compare_splits(result, split), differing_verdicts(result, split)
        versions = ", ".join(f"{name} {number}" for name, number in package_versions().items())
        return fill(
            "study.md",
            report=self,
            result=result,
            areas=in_order(result.areas()),
            claims=claims,
            sentences=claim_sentences(claims),
            sizes=counted(map(str, sorted(result.n_gold))),
            differences=result.paired_differences(reference),
            splits=splits,
            differing=differing,
            settings=settings_table({**self.settings, "versions": versions}),
            words=glossary(result.routers),
        )


@validated()
def write_study_report(report: StudyReport, folder: str | os.PathLike[str]) -> list[Path]:
    """Write a study into a folder, each file whole or not at all.

    Parameters
    ----------
    report : StudyReport
    folder : str or path-like
        Created where it does not exist; files of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        ``report.md``, ``areas.csv`` (columns router, n_gold, area, se), ``efficiency_gain.png``,
        ``areas_intervals.csv``, ``paired_differences.csv``, ``curves.csv`` and, with a study of
        random splits, ``areas_random_split.csv``.
    """
    out, areas = Path(folder), in_order(report.result.areas())
    files = [
        write_frame(areas[AREA_COLUMNS], out / "areas.csv"),
        save_efficiency_gain_figure(report.result, out / "efficiency_gain.png"),
        write_frame(areas, out / "areas_intervals.csv"),
        write_frame(report.result.paired_differences(ALL_PAIRS), out / "paired_differences.csv"),
        write_frame(report.result.curves(), out / "curves.csv"),
    ]
    if report.random_split is not None:
        areas = in_order(report.random_split.areas())[AREA_COLUMNS]
        files.append(write_frame(areas, out / "areas_random_split.csv"))
    write_text(out / "report.md", report.to_markdown())
    return [out / "report.md", *files]


def write_frame(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as CSV, whole or not at all."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)
    return path


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by number of gold labels, and routers as they stand in legends."""
    place = {name: k for k, name in enumerate(ROUTER_ORDER)}

    def key(column: pd.Series) -> pd.Series:
        return column.map(place).fillna(len(place)) if column.name == "router" else column

    return frame.sort_values(["n_gold", "router"], key=key)

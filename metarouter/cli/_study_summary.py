"""What a study prints when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metarouter.cli.console import print_frame
from metarouter.reporting import StudyReport, check_claims, compare_splits, differing_verdicts
from metarouter.reporting._claims import claim_sentences
from metarouter.reporting._study_report import in_order
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from metarouter.evaluation import StudyResult

__all__ = ["areas_wide", "print_study"]


def print_study(to: Console, report: StudyReport, files: list[Path]) -> None:
    """Print the areas, the verdicts, where the splits differ, and what was written."""
    print_frame(
        to,
        areas_wide(report.result),
        title=f"Area under the efficiency gain: {report.result.data_name}",
        caption=f"Mean over {report.result.n_rounds} splits; (\u00a0) s.e. on this table, "
        "[\u00a0] corrected s.e. for another table of this size. Random routing has area 0.",
    )
    for sentence in claim_sentences(check_claims(report.result)):
        to.print(sentence, markup=False, soft_wrap=True)
    if report.random_split is not None:
        differ = compare_splits(report.result, report.random_split)["differ"]
        to.print(
            f"With random splits instead of splits by group, {int(differ.sum())} of {len(differ)} "
            "areas differ by more than splitting noise.",
            markup=False,
            soft_wrap=True,
        )
        for sentence in differing_verdicts(report.result, report.random_split):
            to.print(sentence, markup=False, soft_wrap=True)
    to.print(
        f"Written to {files[0].parent}: {', '.join(file.name for file in files)}.",
        markup=False,
        soft_wrap=True,
    )


def areas_wide(result: StudyResult) -> pd.DataFrame:
    """Lay out areas with one column per number of gold labels."""
    frame = in_order(result.areas())
    cells = [
        f"{row.area:.4f} ({row.se:.4f}) [{row.se_corrected:.4f}]" for row in frame.itertuples()
    ]
    wide = frame.assign(cell=cells).pivot(index="router", columns="n_gold", values="cell")
    wide = wide.loc[list(dict.fromkeys(frame["router"]))]
    wide.columns = [f"{size} gold labels" for size in wide.columns]
    return wide.rename(index=router_label).reset_index()

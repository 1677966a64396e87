"""The report of a study says what was found, and writes it whole."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from metarouter.evaluation import StudyResult
from metarouter.reporting import (
    StudyReport,
    compare_splits,
    differing_verdicts,
    save_efficiency_gain_figure,
    write_study_report,
)
from metarouter.reporting._report_method import glossary
from metarouter.utils.markdown import markdown_table
from metarouter.utils.style import router_label


def test_all_files_are_written_and_areas_have_exactly_four_columns(
    result: StudyResult, tmp_path: Path
) -> None:
    report = StudyReport("A study", result, {"seed": "0"}, random_split=result)
    files = write_study_report(report, tmp_path / "new" / "folder")
    assert {file.name for file in files} == {
        "report.md",
        "areas.csv",
        "efficiency_gain.png",
        "areas_intervals.csv",
        "paired_differences.csv",
        "curves.csv",
        "areas_random_split.csv",
    }
    areas = pd.read_csv(tmp_path / "new" / "folder" / "areas.csv")
    assert list(areas.columns) == ["router", "n_gold", "area", "se"]
    assert len(areas) == 7 * 2
    differences = pd.read_csv(tmp_path / "new" / "folder" / "paired_differences.csv")
    assert len(differences) == 21 * 2


def test_the_report_says_what_was_run_and_what_its_errors_mean(result: StudyResult) -> None:
    report = StudyReport("A study", result, {"seed": "7"}, notes=["11 rows dropped"])
    text = report.to_markdown()
    for expected in (
        "| seed | 7 |",
        "- 11 rows dropped",
        "scikit-learn",
        "corrected s.e.",
        "Nadeau and Bengio",
        "base-learner fits",
        "outside",
        "(efficiency_gain.png)",
    ):
        assert expected in text


def test_the_report_explains_its_words_and_the_routers_that_it_names(result: StudyResult) -> None:
    words = StudyReport("A study", result, {}).to_markdown().split("## Words")[1]
    for word in ("gold label", "preference label", "shift, Delta", "usage", "held, reversed"):
        assert f"- **{word}" in words
    for router in result.routers:
        assert f"- **{router_label(router)}**: " in words
    assert "oracle" not in glossary(["pooled", "one of your own"])


def test_the_report_holds_both_standard_errors_of_every_area(result: StudyResult) -> None:
    text = StudyReport("A study", result, {}).to_markdown()
    for row in result.areas().itertuples():
        assert f"| {row.n_gold} | {row.area:.4f} | {row.se:.4f} | {row.se_corrected:.4f} |" in text


def test_a_study_does_not_differ_from_itself(result: StudyResult) -> None:
    assert not compare_splits(result, result)["differ"].any()
    assert differing_verdicts(result, result) == []


def test_the_figure_has_one_panel_per_number_of_gold_labels(
    result: StudyResult, tmp_path: Path
) -> None:
    import matplotlib.image

    path = save_efficiency_gain_figure(result, tmp_path / "efficiency_gain.png")
    height, width = matplotlib.image.imread(path).shape[:2]
    assert width > height > 300


def test_a_figure_leaves_no_figure_open(result: StudyResult, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    save_efficiency_gain_figure(result, tmp_path / "efficiency_gain.png")
    assert plt.get_fignums() == before


def test_cells_cannot_break_a_markdown_table() -> None:
    table = markdown_table(pd.DataFrame({"a|b": ["one\ntwo|three"]}))
    assert table.splitlines()[-1] == "| one two\\|three |"

"""The report of a study says what was found, and writes it whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from metarouter.datasets import make_judged_queries
from metarouter.evaluation import MonteCarloStudy, StudyResult, default_routers
from metarouter.reporting import (
    StudyReport,
    check_claims,
    compare_splits,
    differing_verdicts,
    save_efficiency_gain_figure,
    verdict,
    write_study_report,
)
from metarouter.reporting._claims import Claim, in_plain_words
from metarouter.reporting._markdown import markdown_table


@pytest.fixture(scope="module")
def result() -> StudyResult:
    queries = make_judged_queries(400, 6, gold_share=1.0, pairing=1.0, random_state=0)
    return MonteCarloStudy(default_routers(Ridge()), n_gold=(60, 30), rounds=4, n_test=100).run(
        queries
    )


def claim(baseline: str, here: tuple[float, float], other: tuple[float, float]) -> Claim:
    return Claim("dr_learner", baseline, 50, sum(here) / 2, here, other)


def test_a_verdict_needs_an_interval_on_one_side_of_zero() -> None:
    assert verdict(0.1, 0.2) == "better"
    assert verdict(-0.2, -0.1) == "worse"
    assert verdict(-0.1, 0.2) == "not told apart"
    assert verdict(0.0, 0.2) == "not told apart"


def test_an_interval_that_is_not_known_tells_nothing_apart() -> None:
    assert verdict(np.nan, np.nan) == "not told apart"


def test_every_meta_router_is_held_against_every_baseline_at_every_size(
    result: StudyResult,
) -> None:
    claims = check_claims(result)
    assert len(claims) == 2 * 4 * 2
    assert [c.n_gold for c in claims] == sorted(c.n_gold for c in claims)


def test_a_claim_rests_on_the_paired_differences_of_the_study(result: StudyResult) -> None:
    found = next(
        c
        for c in check_claims(result)
        if (c.router, c.baseline, c.n_gold) == ("r_learner", "gold_only", 30)
    )
    area = {name: result.area[:, result.routers.index(name), 1] for name in result.routers}
    expected = area["r_learner"] - area["gold_only"]
    assert found.difference == pytest.approx(expected.mean())
    assert np.mean(found.this_table) == pytest.approx(expected.mean())


def test_what_holds_for_other_tables_is_never_surer_than_on_this_one(result: StudyResult) -> None:
    for c in check_claims(result):
        assert c.other_tables[0] <= c.this_table[0] <= c.this_table[1] <= c.other_tables[1]


def test_words_say_where_the_two_verdicts_part() -> None:
    same = [claim("pooled", (0.1, 0.2), (0.05, 0.25))]
    parted = [claim("pooled", (0.1, 0.2), (-0.1, 0.4)), claim("gold_only", (-0.3, -0.1), (-1, 1))]
    assert in_plain_words(same) == [
        "With 50 gold labels, DR-learner is better than pooled on this table; for other tables "
        "like it the verdicts are the same."
    ]
    assert in_plain_words(parted) == [
        "With 50 gold labels, DR-learner is better than pooled, worse than gold only on this "
        "table; for other tables like it: not told apart from pooled and gold only."
    ]


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

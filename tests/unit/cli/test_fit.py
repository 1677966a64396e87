"""``metarouter fit`` learns a router from a table and says what it is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run

from metarouter.cli import _fit_summary
from metarouter.reporting import MeanShift


def test_fit_reports_labels_shift_and_check_and_route_adds_two_columns(folder: Path) -> None:
    out = folder / "tuned.skops"
    code, said, error = run(
        "fit", folder / "labels.csv", "--text", "query", "--out", out, "--max-share", 0.3,
        "--primary", "large", "--alternative", "small", "--n-jobs", 1, "--group-by", "source",
        "--folds", 2,
    )  # fmt: skip
    assert code == 0, error
    for expected in ("with a gold label", "s.e.", "out of fold", "share", "groups"):
        assert expected in said
    for expected in ("Preference labels ", "correlation of the preference score with the gain"):
        assert expected in said
    code, said, error = run("route", out, folder / "new.csv", "--out", folder / "routed.csv")
    assert code == 0, error
    before = pd.read_csv(folder / "new.csv", dtype=str)
    after = pd.read_csv(folder / "routed.csv", dtype=str)
    assert list(after.columns) == [*before.columns, "route", "predicted_gain"]
    # Cells are kept to the letter: 007 stays 007.
    pd.testing.assert_frame_equal(after[before.columns], before)
    assert set(after["route"]) <= {"large", "small"}


def test_what_exists_is_kept_when_a_command_is_refused(folder: Path) -> None:
    kept = (folder / "router.skops").read_bytes()
    refused("fit", folder / "labels.csv", "--text", "qurey", "--out", folder / "router.skops")
    assert (folder / "router.skops").read_bytes() == kept


def test_mistakes_in_a_table_are_named(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "r.skops")
    (tmp_path / "empty.csv").touch()
    frame = pd.read_csv(folder / "labels.csv")
    frame.assign(gold=np.nan).to_csv(tmp_path / "no_gold.csv", index=False)
    frame.assign(x1="high").to_csv(tmp_path / "words.csv", index=False)
    few = frame.assign(gold=frame["gold"].where(frame.index.isin(frame["gold"].dropna().index[:3])))
    few.to_csv(tmp_path / "few.csv", index=False)
    one = frame.assign(gold=frame["gold"].where(frame.index == frame["gold"].first_valid_index()))
    one.to_csv(tmp_path / "one.csv", index=False)

    labels = folder / "labels.csv"
    assert "did you mean 'query'?" in refused("fit", labels, "--text", "qury", *out)
    assert "has no column 'y*'" in refused("fit", labels, "--features", "y*", *out)
    assert "is empty" in refused("fit", tmp_path / "empty.csv", "--text", "query", *out)
    assert "no gold label" in refused("fit", tmp_path / "no_gold.csv", "--text", "query", *out)
    assert "holds no number" in refused("fit", tmp_path / "words.csv", "--features", "x1", *out)
    one_label = refused("fit", tmp_path / "one.csv", "--text", "query", *out)
    assert "1 gold label is too few to fit a router; give at least 5" in one_label
    assert "lower --folds to 3" in refused(
        "fit", tmp_path / "few.csv", "--text", "query", "--shift", "dr", *out
    )


def test_columns_of_words_are_left_out_with_a_word_on_prompts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.skops"
    code, said, error = run(
        "fit", folder / "labels.csv", "--no-check", "--shift", "constant", "--out", out
    )
    assert code == 0, error
    assert "hold no numbers are no features: 'query'; name one of prompts as text" in said


def test_budgets_that_cannot_be_are_refused(folder: Path, tmp_path: Path) -> None:
    words = ("fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "r.skops")
    assert "--max-share is 1.5" in refused(*words, "--max-share", 1.5)
    assert "at least 0" in refused(*words, "--w", -1)
    assert "give one of them" in refused(*words, "--w", 0.1, "--max-share", 0.2)


def test_a_router_without_a_price_says_how_to_name_one(folder: Path, tmp_path: Path) -> None:
    words = (
        "fit", folder / "labels.csv", "--features", "x*", "--out", tmp_path / "r.skops",
        "--no-check", "--shift", "constant", "--n-jobs", 1,
    )  # fmt: skip
    hint = "give --w or --max-share"
    assert hint in run(*words)[1]
    assert hint not in run(*words, "--w", 0.1)[1]
    assert hint not in run(*words, "--max-share", 1)[1]


@pytest.mark.parametrize(
    ("value", "se", "words"),
    [
        (-1.99, 1.0, "cheap labels overstate the primary model."),
        (1.99, 1.0, "cheap labels understate the primary model."),
        (1.95, 1.0, "not significantly different from 0"),
    ],
)
def test_a_shift_is_told_apart_when_its_interval_does_not_hold_zero(
    value: float, se: float, words: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(_fit_summary, "mean_shift", lambda *_: MeanShift(value, se, 1e6, "a mean"))
    said = run(
        "fit", folder / "labels.csv", "--features", "x*", "--out", tmp_path / "r.skops",
        "--no-check", "--shift", "constant", "--n-jobs", 1,
    )[1]  # fmt: skip
    assert words in said

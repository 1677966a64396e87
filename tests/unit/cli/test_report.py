"""``metarouter report`` writes a report, or says in one sentence why it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run

from metarouter.cli._report_run import _print_summary
from metarouter.reporting._document import (
    Document,
    Figure,
    Finding,
    Findings,
    Paragraph,
    Section,
)


@pytest.fixture(scope="module")
def few(folder: Path) -> Path:
    """The table of the folder with 20 gold labels: enough to read, too few to fit anything."""
    frame = pd.read_csv(folder / "labels.csv")
    kept = frame["gold"].dropna().index[:20]
    frame["gold"] = frame["gold"].where(frame.index.isin(kept))
    path = folder / "few_gold.csv"
    frame.dropna(subset=["gold", "preference"], how="all").to_csv(path, index=False)
    return path


def test_one_run_writes_all_formats_and_prints_the_summary(few: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"report.{ending}" for ending in ("html", "md", "tex", "json")]
    words = [word for out in outs for word in ("--out", out)]
    code, said, error = run(
        "report", few, "--text", "query", *words, "--n-jobs", 1, "--title", "Ours & <yours>"
    )
    assert code == 0, error
    assert "INCONCLUSIVE" in said
    assert "would do" in said
    assert all(out.is_file() for out in outs)
    read = json.loads(outs[3].read_text())
    assert read["title"] == "Ours & <yours>"
    assert "Ours &amp; &lt;yours&gt;" in outs[0].read_text()


def test_a_summary_is_printed_without_its_picture(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = (
        Paragraph("What was asked."),
        Findings((Finding("What was found."),)),
        Figure("curve", "A curve", "rises", lambda axes: axes),
    )
    _print_summary(Document("Ours", "", (Section("Summary", blocks),)), [Path("report.md")])
    assert capsys.readouterr().out == ("What was asked.\nWhat was found.\nWritten to report.md.\n")


def test_a_format_may_be_named_instead_of_an_ending(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    code, _, error = run(
        "report", few, "--features", "x*", "--out", out, "--format", "json", "--n-jobs", 1
    )
    assert code == 0, error
    assert json.loads(out.read_text())["sections"]


def test_mistakes_are_one_sentence_and_leave_nothing_behind(
    folder: Path, few: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(few)
    frame.assign(gold=np.nan).to_csv(tmp_path / "no_gold.csv", index=False)
    frame.drop(columns="preference").to_csv(tmp_path / "no_votes.csv", index=False)
    out = tmp_path / "out"
    html = ("--out", out / "r.html")

    def of(*words: object) -> str:
        return refused("report", *words)

    assert "did you mean 'query'?" in of(few, "--text", "qury", *html)
    assert "no gold label" in of(tmp_path / "no_gold.csv", "--text", "query", *html)
    assert "'preference' of no_votes.csv" in of(tmp_path / "no_votes.csv", "--text", "query", *html)
    assert "'.doc'" in of(few, "--text", "query", "--out", out / "r.doc")
    assert "one file twice" in of(few, "--text", "query", *html, *html)
    assert "the table itself" in of(few, "--text", "query", "--format", "md", "--out", few)
    link = tmp_path / "link.md"
    link.symlink_to(few)
    assert "the table itself" in of(few, "--text", "query", "--out", link)
    assert "level" in of(few, "--text", "query", "--level", 2, *html)
    assert "--max-share" in of(few, "--text", "query", "--max-share", 2, *html)
    assert "--min-gain is nan" in of(few, "--text", "query", "--min-gain", "nan", *html)
    assert "--folds 2 leaves no" in of(few, "--text", "query", "--folds", 2, *html)
    assert "delta" in of(few, "--text", "query", "--delta", 1, *html)
    assert "cost_primary" in of(few, "--text", "query", "--max-cost", 1, *html)
    assert "none.csv" in of(tmp_path / "none.csv", "--text", "query", *html)
    assert list(out.glob("*")) == []

"""``metarouter study`` compares routers on named data and on tables, and can be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run


def test_unknown_data_are_answered_by_what_exists(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "s")
    assert "did you mean 'xstest'?" in refused("study", "--dataset", "xtest", *out)
    assert "no preference labels" in refused("study", "--dataset", "routellm_evals", *out)
    assert "--dataset" in refused("study", *out)
    assert "no models" in refused("study", "--dataset", "judged_queries", "--pair", "a", "b", *out)
    assert "belongs to --dataset" in refused(
        "study", "--table", folder / "labels.csv", "--judge", "vote", "--text", "query", *out
    )
    assert "none" in refused("study", "--dataset", "judged_queries", "--group-by", "source", *out)


def test_unknown_pairs_and_judges_are_answered_by_what_exists(
    real_data_home: Path, tmp_path: Path
) -> None:
    words = ("study", "--dataset", "xstest", "--data-home", real_data_home, "--out", tmp_path)
    assert "gpt4 mistralinstruct" in refused(*words, "--pair", "gpt4", "lama")
    assert "judge_gpt4, judge_strmatch" in refused(*words, "--judge", "gpt5")
    assert "--n-gold 1000" in refused(*words, "--n-gold", 1000)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--n-gold", 1), "--n-gold"),
        (("--n-gold", 4, "--learner", "ridge"), "--n-gold 4 is below --folds 5"),
        (("--n-gold", 9, "--method", "cv", "--folds", 10), "raise --n-gold or lower --folds"),
        (("--n-gold", 30, "--n-gold", 30), "different positive whole numbers"),
        (("--method", "oob", "--learner", "ridge"), "--method oob needs a forest"),
    ],
)
def test_what_no_data_can_mend_is_refused_before_they_are_read(
    words: tuple[object, ...], sentence: str, tmp_path: Path
) -> None:
    out = tmp_path / "s"
    line = refused("study", "--table", tmp_path / "none.csv", "--text", "q", "--out", out, *words)
    assert sentence in line
    assert "none.csv" not in line


def test_folds_of_groups_need_a_gold_label_each_even_where_forests_need_no_folds(
    folder: Path, tmp_path: Path
) -> None:
    words = (
        "study", "--table", folder / "labels.csv", "--features", "x*", "--n-gold", 3,
        "--out", tmp_path,
    )  # fmt: skip
    assert "--n-gold 3 is below --folds 5" in refused(*words, "--group-by", "source")


def test_a_study_of_a_grouped_table_reports_both_splits(folder: Path, tmp_path: Path) -> None:
    words = (
        "study", "--table", folder / "labels.csv", "--features", "x*", "--group-by", "source",
        "--learner", "ridge", "--n-gold", 20, "--rounds", 3, "--n-jobs", 1, "--out", tmp_path,
    )  # fmt: skip
    code, said, error = run(*words)
    assert code == 0, error
    assert "random splits" in said
    assert list(pd.read_csv(tmp_path / "areas.csv").columns) == ["router", "n_gold", "area", "se"]
    assert (tmp_path / "areas_random_split.csv").is_file()
    report = (tmp_path / "report.md").read_text()
    assert " of 160 queries left out" in report
    assert "Splits by group, and random splits" in report


def test_a_table_with_few_queries_of_both_labels_is_sent_to_the_report(
    folder: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(folder / "labels.csv")
    both = frame.index[frame["gold"].notna() & frame["preference"].notna()]
    frame.loc[both[10:], "preference"] = np.nan
    frame.to_csv(tmp_path / "few.csv", index=False)
    words = ("--features", "x*", "--n-gold", 30, "--out", tmp_path / "out")
    said = refused("study", "--table", tmp_path / "few.csv", *words)
    assert f"Only 10 of the {len(frame)} queries" in said
    assert "`metarouter report` takes this table" in said


def test_other_settings_are_refused_until_one_begins_anew(folder: Path, tmp_path: Path) -> None:
    words = (
        "study", "--table", folder / "labels.csv", "--features", "x*", "--group-by", "none",
        "--learner", "ridge", "--n-gold", 20, "--n-jobs", 1, "--out", tmp_path,
    )  # fmt: skip
    assert run(*words, "--rounds", 2)[0] == 0
    before = pd.read_csv(tmp_path / "areas.csv")
    said = refused(*words, "--rounds", 2, "--seed", 5)
    assert "(other --seed)" in said
    assert "--no-resume" in said
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "areas.csv"), before)
    code, _, error = run(*words, "--rounds", 2, "--seed", 5, "--no-resume")
    assert code == 0, error
    assert not pd.read_csv(tmp_path / "areas.csv").equals(before)


def _heed_interrupts() -> None:
    """Undo what a shell does to the jobs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of Unix")
def test_a_stopped_study_goes_on_and_ends_with_the_same_numbers(
    folder: Path, tmp_path: Path
) -> None:
    words = [
        "study", "--table", str(folder / "labels.csv"), "--features", "x*", "--group-by", "none",
        "--learner", "ridge", "--n-gold", "20", "--rounds", "5", "--n-jobs", "1", "--folds", "2",
    ]  # fmt: skip
    command = [sys.executable, "-m", "metarouter", *words, "--out", "stopped"]
    stopped = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts
    )
    rounds = tmp_path / "stopped" / "checkpoint"
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not list(rounds.glob("round_*")):
        time.sleep(0.005)
    os.kill(stopped.pid, signal.SIGINT)
    error = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130
    assert "the same command goes on from there" in error.splitlines()[-1]
    assert "Traceback" not in error

    for out in ("stopped", "whole"):
        assert run(*words, "--out", tmp_path / out)[0] == 0
    for name in ("areas.csv", "curves.csv"):
        ended = (tmp_path / "stopped" / name).read_bytes()
        assert ended == (tmp_path / "whole" / name).read_bytes()

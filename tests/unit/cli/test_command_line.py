"""The command line works, and says every mistake in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from metarouter.cli._app import app
from metarouter.cli._options_in_words import as_options
from metarouter.datasets import make_judged_queries

runner = CliRunner()


def run(*words: object) -> tuple[int, str, str]:
    result = runner.invoke(app, [str(word) for word in words], prog_name="metarouter")
    return result.exit_code, result.stdout, result.stderr


def refused(*words: object) -> str:
    """Return the one line with which the command was refused."""
    code, _, error = run(*words)
    assert code == 2, error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables: numbers, text, groups, both labels; and one fitted router."""
    at = tmp_path_factory.mktemp("tables")
    data = make_judged_queries(
        160, 6, gold_share=0.5, pairing=1.0, preference_levels=3, random_state=0
    )
    words = np.array(["cold", "flu", "rent", "loan", "tax"])
    frame = pd.DataFrame(data.X, columns=data.feature_names).assign(
        id=[f"{k:03d}" for k in range(160)],
        query=[f"{words[k % 5]} and {words[k % 4]} {k % 7}" for k in range(160)],
        source=[k // 4 for k in range(160)],
        gold=data.gold,
        preference=data.preference,
    )
    frame.to_csv(at / "labels.csv", index=False)
    frame.drop(columns=["gold", "preference"]).to_csv(at / "new.csv", index=False)
    code, _, error = run(
        "fit", at / "labels.csv", "--features", "x*", "--out", at / "router.skops", "--no-check",
        "--n-jobs", 1, "--shift", "constant",
    )  # fmt: skip
    assert code == 0, error
    return at


@pytest.mark.parametrize("command", ["demo", "study", "fit", "route"])
def test_help_shows_an_example(command: str) -> None:
    code, shown, _ = run(command, "--help")
    assert code == 0
    assert f"metarouter {command} " in shown


def test_help_needs_no_heavy_library() -> None:
    script = (
        "import sys; sys.argv = ['metarouter', '--help']\n"
        "from metarouter.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sklearn', 'pandas', 'numpy', 'matplotlib', 'torch', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"


def test_python_m_metarouter_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metarouter", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("metarouter ")


def test_a_mistake_leaves_the_process_with_code_2_and_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metarouter", "fit", str(tmp_path / "none.csv"), "--text", "q",
         "--out", str(tmp_path / "r.skops")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("metarouter: There is no file")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


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
    code, said, error = run("route", out, folder / "new.csv", "--out", folder / "routed.csv")
    assert code == 0, error
    before = pd.read_csv(folder / "new.csv", dtype=str)
    after = pd.read_csv(folder / "routed.csv", dtype=str)
    assert list(after.columns) == [*before.columns, "route", "predicted_gain"]
    # Cells are kept to the letter: 007 stays 007.
    pd.testing.assert_frame_equal(after[before.columns], before)
    assert set(after["route"]) <= {"large", "small"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_the_ending_chooses_the_format(folder: Path, ending: str) -> None:
    out = folder / f"ending.{ending}"
    assert run("route", folder / "router.skops", folder / "new.csv", "--out", out)[0] == 0
    read = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text().splitlines())),
    }[ending](out)
    assert len(read) == 160
    assert {"route", "predicted_gain", "id"} <= set(read.columns)


def test_a_budget_given_to_route_is_kept(folder: Path) -> None:
    out = folder / "share.csv"
    run("route", folder / "router.skops", folder / "new.csv", "--out", out, "--max-share", 0.25)
    assert (pd.read_csv(out)["route"] == "primary").mean() == 0.25


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

    labels = folder / "labels.csv"
    assert "did you mean 'query'?" in refused("fit", labels, "--text", "qury", *out)
    assert "--text" in refused("fit", labels, *out)
    assert "has no column 'y*'" in refused("fit", labels, "--features", "y*", *out)
    assert "is empty" in refused("fit", tmp_path / "empty.csv", "--text", "query", *out)
    assert "no gold label" in refused("fit", tmp_path / "no_gold.csv", "--text", "query", *out)
    assert "holds no number" in refused("fit", tmp_path / "words.csv", "--features", "x1", *out)
    assert "lower --folds to 3" in refused("fit", tmp_path / "few.csv", "--text", "query", *out)


def test_budgets_that_cannot_be_are_refused(folder: Path, tmp_path: Path) -> None:
    words = ("fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "r.skops")
    assert "--max-share is 1.5" in refused(*words, "--max-share", 1.5)
    assert "at least 0" in refused(*words, "--w", -1)
    assert "give one of them" in refused(*words, "--w", 0.1, "--max-share", 0.2)


def test_router_files_that_are_none_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.skops").write_bytes((folder / "router.skops").read_bytes()[:3000])
    (tmp_path / "foreign.skops").write_text("hello")
    for file, reason in (("cut", "truncated"), ("foreign", "not a router"), ("no", "no file")):
        line = refused(
            "route", tmp_path / f"{file}.skops", folder / "new.csv", "--out", tmp_path / "o.csv"
        )
        assert reason in line


def test_columns_that_a_router_needs_are_missed_by_name(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "new.csv")
    frame.rename(columns={"x3": "x_3"}).to_csv(tmp_path / "renamed.csv", index=False)
    line = refused(
        "route", folder / "router.skops", tmp_path / "renamed.csv", "--out", tmp_path / "o.csv"
    )
    assert "'x3'" in line
    assert "did you mean" in line


def test_routing_twice_does_not_overwrite_the_first_decision(folder: Path, tmp_path: Path) -> None:
    once = tmp_path / "once.csv"
    run("route", folder / "router.skops", folder / "new.csv", "--out", once)
    twice = tmp_path / "twice.csv"
    assert "already" in refused("route", folder / "router.skops", once, "--out", twice)


def test_a_file_that_is_read_is_never_written_over(folder: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.csv"
    queries.write_bytes((folder / "new.csv").read_bytes())
    assert "files to read" in refused("route", folder / "router.skops", queries, "--out", queries)
    assert queries.read_bytes() == (folder / "new.csv").read_bytes()


@pytest.mark.parametrize("n_jobs", ["0", "-2"])
def test_a_number_of_workers_that_means_nothing_is_refused(n_jobs: str, tmp_path: Path) -> None:
    assert "--n-jobs" in refused("demo", "--n-jobs", n_jobs, "--out", tmp_path / "demo")


def test_places_that_cannot_be_written_are_refused_before_any_work(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused("demo", "--out", tmp_path / "file")
    assert "is a folder" in refused(
        "route", folder / "router.skops", folder / "new.csv", "--out", tmp_path
    )
    assert "which is a file" in refused(
        "fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "file" / "r.skops"
    )
    assert ".skops" in refused(
        "fit", folder / "labels.csv", "--text", "query", "--out", tmp_path / "router.pkl"
    )


def test_a_disk_that_refuses_writing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert "cannot be written to (Permission denied)" in refused("demo", "--out", tmp_path)


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


def test_other_settings_are_refused_until_one_begins_anew(folder: Path, tmp_path: Path) -> None:
    words = (
        "study", "--table", folder / "labels.csv", "--features", "x*", "--group-by", "none",
        "--learner", "ridge", "--n-gold", 20, "--n-jobs", 1, "--out", tmp_path,
    )  # fmt: skip
    assert run(*words, "--rounds", 2)[0] == 0
    before = pd.read_csv(tmp_path / "areas.csv")
    assert "--no-resume" in refused(*words, "--rounds", 2, "--seed", 5)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "areas.csv"), before)
    code, _, error = run(*words, "--rounds", 2, "--seed", 5, "--no-resume")
    assert code == 0, error
    assert not pd.read_csv(tmp_path / "areas.csv").equals(before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of Unix")
def test_a_stopped_study_goes_on_and_ends_with_the_same_numbers(tmp_path: Path) -> None:
    def words(out: str) -> list[str]:
        return [
            sys.executable, "-m", "metarouter", "study", "--dataset", "judged_queries", "--learner",
            "ridge", "--n-gold", "30", "--rounds", "5", "--n-jobs", "1", "--folds", "2",
            "--out", out,
        ]  # fmt: skip

    stopped = subprocess.Popen(words("stopped"), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    rounds = tmp_path / "stopped" / "checkpoint"
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and not list(rounds.glob("round_*")):
        time.sleep(0.02)
    os.kill(stopped.pid, signal.SIGINT)
    error = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130
    assert "the same command goes on from there" in error.splitlines()[-1]
    assert "Traceback" not in error

    for out in ("stopped", "whole"):
        subprocess.run(words(out), cwd=tmp_path, check=True, capture_output=True)
    for name in ("areas.csv", "curves.csv"):
        ended = (tmp_path / "stopped" / name).read_bytes()
        assert ended == (tmp_path / "whole" / name).read_bytes()


def test_the_demo_writes_what_it_promises_and_its_router_routes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metarouter.cli import _demo_run

    for name, small in (("N_QUERIES", 300), ("N_NEW", 600), ("N_TEST", 60), ("N_GOLD", (40,))):
        monkeypatch.setattr(_demo_run, name, small)
    monkeypatch.setattr(_demo_run, "N_GOLD_OF_FIT", 60)
    code, said, error = run("demo", "--out", tmp_path, "--rounds", 2, "--n-jobs", 1)
    assert code == 0, error
    for expected in ("true", "s.e.", "RMSE", "What to try next"):
        assert expected in said
    for name in ("report.md", "areas.csv", "efficiency_gain.png", "router.skops"):
        assert (tmp_path / name).stat().st_size > 0
    code, _, error = run(
        "route", tmp_path / "router.skops", tmp_path / "new_queries.csv",
        "--out", tmp_path / "routed.csv", "--max-share", 0.3,
    )  # fmt: skip
    assert code == 0, error


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("use method='cv'.", "use --method cv."),
        ("lower n_gold or n_test.", "lower --n-gold or --n-test."),
        ("or use scaling=None.", "or use --scaling none."),
        ("name it with text=.", "name it with --text."),
        ("n_gold=500 is too much", "--n-gold 500 is too much"),
        ("the context=3 stays", "the context=3 stays"),
    ],
)
def test_arguments_become_options(message: str, words: str) -> None:
    assert as_options(message) == words

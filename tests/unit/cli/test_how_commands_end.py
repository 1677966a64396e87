"""The command line helps, and says every mistake in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import refused, run


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
